"""Import spandrel, whether or not there is a torchvision that works.

spandrel 0.4 imports two functions of torchvision, for two networks that do not enlarge pictures (LaMa
and RestoreFormer); torchvision has to match torch's own build and often does not. Where it is absent or
cannot be imported, these names stand in for it while spandrel is imported, and for nothing else.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Literal, NoReturn

from pipersr_build.errors import MachineError

INSTALL = "pip install 'pipersr-build[zoo]', or see docs/how_to/third_party.md for a smaller one"
_FUNCTIONAL = "torchvision.transforms.functional"
_PATH = ("torchvision", "torchvision.transforms", _FUNCTIONAL)


def spandrel() -> ModuleType:
    """Import spandrel and return it.

    Raises:
        MachineError: it is not installed.
    """
    if "spandrel" in sys.modules:
        return sys.modules["spandrel"]
    try:
        with _torchvision():
            return importlib.import_module("spandrel")
    except ImportError as error:
        raise MachineError(
            "weights that others trained are read by spandrel, which is not installed",
            where=error.name,
            fix=INSTALL,
        ) from error


def torchvision_state() -> Literal["works", "absent", "broken"]:
    """Whether torchvision can be imported, is not installed, or fails when it is imported."""
    try:
        importlib.import_module(_FUNCTIONAL)
    except ModuleNotFoundError as error:
        return "absent" if error.name == "torchvision" else "broken"
    except Exception:  # a build for another torch fails in many ways
        return "broken"
    return "works"


@contextmanager
def _torchvision() -> Iterator[None]:
    """torchvision, or for the time being the two names that spandrel takes from it."""
    if torchvision_state() == "works":
        yield
        return
    _forget()  # what a failed import left
    sys.modules.update(_stand_ins())
    try:
        yield
    finally:
        _forget()  # nobody else shall take them for torchvision


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]


def _stand_ins() -> dict[str, ModuleType]:
    modules = {name: ModuleType(name) for name in _PATH}
    functional: Any = modules[_FUNCTIONAL]
    functional.rotate = functional.normalize = _missing
    functional.InterpolationMode = _InterpolationMode
    return modules


class _InterpolationMode:
    """The names of the modes, for default arguments."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"


def _missing(*_: object, **__: object) -> NoReturn:
    raise MachineError("this network needs torchvision", fix="install the torchvision that fits your torch")
