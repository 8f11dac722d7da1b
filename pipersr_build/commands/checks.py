"""Check one package as it lies on disk: operations, parity, placement."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from pipersr_build import files
from pipersr_build.config import PlacementConfig
from pipersr_build.errors import MachineError
from pipersr_build.evidence import Gate, PackageRecord, Parity, Placement, judge
from pipersr_build.export.compression.methods import method_of
from pipersr_build.mil.census import census
from pipersr_build.mil.package import Feature, Package, check_weights, open_package
from pipersr_build.models import quantized
from pipersr_build.placement import plan
from pipersr_build.placement.gate import plan_gate, prediction_gates
from pipersr_build.placement.package_cost import with_latency
from pipersr_build.placement.predict import predict
from pipersr_build.validation import parity, runners

Pictures = list[tuple[str, np.ndarray]]
REFERENCE = "PyTorch float32, batch norms not folded"
ROUNDED_REFERENCE = "PyTorch float32 in simulated 8 bits, as trained"
ROUNDED_DB = 45.0  # fp16 sends a few values to the neighbouring step, one 256th of their range away


@dataclass(frozen=True)
class Expected:
    """What a package must agree with, how a record calls it, and how well (dB; None: see `parity.gate`)."""

    network: nn.Module
    name: str
    least_db: float | None


@dataclass(frozen=True)
class Checked:
    """A package's record and its gates."""

    record: PackageRecord
    gates: list[Gate]


def reference(network: nn.Module) -> parity.Reference:
    """The PyTorch network in float32 as the reference of parity: 1, 3, H, W in [0, 1]."""

    @torch.inference_mode()
    def run(lr: np.ndarray) -> np.ndarray:
        tensor = torch.from_numpy(lr).contiguous(memory_format=torch.channels_last)
        result: np.ndarray = network(tensor).contiguous().numpy()
        return result

    return run


def check_package(
    path: Path,
    network: nn.Module,
    pictures: Pictures,
    *,
    target: str,
    placement: PlacementConfig,
    within: str,
) -> Checked:
    """Read the package back from disk, run it, and apply the placement rules.

    Args:
        path: the package.
        network: the trained network that it must agree with.
        pictures: real pictures to run it on.
        target: the deployment target, for the record.
        placement: the chip, and what is required of it.
        within: the export's folder as a user would name it, for the gates' commands.
    """
    package = open_package(path)
    check_weights(package)
    operations = census(package.main)
    records, parity_gates = check_parity(package, network, pictures, within)
    placements, placement_gates = check_placement(package, placement, within)
    record = PackageRecord(
        file=path.name,
        contract=kind_of(package),
        input=describe(package.interface.inputs),
        output=describe(package.interface.outputs),
        target=target,
        bytes=files.size_bytes(path),
        sha256=files.sha256(path),
        census=operations,
        parity=records,
        placement=placements[0],
        compute_plan=placements[1] if len(placements) > 1 else None,
    )
    left, command = operations.get("batch_norm", 0), f"pipersr-build verify {within}"
    folded = judge("batch norms left", path.name, left, "at most", 0, "", command=command)
    return Checked(record, [folded, *parity_gates, *placement_gates])


def kind_of(package: Package) -> Literal["image", "video"]:
    """`image` or `video`, by the package's input."""
    return "image" if package.interface.inputs[0].kind == "image" else "video"


def check_parity(
    package: Package, network: nn.Module, pictures: Pictures, within: str | None = None
) -> tuple[list[Parity], list[Gate]]:
    """Parity in the MIL interpreter, and in Core ML where there is one (else `not measured`)."""
    records, gates = [], []
    name, kind, expected = package.path.name, kind_of(package), expected_of(package, network)
    command = f"pipersr-build validate {within or package.path}"
    tried = parity.probes(package, pictures)
    for make in (runners.interpreter, runners.core_ml):
        try:
            run, label = make(package)
        except MachineError:
            gates.append(parity.gate(kind, name, [], command, expected.least_db))
            continue
        against = reference(expected.network)
        found = [parity.compare(package, run, label, against, probe, expected.name) for probe in tried]
        gates.append(parity.gate(kind, name, found, command, expected.least_db))
        records += found
    return records, gates


def expected_of(package: Package, network: nn.Module) -> Expected:
    """What a package made of `network` must agree with.

    That is the network in floating point; but one that was trained in 8 bits for a package that computes in
    8 bits.
    """
    method = method_of(package.spec.description.metadata.userDefined)
    if method is None:
        return Expected(quantized.plain(network), REFERENCE, None)
    if method.activations and quantized.is_quantized(network):
        return Expected(network, ROUNDED_REFERENCE, ROUNDED_DB)
    return Expected(quantized.plain(network), REFERENCE, method.least_db)


def check_placement(
    package: Package, settings: PlacementConfig, within: str | None = None
) -> tuple[list[Placement], list[Gate]]:
    """The default function: predicted, and by Core ML's compute plan where there is one."""
    placed = predict(package, chip=settings.chip, function=package.default)[0]
    predicted = with_latency(package.main, placed, settings.chip)
    try:
        found = plan.measure(
            package,
            compute_units=settings.compute_units,
            timeout_s=settings.timeout_s,
            memory_gib=settings.memory_gib,
        )
        measured = [placement for placement in found if placement.function == package.default]
    except MachineError:
        measured = []
    name, command = package.path.name, within or str(package.path)
    gates = prediction_gates(predicted, name, command, settings.gate)
    gates.append(plan_gate(measured[0] if measured else None, name, command))
    return [predicted, *measured], gates


def describe(features: Iterable[Feature]) -> str:
    """Inputs or outputs as a person writes them."""
    return ", ".join(_describe(feature) for feature in features)


def _describe(feature: Feature) -> str:
    extents = [1 if n is None else n for n in feature.shape]
    if feature.kind == "image":
        return f"{feature.layout} image {extents[1]}x{extents[0]}, 8 bits"
    return f"{feature.dtype} tensor {' x '.join(map(str, extents))}"
