"""Build the packages of a deploy network, one for every contract."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from pipersr_build import models
from pipersr_build.errors import InputError
from pipersr_build.export.compression.methods import KEY, METHOD_KEY, Method
from pipersr_build.export.compression.variants import Smaller, versions
from pipersr_build.export.contracts import Contract
from pipersr_build.export.convert import TRACE_SIZE, convert, state_channels, trace
from pipersr_build.export.metadata import NOBODY, TARGET, About, contract_values
from pipersr_build.export.refusals import naming_the_operation
from pipersr_build.export.targets import both
from pipersr_build.export.write import write_package
from pipersr_build.models import quantized

CENSUS_SIZE = 32  # the operation count does not depend on the frame size


def check_state(wanted: Iterable[Contract], methods: Iterable[Method]) -> None:
    """See that no package with a state is to round activations: the state itself would be rounded.

    Raises:
        InputError: one is; names the method.
    """
    rounding = [method for method in methods if method.activations]
    if rounding and any(contract.state for contract in wanted):
        raise InputError(
            f"{rounding[0].title}: not for packages that keep a state between frames",
            where=KEY,
            fix=f"leave {rounding[0].key} out, or export.video.state=false",
        )


def build(
    network: nn.Module,
    wanted: list[Contract],
    folder: Path,
    *,
    deployment: str,
    title: str,
    metadata: dict[str, str],
    rewrite: bool = True,
    smaller: Smaller | None = None,
    about: About = NOBODY,
) -> Iterator[tuple[Contract, Path]]:
    """Convert a deploy network once per contract and write the packages into `folder`.

    A network in simulated 8 bits gives packages of its weights without rounding. With `rewrite`, graph passes
    replace what the Neural Engine refuses by exact equivalents; see `passes`. `smaller` asks for compressed
    versions of every package beside it, `image_128_int8` beside `image_128`. `about` is who made them.

    Yields:
        each contract and its package, as soon as it is written.

    Raises:
        InputError: a contract with a state, and the network has no form that keeps one; see `check_state`.
        ConversionError: an operation stands in the way.
    """
    check_state(wanted, smaller.methods if smaller is not None else ())
    network = quantized.plain(network)
    traced: dict[tuple[str, bool, int, int], Any] = {}
    for contract in wanted:
        form = models.recurrent(network) if contract.state else network
        key = (contract.kind, contract.state, *_trace_size(network, contract))
        with naming_the_operation(title):
            if key not in traced:
                traced[key] = trace(form, contract.kind, key[2:])
            state = state_channels(form)
            model = convert(traced[key], contract, deployment=deployment, rewrite=rewrite, state=state)
        path = folder / f"{contract.name}.mlpackage"
        said = f"{title}, {contract.kind} {contract.width}x{contract.height}"
        stated = {**contract_values(contract), TARGET: both(deployment), **metadata}
        write_package(model, path, said, stated, about)
        yield contract, path
        if smaller is None:
            continue
        for named, method, less in versions(model, contract, smaller, deployment=deployment, rewrite=rewrite):
            path = folder / f"{named.name}.mlpackage"
            write_package(less, path, f"{said}, {method.title}", {**stated, METHOD_KEY: method.key}, about)
            yield named, path


def _trace_size(network: nn.Module, contract: Contract) -> tuple[int, int]:
    """The height and width at which a network is traced for a contract."""
    fixed = getattr(network, "fixed_size", False)
    return (contract.height, contract.width) if fixed else (TRACE_SIZE, TRACE_SIZE)


def build_for_census(network: nn.Module, folder: Path, deployment: str, io: type[np.generic]) -> Path:
    """Write a small tensor package of `network` as it is, to count its operations."""
    path = folder / f"census_{io.__name__}.mlpackage"
    contract = Contract("video", "census", CENSUS_SIZE, CENSUS_SIZE)
    traced = trace(quantized.plain(network), "video", _trace_size(network, contract))
    model = convert(traced, contract, deployment=deployment, tensor_dtype=io)
    write_package(model, path, "operation census", {})
    return path
