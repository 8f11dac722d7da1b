"""Packages that remember the frame before: which of their tensors is the frame, and which the state."""

from dataclasses import dataclass

import numpy as np

from pipersr_build.mil import dtypes
from pipersr_build.mil.package import Described, Feature

COLOURS = 3


@dataclass(frozen=True)
class Recurrence:
    """What a package with a state takes and returns.

    Attributes:
        frame: goes in: 1, 3, H, W.
        before: goes in: the state of the frame before, 1, channels, H, W; zeros say that there is none.
        result: comes out: 1, 3, scale H, scale W.
        after: comes out: the state for the next frame, in the shape of `before`.
    """

    frame: Feature
    before: Feature
    result: Feature
    after: Feature

    def no_state(self) -> np.ndarray:
        """The state of a first frame: zeros in the type and shape that the package takes."""
        shape = [extent or 0 for extent in self.before.shape]
        return np.zeros(shape, dtypes.NUMPY[self.before.dtype])

    def as_input(self, state: np.ndarray) -> np.ndarray:
        """A state that came out, in the type in which it goes in."""
        with np.errstate(over="ignore"):  # what fp16 cannot hold is infinite, as in the package
            return state.astype(dtypes.NUMPY[self.before.dtype], copy=False)


def recurrence(package: Described) -> Recurrence | None:
    """The package's frame and state, or None if it does not take and return one of each, of fixed sizes."""
    taken, returned = _pair(package.interface.inputs), _pair(package.interface.outputs)
    if taken is None or returned is None or taken[1].shape != returned[1].shape:
        return None
    return Recurrence(*taken, *returned)


def _pair(features: tuple[Feature, ...]) -> tuple[Feature, Feature] | None:
    """The picture, which has three channels, and the state, in whatever order the package has them."""
    if len(features) != 2 or not all(map(_is_locked, features)):
        return None
    pictures = [feature for feature in features if feature.shape[1] == COLOURS]
    states = [feature for feature in features if feature.shape[1] != COLOURS]
    return (pictures[0], states[0]) if len(pictures) == len(states) == 1 else None


def _is_locked(feature: Feature) -> bool:
    """Whether it is a floating-point tensor B, C, H, W of one size."""
    fixed = len(feature.shape) == 4 and None not in feature.shape and not feature.flexible
    return feature.kind == "tensor" and feature.dtype in ("fp16", "fp32") and fixed
