"""Check ONNX files and Core AI models as they lie on disk: structure, operations, parity with PyTorch."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from pipersr_build import evidence, files, models
from pipersr_build.commands.checks import REFERENCE, Pictures, recurrent_reference, reference
from pipersr_build.evidence import FileRecord, Gate, OtherFormat, Parity, judge
from pipersr_build.export.contracts import INPUT, NEXT, OUTPUT, PREVIOUS
from pipersr_build.export.formats import COREAI, ONNX, SUFFIXES, Written, coreai, require
from pipersr_build.fusion import to_deploy
from pipersr_build.mil.package import Feature
from pipersr_build.mil.recurrence import recurrence
from pipersr_build.models import quantized
from pipersr_build.models.weights import Weights
from pipersr_build.scales import to_hr
from pipersr_build.validation import coreai_file, onnx_file, parity, sequence
from pipersr_build.validation.coreai_file import CoreAIFile
from pipersr_build.validation.tensors import COLOURS, TensorFile

STATE = "with a state of its own"
_TWIN = "twin.aimodel"
FREE_SIZES = ((17, 23), (64, 40), (33, 97))  # height, width at which files for any size are tried, at least


@dataclass(frozen=True)
class CheckedFile:
    """A file's record and its gates."""

    record: FileRecord
    gates: list[Gate]


def check_file(made: Written, network: nn.Module, pictures: Pictures, within: str) -> CheckedFile:
    """Read a file back from disk and hold it against the trained network.

    Args:
        made: the file.
        network: the trained network that it must agree with.
        pictures: real pictures to run it on.
        within: the export's folder as a user would name it, for the gates' commands.
    """
    plain, command = quantized.plain(network), f"pipersr-build validate {within}"
    if made.path.suffix == ".onnx":
        return _check_onnx(made, plain, pictures, command)
    return _check_coreai(made, plain, pictures, command)


def _check_onnx(made: Written, network: nn.Module, pictures: Pictures, command: str) -> CheckedFile:
    opened = onnx_file.open_onnx(made.path)
    found, gates = onnx_parity(opened, network, pictures, command)
    record = _record(made, opened.file, ONNX, f"opset {opened.opset}", opened.census, found)
    return CheckedFile(record, gates)


def onnx_parity(
    opened: onnx_file.OnnxFile, network: nn.Module, pictures: Pictures, command: str
) -> tuple[list[Parity], list[Gate]]:
    """Whether the file is valid ONNX, and agrees with PyTorch in onnxruntime, at several sizes if free."""
    name, faults = opened.file.path.name, opened.faults()
    valid = judge("onnx.checker, faults", name, float(bool(faults)), "at most", 0, "", command=command,
                  note=faults)  # fmt: skip
    if faults:
        return [], [valid]
    run, label = onnx_file.onnxruntime_runner(opened.file.path)
    found = [one for file in _at_sizes(opened.file) for one in compare(file, run, label, network, pictures)]
    return found, [valid, parity.gate("tensor", name, found, command)]


