"""Packages of both contracts as methods to evaluate: functions between 8-bit pictures.

An image package takes tiles, a video package one frame size; both are run by the MIL interpreter on
any picture, tile by tile. A frame's tensor is made of a tile as of a decoded frame: 8-bit levels
divided by 255, in the tensor's own type; its result is clipped and rounded to 8 bits. A package that
remembers the frame before is given zeros for its state, which say that there is none: every tile is a first
frame.
"""

from dataclasses import dataclass
from typing import Literal

from pipersr_build.evaluation.testset import Upscale
from pipersr_build.mil.package import Package
from pipersr_build.mil.values import Semantics
from pipersr_build.runtime.backends import open_backend
from pipersr_build.runtime.frames import enlargement
from pipersr_build.runtime.upscaler import Upscaler, halo


@dataclass(frozen=True)
class Method:
    """A package ready to be evaluated: what it does, to which size of tile (height, width), how large.

    Attributes:
        state: it could remember the frame before; here it is given none.
    """

    upscale: Upscale
    scale: float
    contract: Literal["image", "video"]
    tile: tuple[int, int]
    state: bool = False


def open_method(package: Package, semantics: Semantics = "fp16") -> Method:
    """The package as a function from uint8 height, width, 3 to uint8 scale height, scale width, 3.

    Raises:
        InputError: it neither takes and returns one RGB image nor one tensor of one frame size, does
            not enlarge, or its tile is too small for the overlap that it needs.
    """
    what = enlargement(package)
    for length in what.size:
        halo(package, length)
    made = Upscaler(package, open_backend(package, choice="interpreter", semantics=semantics))
    return Method(made.upscale, what.scale, what.kind, what.size, what.state is not None)
