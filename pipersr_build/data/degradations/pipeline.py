"""Degradations one after the other, read from the configuration and checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from pipersr_build.data.degradations.base import Degradation, Rgb, window
from pipersr_build.data.degradations.blur import Blur
from pipersr_build.data.degradations.h264 import H264
from pipersr_build.data.degradations.jpeg import Jpeg
from pipersr_build.data.degradations.noise import Noise
from pipersr_build.data.degradations.resize import Resize, reference
from pipersr_build.errors import InputError

KINDS: dict[str, type[Degradation]] = {
    "blur": Blur, "resize": Resize, "noise": Noise, "jpeg": Jpeg, "h264": H264,
}  # fmt: skip

_PHASES = 8  # positions of a patch against the codecs' blocks, in LR pixels
_BICUBIC = 2  # half width of the last reduction, in LR pixels


@dataclass(frozen=True)
class Pipeline:
    """Degradations in order. Whatever comes before the first `resize` works on HR pixels, the rest on LR.

    Without a `resize`, all work on HR pixels and the reference bicubic comes last.
    """

    steps: tuple[Degradation, ...]

    @property
    def margin(self) -> int:
        """LR pixels around a patch that are degraded with it: the farthest reach of a step."""
        return max([_BICUBIC, *(step.reach for step in self.steps)])

    def degrade(self, hr: Rgb, scale: int, random: np.random.Generator) -> Rgb:
        """Make the LR picture of an HR picture whose sizes are multiples of `scale`."""
        rgb, size = hr, (hr.shape[0] // scale, hr.shape[1] // scale)
        for step in self.steps:
            chosen = random.random() < step.probability
            rgb = step.apply(rgb, size, random) if chosen else step.skip(rgb, size)
        return reference(rgb, size)

    def lr_patch(
        self, hr: Rgb, top: int, left: int, edge: int, scale: int, random: np.random.Generator
    ) -> Rgb:
        """Make an LR patch from the HR pixels that it shows and those around them.

        The margin, mirrored at the picture's border, is cut off again. The window begins at a random
        place, so that patches lie anywhere between the codecs' blocks.

        Args:
            hr: the whole HR picture, uint8 of shape height, width, 3.
            top: of the patch, in LR pixels.
            left: of the patch, in LR pixels.
            edge: of the patch, in LR pixels.
            scale: HR pixels per LR pixel.
            random: of this patch alone.
        """
        down, right = (random.integers(_PHASES, size=2) + self.margin).tolist()
        whole = edge + 2 * self.margin + _PHASES - 1
        corner = (top - down) * scale, (left - right) * scale
        lr = self.degrade(window(hr, corner, (whole * scale, whole * scale)), scale, random)
        return lr[down : down + edge, right : right + edge]


def parse(specs: Sequence[Any], key: str = "data.degradations") -> Pipeline | None:
    """Read a list of mappings, each with a `kind` and its parameters; None if it is empty.

    Raises:
        InputError: a kind or parameter is unknown or a value impossible; its place in the list is named.
    """
    if isinstance(specs, str) or not isinstance(specs, Sequence):
        raise _bad(key, specs, "give a list, for example [{kind: jpeg, quality: [40, 95]}]")
    steps = tuple(_step(spec, f"{key}[{place}]") for place, spec in enumerate(specs))
    return Pipeline(steps) if steps else None


def _step(spec: Any, key: str) -> Degradation:
    if not isinstance(spec, dict) or "kind" not in spec:
        raise _bad(key, spec, f"give a mapping with a kind: {', '.join(KINDS)}")
    kind = KINDS.get(str(spec["kind"]))
    if kind is None:
        raise _bad(f"{key}.kind", spec["kind"], f"choose from {', '.join(KINDS)}")
    try:
        return kind.model_validate(spec)
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{key}.{first['loc'][0]}"
        if first["type"] == "extra_forbidden":
            known = ", ".join(name for name in kind.model_fields if name != "kind")
            raise _bad(name, first["input"], f"{spec['kind']} has {known}") from error
        raise _bad(name, spec.get(first["loc"][0]), _reason(first["msg"])) from error


def _reason(message: str) -> str:
    """Pydantic's message in our form: no prefix, no capital."""
    text = message.removeprefix("Value error, ")
    return text[0].lower() + text[1:]


def _bad(key: str, value: object, why: str) -> InputError:
    return InputError(f"{key} is {value!r}", where=f"configuration key {key}", fix=why)
