"""What an export is written in: Core ML packages by default; ONNX files and Core AI models beside them."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipersr_build.errors import InputError, MachineError
from pipersr_build.evidence import OtherFormat

COREML = "coreml"
ONNX: OtherFormat = "onnx"
COREAI: OtherFormat = "coreai"
FORMATS = (COREML, ONNX, COREAI)
TITLES = {COREML: "Core ML", ONNX: "ONNX", COREAI: "Core AI"}
SUFFIXES = {ONNX: ".onnx", COREAI: ".aimodel"}
NEEDS: dict[str, tuple[str, ...]] = {
    COREML: (),
    ONNX: ("onnx", "onnxruntime", "onnxscript"),
    COREAI: ("coreai_torch",),
}
KEY = "configuration key export.formats"


@dataclass(frozen=True)
class Written:
    """A file, or folder, of a format other than Core ML, as it lies on disk.

    Attributes:
        path: where.
        kind: `image` or `video` as the package of that size; `any size` where height and width are free.
        state: whether the state of the frame before goes in and comes out.
        twin: of what only another machine can run at its own size: the same program for a small frame.
        alike: whether the twin has the same operations and weights: not where a graph depends on its size.
    """

    path: Path
    kind: Literal["image", "video", "any size"]
    state: bool = False
    twin: Path | None = None
    alike: bool = True


def parse(value: Any) -> list[str]:
    """The formats that `export.formats` names: one, several separated by commas, or a list.

    Raises:
        InputError: none, or one that does not exist.
    """
    named = value.split(",") if isinstance(value, str) else value if isinstance(value, Sequence) else []
    names = list(dict.fromkeys(str(name).strip() for name in named))
    if not names or set(names) - set(FORMATS):
        fix = f"choose from {', '.join(FORMATS)}, for example export.formats=[coreml,onnx]"
        raise InputError(f"export.formats is {value!r}", where=KEY, fix=fix)
    return names


def require(name: str) -> None:
    """See that what a format needs is installed.

    Raises:
        MachineError: something is missing; says how to install it.
    """
    missing = [module for module in NEEDS[name] if importlib.util.find_spec(module) is None]
    if missing:
        raise MachineError(
            f"{TITLES[name]} needs what is not installed: {', '.join(missing)}",
            where=KEY,
            fix=f"pip install 'pipersr-build[{name}]'",
        )
