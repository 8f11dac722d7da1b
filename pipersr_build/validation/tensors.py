"""Files of tensors that are no Core ML packages, as comparisons see them: what goes in, what comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipersr_build.mil.package import Feature, Interface
from pipersr_build.scales import to_hr

COLOURS = 3


@dataclass(frozen=True)
class TensorFile:
    """A file that takes and returns tensors B, C, H, W.

    Attributes:
        path: where it lies.
        interface: its inputs and outputs; an extent is None where it is free.
        scale: how many times higher and wider the enlarged frame is.
        multiple: what height and width must be divisible by.
        stated: what the file says of itself, by key.
    """

    path: Path
    interface: Interface
    scale: float
    multiple: int = 1
    stated: Mapping[str, str] = field(default_factory=dict)

    @property
    def dynamic(self) -> bool:
        """Whether height and width are free."""
        return any(None in feature.shape for feature in self.interface.inputs)

    def at(self, height: int, width: int, batch: int = 1) -> "TensorFile":
        """The file for frames of one size: extents that are free are these, and what follows from them."""
        larger = to_hr(height, self.scale), to_hr(width, self.scale)
        inputs = (_filled(one, (batch, height, width)) for one in self.interface.inputs)
        outputs = (
            _filled(one, (batch, *(larger if one.shape[1] == COLOURS else (height, width))))
            for one in self.interface.outputs
        )
        return replace(self, interface=Interface(tuple(inputs), tuple(outputs)))


def _filled(feature: Feature, extents: tuple[int, int, int]) -> Feature:
    batch, height, width = extents
    given = (batch, feature.shape[1], height, width)
    shape = tuple(new if old is None else old for old, new in zip(feature.shape, given, strict=True))
    return replace(feature, shape=shape)