def _at_sizes(file: TensorFile) -> list[TensorFile]:
    """The file itself, or where it takes any size the file at several, each with another batch."""
    if not file.dynamic:
        return [file]
    once = len(file.interface.inputs) > 1  # a state is of one video
    multiple = file.multiple
    return [
        file.at(multiple * -(-height // multiple), multiple * -(-width // multiple), 1 if once else batch)
        for batch, (height, width) in enumerate(FREE_SIZES, 1)
    ]


def compare(
    file: TensorFile, run: parity.Runner, label: str, network: nn.Module, pictures: Pictures
) -> list[Parity]:
    """Noise and pictures through the file and through PyTorch; with a state, as a sequence of frames."""
    size = _size(file)
    if recurrence(file) is not None:
        shown, against = sequence.frames(file, pictures), recurrent_reference(network)
        found = sequence.compare(file, run, label, against, shown, f"{REFERENCE}, {STATE}")
    else:
        alone, probes = reference(network), parity.probes(file, pictures)
        found = [_compared(file, run, label, alone, probe) for probe in probes]
    return [one.model_copy(update={"input": f"{one.input}, {size}"}) for one in found]


def _compared(
    file: TensorFile, run: parity.Runner, label: str, network: parity.Reference, probe: parity.Probe
) -> Parity:
    """One input, as often as the file's batch asks for, each copy moved on by some pixels."""
    source, result = file.interface.inputs[0], file.interface.outputs[0]
    step = sequence.MOVE
    copies = [np.roll(probe.rgb, (step * n, step * n), axis=(0, 1)) for n in range(source.shape[0] or 1)]
    lr = np.concatenate([parity.tensor_of(source, copy) for copy in copies])
    expected = network(lr.astype(np.float32)).astype(np.float64)
    made = run({source.name: lr})[result.name].astype(np.float64)
    psnr, largest = parity.difference(made, expected, peak=1)
    return Parity(input=probe.name, runner=label, reference=REFERENCE, psnr_db=psnr, max_abs=largest)


def _size(file: TensorFile) -> str:
    batch, _, height, width = file.interface.inputs[0].shape
    return f"{width}x{height}" if batch == 1 else f"{batch} of {width}x{height}"


def _check_coreai(made: Written, network: nn.Module, pictures: Pictures, command: str) -> CheckedFile:
    opened = coreai_file.open_coreai(made.path)
    twin = None if made.twin is None else coreai_file.open_coreai(made.twin)
    found, gates = coreai_parity(opened, twin, network, pictures, command)
    structure = _structure_gates(opened, twin, made, command)
    runtime = f"Core AI {opened.system}"
    return CheckedFile(
        _record(made, opened.file, COREAI, runtime, opened.census, found), [*structure, *gates]
    )


def coreai_parity(
    opened: CoreAIFile, twin: CoreAIFile | None, network: nn.Module, pictures: Pictures, command: str
) -> tuple[list[Parity], list[Gate]]:
    """Agreement with PyTorch: of the model in Core AI, from macOS 27 on, else `not measured`.

    The CPU runtime that coreai comes with takes minutes for a large frame; it runs the twin instead.
    """
    name = opened.file.path.name
    if coreai_file.has_system():
        found = compare(opened.file, *coreai_file.runner(opened), network, pictures)
        return found, [parity.gate("tensor", name, found, command)]
    unknown = judge(
        f"parity, {coreai_file.SYSTEM_LABEL}", name, None, "at least", parity.MIN_PSNR_DB, "dB",
        source="not measured", command=command, note="on a Mac with macOS 27",
    )  # fmt: skip
    if twin is None:
        return [], [unknown]
    found = compare(twin.file, *coreai_file.runner(twin), network, pictures)
    gate = parity.gate("tensor", name, found, command)
    note = f"the same program for a frame of {_size(twin.file)}"
    return found, [gate.model_copy(update={"note": note}), unknown]


def _structure_gates(opened: CoreAIFile, twin: CoreAIFile | None, made: Written, command: str) -> list[Gate]:
    faults = _faults(opened, twin, made)
    name = made.path.name
    left = opened.census.get("silu", 0)
    return [
        judge("structure, differences", name, len(faults), "at most", 0, "", command=command,
              note="; ".join(faults)),
        judge("silu left", name, left, "at most", 0, "", command=command),
    ]  # fmt: skip


def _faults(opened: CoreAIFile, twin: CoreAIFile | None, made: Written) -> list[str]:
    """What is not as it was to be written: a tensor, an operation, a weight."""
    file = opened.file
    features = [*file.interface.inputs, *file.interface.outputs]
    faults = [f"{one.name} is {one.dtype}" for one in features if one.dtype != "fp16"]
    if made.state != (recurrence(file) is not None):
        faults.append("the state does not go in and come out")
    height, width = (extent or 0 for extent in file.interface.inputs[0].shape[2:])
    larger = 1, COLOURS, to_hr(height, file.scale), to_hr(width, file.scale)
    if file.interface.outputs[0].shape != larger or [one.name for one in features] != _names(made.state):
        faults.append(f"it takes and gives {_said(tuple(features))}")
    twin = twin if made.alike else None
    if twin is not None and opened.census != twin.census:
        faults.append("its operations are not those of the same network for a small frame")
    if twin is not None and opened.weights() != twin.weights():
        faults.append("its weights are not those of the same network for a small frame")
    return faults


def _names(state: bool) -> list[str]:
    return [INPUT, PREVIOUS, OUTPUT, NEXT] if state else [INPUT, OUTPUT]


def _said(features: tuple[Feature, ...], scale: float = 1) -> str:
    """Tensors as a person writes them, free extents by their names."""
    return ", ".join(
        f"{one.dtype} tensor {' x '.join(_extents(one, scale if one.shape[1] == COLOURS else 1))}"
        for one in features
    )


def _extents(feature: Feature, scale: float) -> list[str]:
    times = "" if scale == 1 else f"{scale:g} "
    names = ("batch", "channels", f"{times}height", f"{times}width")
    return [name if n is None else str(n) for n, name in zip(feature.shape, names, strict=True)]


def _record(
    made: Written,
    file: TensorFile,
    kind: OtherFormat,
    runtime: str,
    census: evidence.Census,
    found: Sequence[Parity],
) -> FileRecord:
    return FileRecord(
        file=made.path.name,
        format=kind,
        runtime=runtime,
        contract=made.kind,
        state=made.state,
        input=_said(file.interface.inputs),
        output=_said(file.interface.outputs, file.scale),
        bytes=files.size_bytes(made.path),
        sha256=files.sha256(made.path),
        census=dict(census),
        parity=list(found),
    )


def check_again(path: Path, weights: Weights, pictures: Pictures, scratch: Path) -> list[Gate]:
    """The gates of a file that lies there, against the weights that it was made of.

    Args:
        path: an ONNX file or a Core AI model.
        weights: of the network.
        pictures: real pictures to run it on.
        scratch: an empty folder; a Core AI model's network is converted there for a small frame.

    Raises:
        MachineError: what the format needs is not installed.
        InputError: the file cannot be read.
    """
    kind = ONNX if path.suffix == SUFFIXES[ONNX] else COREAI
    require(kind)
    network, command = quantized.plain(weights.network), f"pipersr-build validate {path}"
    if kind == ONNX:
        return onnx_parity(onnx_file.open_onnx(path), network, pictures, command)[1]
    opened = coreai_file.open_coreai(path)
    deployed = to_deploy(copy.deepcopy(network).double()).float()
    alike = not getattr(deployed, "fixed_size", False)
    made = Written(path, "video", len(opened.file.interface.inputs) > 1, alike=alike)
    form, facts = models.recurrent(deployed) if made.state else deployed, models.facts(weights.config)
    coreai.save(coreai.convert(form, coreai.small_size(facts.size_multiple)), scratch / _TWIN, {},
                {coreai_file.SCALE: f"{facts.scale:g}"})  # fmt: skip
    twin = coreai_file.open_coreai(scratch / _TWIN)
    gates = coreai_parity(opened, twin, network, pictures, command)[1]
    return [*_structure_gates(opened, twin, made, command), *gates]
