"""Upscale the frames of a video with a package that is given its own state of the frame before."""

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.mil.package import Package
from pipersr_build.mil.recurrence import Recurrence, recurrence
from pipersr_build.mil.values import Semantics
from pipersr_build.runtime.backends import Backend, InterpreterBackend

CUT = 30 / 255  # of the mean luma: a larger step from one frame to the next begins a new scene
LUMA = np.array([0.299, 0.587, 0.114])  # of R, G, B: ITU-R BT.601


def mean_luma(frame: np.ndarray) -> float:
    """The mean luma of a frame, 1, 3, H, W in [0, 1]."""
    return float(frame[0].mean((1, 2), dtype=np.float64) @ LUMA)


class RecurrentUpscaler:
    """A video package with a state, run frame by frame.

    The state begins as zeros, which say that there is no frame before, and is zeros again where the mean
    luma steps by more than 30 of 255 levels.

    Args:
        package: of a network with a state: two tensors in, frame and state, and two out.
        semantics: the interpreter's.
        backend: what runs the package, opened; None: the MIL interpreter.

    Raises:
        InputError: the package takes or returns something else.
    """

    def __init__(
        self, package: Package, semantics: Semantics = "fp16", backend: Backend | None = None
    ) -> None:
        self._takes = frame_and_state(package)
        self._backend = backend or InterpreterBackend(package, semantics=semantics)
        self.forget()

    def forget(self) -> None:
        """Begin a new video."""
        self._state = self._takes.no_state()
        self._luma: float | None = None

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """The next frame, 1, 3, H, W in [0, 1] in the package's type, enlarged: 1, 3, scale H, scale W."""
        luma = mean_luma(frame)
        if self._luma is not None and abs(luma - self._luma) > CUT:
            self.forget()
        names = self._takes
        made = self._backend.run({names.frame.name: frame, names.before.name: self._state})
        self._state, self._luma = names.as_input(made[names.after.name]), luma
        enlarged: np.ndarray = made[names.result.name]
        return enlarged


def frame_and_state(package: Package) -> Recurrence:
    """What a package with a state takes and returns.

    Raises:
        InputError: it takes or returns something else than one frame and one state of fixed sizes.
    """
    found = recurrence(package)
    if found is None:
        interface = package.interface
        names = ", ".join(feature.name for feature in (*interface.inputs, *interface.outputs))
        raise InputError(
            f"the package does not take and return a frame and a state ({names})",
            where=package.path,
            fix="use a video package that was exported with export.video.state=true",
        )
    return found
