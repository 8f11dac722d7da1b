"""A package's smaller versions, from what the package itself was converted from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from pipersr_build.errors import InputError
from pipersr_build.export.compression.activations import register
from pipersr_build.export.compression.methods import KEY, Method
from pipersr_build.export.compression.weights import compress_weights
from pipersr_build.export.contracts import Contract
from pipersr_build.export.convert import TRACE_SIZE, convert, state_channels, trace
from pipersr_build.export.refusals import naming_the_operation
from pipersr_build.models.quantized import for_conversion


@dataclass(frozen=True)
class Smaller:
    """What is to be made smaller, and how.

    Attributes:
        methods: one package for each.
        quantized: the network in simulated 8 bits (`models.quantized`), for those that round activations.
    """

    methods: Sequence[Method] = ()
    quantized: nn.Module | None = None

    def check(self) -> None:
        """See that everything that the methods need is there.

        Raises:
            InputError: a network that keeps a state between frames would have its activations rounded.
        """
        for method in self.methods:
            if not method.activations:
                continue
            if self.quantized is None:
                raise ValueError(f"{method.key} needs the network in simulated 8 bits")
            if state_channels(self.quantized):
                what = f"{method.title}: not for a network that keeps a state between frames"
                raise InputError(what, where=KEY, fix=f"leave {method.key} out")


def versions(
    model: Any, contract: Contract, smaller: Smaller, *, deployment: str, rewrite: bool
) -> Iterator[tuple[Contract, Method, Any]]:
    """The smaller versions of the converted `model` of a contract, each with its label and model.

    Activations are rounded by operations of the program, so such a version is converted anew.

    Raises:
        ConversionError: an operation stands in the way.
    """
    for method in smaller.methods:
        named = replace(contract, label=f"{contract.label}_{method.key}")
        with naming_the_operation(f"{named.name} ({method.title})"):
            source = model
            if method.activations:
                source = _rounding(smaller.quantized, contract, deployment=deployment, rewrite=rewrite)
            less = compress_weights(source, method, deployment)
        yield named, method, less


def _rounding(network: nn.Module | None, contract: Contract, *, deployment: str, rewrite: bool) -> Any:
    assert network is not None
    register()
    fixed = getattr(network, "fixed_size", False)
    size = (contract.height, contract.width) if fixed else (TRACE_SIZE, TRACE_SIZE)
    traced = trace(for_conversion(network), contract.kind, size)
    return convert(traced, contract, deployment=deployment, rewrite=rewrite)
