"""The ways of making a package smaller, in one table, with what each asks of a system and of its result.

The least parity with PyTorch (dB on every input, peak 1) is for palettes the value below which Apple's
guidance says that something is wrong (github.com/apple/coreai-models, working-with-coreai): 50 for 8 bits,
35 for 4. For 6 bits it names none; 42 is half-way. For whole steps it is 35, which Apple's Stable Diffusion
conversion asks (torch2coreml.py): a channel's largest weight sets the step of all, and a network that passes
its picture on through its channels has one such weight in each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipersr_build.errors import InputError
from pipersr_build.export.targets import reaches

METHOD_KEY = "pipersr_build.compression"  # in a package's metadata
GROUPED_FROM = "macOS15"  # iOS 18: look-up tables for groups of channels


@dataclass(frozen=True)
class Method:
    """A way of making a package smaller.

    Attributes:
        key: in `export.compress` and in the package's file name.
        title: what a person calls it.
        bits: of a weight.
        oldest: the deployment target that it needs.
        least_db: parity with the uncompressed network that it must reach.
        palette: weights are entries of a look-up table, else whole steps per output channel.
        activations: activations are rounded to 8 bits too.
    """

    key: str
    title: str
    bits: int
    oldest: str
    least_db: float
    palette: bool = False
    activations: bool = False


METHODS: dict[str, Method] = {
    method.key: method
    for method in (
        Method("int8", "int8 weights per channel", 8, "macOS13", 35.0),
        Method("palette8", "8-bit palettes", 8, "macOS13", 50.0, palette=True),
        Method("palette6", "6-bit palettes", 6, "macOS13", 42.0, palette=True),
        Method("palette4", "4-bit palettes", 4, "macOS13", 35.0, palette=True),
        Method("w8a8", "int8 weights per channel, int8 activations", 8, "macOS14", 35.0, activations=True),
    )
}
KEY = "configuration key export.compress"
KEPT = ("none", "first", "ends")  # values of `export.keep_fp16`; see `models.quantized.quantize`


def parse(value: Any, deployment: str) -> list[Method]:
    """The methods that `export.compress` names: one, several separated by commas, or a list.

    Raises:
        InputError: no such method, or one that needs a newer deployment target.
    """
    named = value.split(",") if isinstance(value, str) else value if isinstance(value, Sequence) else [value]
    names = [str(name).strip() for name in named] if value else []
    for name in names:
        if name not in METHODS:
            raise InputError(f"no compression {name!r}", where=KEY, fix=f"choose from {', '.join(METHODS)}")
        oldest = METHODS[name].oldest
        if not reaches(deployment, oldest):
            what = f"{METHODS[name].title}: {deployment} cannot run that"
            raise InputError(what, where=KEY, fix=f"say target={oldest.lower()}")
    return [METHODS[name] for name in dict.fromkeys(names)]


def check_kept(value: str) -> None:
    """See that a value of `export.keep_fp16` is one.

    Raises:
        InputError: it is none.
    """
    if value not in KEPT:
        where = "configuration key export.keep_fp16"
        raise InputError(f"no such choice {value!r}", where=where, fix=f"choose from {', '.join(KEPT)}")


def method_of(metadata: Mapping[str, str]) -> Method | None:
    """How the package with this metadata was made smaller; None if it was not, or by a way unknown here."""
    return METHODS.get(metadata.get(METHOD_KEY, ""))
