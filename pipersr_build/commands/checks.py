"""Check one package as it lies on disk: operations, parity, placement."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from pipersr_build import files, models
from pipersr_build.config import PlacementConfig
from pipersr_build.errors import MachineError
from pipersr_build.evidence import Gate, PackageRecord, Parity, Placement, judge
from pipersr_build.export.compression.methods import method_of
from pipersr_build.export.compression.reference import declared
from pipersr_build.fusion import to_deploy
from pipersr_build.mil.census import census
from pipersr_build.mil.package import Feature, Package, check_weights, open_package
from pipersr_build.mil.recurrence import recurrence
from pipersr_build.models import quantized
from pipersr_build.placement import figures, plan
from pipersr_build.placement.gate import plan_gate, prediction_gates
from pipersr_build.placement.package_cost import with_latency
from pipersr_build.placement.predict import predict
from pipersr_build.validation import parity, runners, sequence

Pictures = list[tuple[str, np.ndarray]]
Compare = Callable[[parity.Runner, str], list[Parity]]
REFERENCE = "PyTorch float32, batch norms not folded"
ALIKE_REFERENCE = "PyTorch float32, rounded as the package declares"
ROUNDED_REFERENCE = "PyTorch float32 in simulated 8 bits, as trained"
NOT_ALIKE = "its kernels are not the network's one by one: a graph pass split or merged some"
ROUNDED_DB = 45.0  # fp16 sends a few values to the neighbouring step, one 256th of their range away


@dataclass(frozen=True)
class Expected:
    """What a package is held against.

    Attributes:
        network: in PyTorch; None where there is none to be had.
        name: what a record calls it.
        least_db: how well it must agree; None: see `parity.gate`.
        gate: the gate's name.
        noise: whether noise counts as pictures do.
        note: for the gate.
    """

    network: nn.Module | None
    name: str
    least_db: float | None
    gate: str = "parity"
    noise: bool = True
    note: str = ""


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


def recurrent_reference(network: nn.Module) -> sequence.Reference:
    """The network's form that remembers the frame before, in float32, as the reference of a sequence.

    Raises:
        InputError: the network has no such form.
    """
    recurrent = models.recurrent(network).eval()

    @torch.inference_mode()
    def run(lr: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sr, after = recurrent(torch.from_numpy(lr), torch.from_numpy(state))
        return sr.numpy(), after.numpy()

    return run


def check_package(
    path: Path,
    network: nn.Module,
    pictures: Pictures,
    *,
    target: str,
    placement: PlacementConfig,
    within: str,
    function: str | None = None,
) -> Checked:
    """Read the package back from disk, run it, and apply the placement rules.

    Args:
        path: the package.
        network: the trained network that it must agree with.
        pictures: real pictures to run it on.
        target: the deployment target, for the record.
        placement: the chip, and what is required of it.
        within: the export's folder as a user would name it, for the gates' commands.
        function: of a package with several, the one to check.
    """
    package = open_package(path)
    check_weights(package)
    package = package if function is None else package.at(function)
    operations = census(package.main)
    records, parity_gates = check_parity(package, network, pictures, within)
    placements, placement_gates = check_placement(package, placement, within)
    record = PackageRecord(
        file=path.name,
        function=function or "",
        contract=kind_of(package),
        state=recurrence(package) is not None,
        input=describe(package.interface.inputs),
        output=describe(package.interface.outputs),
        target=target,
        bytes=files.size_bytes(path),
        sha256=files.sha256(path),
        census=operations,
        parity=records,
        placement=placements[0],
        compute_plan=placements[1] if len(placements) > 1 else None,
        graph=figures.graph(package.main),
        latencies=figures.latencies(package),
        traffic=figures.traffic(package.main, placements[0]),
    )
    left, command = operations.get("batch_norm", 0), f"pipersr-build verify {within}"
    folded = judge("batch norms left", package.title, left, "at most", 0, "", command=command)
    return Checked(record, [folded, *parity_gates, *placement_gates])


def kind_of(package: Package) -> Literal["image", "video"]:
    """`image` or `video`, by the package's input."""
    return "image" if package.interface.inputs[0].kind == "image" else "video"


def check_parity(
    package: Package,
    network: nn.Module,
    pictures: Pictures,
    within: str | None = None,
    compute_units: str = runners.COMPUTE_UNITS,
) -> tuple[list[Parity], list[Gate]]:
    """Parity in the MIL interpreter, and in Core ML where there is one (else `not measured`).

    `compute_units` is what Core ML may use.
    """
    records, gates = [], []
    command = f"pipersr-build validate {within or package.path}"
    questions = [(one, _comparison(package, one, pictures)) for one in expected_of(package, network)]
    core_ml = partial(runners.core_ml, compute_units=compute_units)
    for make in (runners.interpreter, core_ml):
        try:
            run, label = make(package)
        except MachineError:
            gates += [_gate(package, one, [], command) for one, _ in questions]
            continue
        for one, compare in questions:
            found = compare(run, label)
            gates.append(_gate(package, one, found, command, label))
            records += found
    return records, gates


def _gate(
    package: Package, expected: Expected, found: list[Parity], command: str, runner: str = "Core ML"
) -> Gate:
    """The gate of one comparison; noise is told in its note where it does not count."""
    noise = [one for one in found if parity.NOISE in one.input and not expected.noise]
    counted = [one for one in found if one not in noise]
    told = [f"{one.input} {one.psnr_db:.1f} dB, not judged" for one in noise if one.psnr_db is not None]
    gate = parity.gate(
        kind_of(package),
        package.title,
        counted,
        command,
        expected.least_db,
        named=expected.gate,
        runner=runner,
    )
    return gate.model_copy(update={"note": "; ".join(filter(None, (*told, expected.note)))})


def _comparison(package: Package, expected: Expected, pictures: Pictures) -> Compare:
    """What compares a run of the package, and its label, with what it must agree with."""
    if expected.network is None:
        return lambda run, label: []  # noqa: ARG005
    if recurrence(package) is not None:
        against, shown = recurrent_reference(expected.network), sequence.frames(package, pictures)
        named = f"{expected.name}, with a state of its own"
        return lambda run, label: sequence.compare(package, run, label, against, shown, named)
    alone, tried = reference(expected.network), parity.probes(package, pictures)
    return lambda run, label: [
        parity.compare(package, run, label, alone, probe, expected.name) for probe in tried
    ]


def expected_of(package: Package, network: nn.Module) -> list[Expected]:
    """What a package made of `network` is held against.

    That is the network in floating point, or the one that was trained in 8 bits for a package that computes
    in 8 bits. A package that was made smaller after training is asked two things. Is it what it declares to
    be: it must agree with the network rounded alike on every input, noise included, as well as any package.
    And what does that cost: on pictures it must reach the method's least PSNR against the network in floating
    point. On noise that is not judged: no range and no table was made for it, nor is anything enlarged there.
    """
    method = method_of(package.spec.description.metadata.userDefined)
    if method is None:
        return [Expected(quantized.plain(network), REFERENCE, None)]
    if method.activations and quantized.is_quantized(network):
        return [Expected(network, ROUNDED_REFERENCE, ROUNDED_DB)]
    plain = quantized.plain(network)
    alike = declared(to_deploy(copy.deepcopy(plain).double()).float(), package, method)
    least, note = ROUNDED_DB if method.activations else None, "" if alike else NOT_ALIKE
    return [
        Expected(alike, ALIKE_REFERENCE, least, note=note),
        Expected(plain, REFERENCE, method.least_db, "fidelity", noise=False),
    ]


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
    name, command = package.title, within or str(package.path)
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
