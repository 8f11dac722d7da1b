"""Upscale the frames of a video with a package that is given its own state of the frame before."""

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import Feature, Package
from pipersr_build.mil.values import Semantics

CUT = 30 / 255  # of the mean luma: a larger step from one frame to the next begins a new scene
LUMA = np.array([0.299, 0.587, 0.114])  # of R, G, B: ITU-R BT.601


def mean_luma(frame: np.ndarray) -> float:
    """The mean luma of a frame, 1, 3, H, W in [0, 1]."""
    return float(frame[0].mean((1, 2), dtype=np.float64) @ LUMA)


class RecurrentUpscaler:
    """A video package with a state, run frame by frame in the MIL interpreter.

    The state begins as zeros, which say that there is no frame before, and is zeros again where the mean
    luma steps by more than 30 of 255 levels.

    Args:
        package: of a network with a state: two tensors in, frame and state, and two out.
        semantics: the interpreter's.

    Raises:
        InputError: the package takes or returns something else.
    """

    def __init__(self, package: Package, semantics: Semantics = "fp16") -> None:
        self._frame, self._before = _pair(package, package.interface.inputs)
        self._result, self._after = _pair(package, package.interface.outputs)
        self._interpreter = Interpreter(package, semantics=semantics)
        self.forget()

    def forget(self) -> None:
        """Begin a new video."""
        shape = [extent or 0 for extent in self._before.shape]
        self._state = np.zeros(shape, _dtype(self._before))
        self._luma: float | None = None

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """The next frame, 1, 3, H, W in [0, 1] in the package's type, enlarged: 1, 3, scale H, scale W."""
        luma = mean_luma(frame)
        if self._luma is not None and abs(luma - self._luma) > CUT:
            self.forget()
        made = self._interpreter.run({self._frame.name: frame, self._before.name: self._state})
        self._state, self._luma = made[self._after.name].astype(_dtype(self._before)), luma
        enlarged: np.ndarray = made[self._result.name]
        return enlarged


def _dtype(feature: Feature) -> type[np.generic]:
    return np.float16 if feature.dtype == "fp16" else np.float32


def _pair(package: Package, features: tuple[Feature, ...]) -> tuple[Feature, Feature]:
    """The picture, which has three channels, and the state."""
    pictures = [f for f in features if f.kind == "tensor" and len(f.shape) == 4 and f.shape[1] == 3]
    others = [f for f in features if f.kind == "tensor" and f not in pictures]
    if len(features) != 2 or len(pictures) != 1 or len(others) != 1:
        names = ", ".join(f.name for f in features)
        raise InputError(
            f"the package does not take and return a frame and a state ({names})",
            where=package.path,
            fix="use a video package of a network that remembers the frame before",
        )
    return pictures[0], others[0]
