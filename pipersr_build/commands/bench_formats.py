"""`bench formats`: which networks come through as ONNX files and Core AI models, as an export checks them."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipersr_build import machine, models
from pipersr_build.benchmark import formats as record_of
from pipersr_build.benchmark.formats import FORMS, REFERENCE, SAMPLES, SIZE, Form, Formats, Row
from pipersr_build.commands.about import facts_values
from pipersr_build.commands.checks import Pictures, reference
from pipersr_build.commands.format_checks import CheckedFile, check_file
from pipersr_build.config import command_line
from pipersr_build.data.corpus import photos_corpus
from pipersr_build.errors import InputError, MachineError
from pipersr_build.evidence import OtherFormat
from pipersr_build.export import formats
from pipersr_build.export.contracts import Contract
from pipersr_build.export.formats import Written, coreai, onnx
from pipersr_build.export.metadata import About
from pipersr_build.export.refusals import ConversionError
from pipersr_build.fusion import to_deploy
from pipersr_build.models.reference import reference_weights
from pipersr_build.models.weights import load_weights
from pipersr_build.progress import say, track

_NOISE = 0.02  # on every parameter of a new network, so that no branch stands still
_DISTRIBUTIONS = ("onnx", "onnxruntime", "onnxscript", "coreai-torch")
_ABOUT = About("", "", "", {})


def main(words: Sequence[str], path: Path) -> Formats:
    """Try the named networks (all by default) in every format that is installed; write after each one.

    Rows of a record that is already at `path` are kept and replaced network by network, so that the
    benchmark can be interrupted and go on with what is missing: name it.

    Raises:
        InputError: no such network.
        MachineError: neither format is installed.
    """
    names = [word for word in words if "=" not in word] or list(SAMPLES)
    for name in names:
        if name not in SAMPLES:
            fix = f"choose from {'; '.join(SAMPLES)}"
            raise InputError(f"no network {name!r}", where="command line", fix=fix)
    kinds, rows = _installed(), record_of.load(path).rows if path.is_file() else []
    pictures: Pictures = [(picture.name, picture.rgb) for picture in photos_corpus().holdout[:2]]
    for name in track("networks", names, len(names)):
        found = [row for kind in kinds for row in measure(name, kind, pictures)]
        rows = [row for row in rows if row.network != name or row.format not in kinds] + found
        record = Formats(
            provenance=machine.provenance(command_line("bench formats", words)),
            versions={one: machine.version(one) for one in _DISTRIBUTIONS},
            rows=record_of.ordered(rows),
        )
        record_of.save(record, path)
    return record


def _installed() -> list[OtherFormat]:
    """The formats that can be written here; those that cannot are said."""
    found: list[OtherFormat] = []
    for kind in FORMS:
        try:
            formats.require(kind)
        except MachineError as error:
            say(f"not measured: {error.what}; {error.fix}")
        else:
            found.append(kind)
    if not found:
        raise MachineError("neither ONNX nor Core AI can be written here", where="bench formats",
                           fix="pip install 'pipersr-build[onnx,coreai]'")  # fmt: skip
    return found


def network_of(name: str) -> nn.Module:
    """The network, as trained: of the reference weights, or new with noise on its parameters."""
    config = SAMPLES[name]
    if name == REFERENCE:
        return load_weights(reference_weights(config), config).network.eval()
    torch.manual_seed(0)
    network = models.build(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(_NOISE * torch.randn_like(parameter))
    return network


def measure(name: str, kind: OtherFormat, pictures: Pictures) -> list[Row]:
    """Every form of one network in one format: written, read back and judged by an export's own gates."""
    network, config = network_of(name), SAMPLES[name]
    deployed = to_deploy(network.double()).float()
    reaches, rows = _reaches(network.float()), []
    for state in (False, True) if models.FAMILIES[config.family].recurrent else (False,):
        with tempfile.TemporaryDirectory() as folder:
            found: dict[Form, list[CheckedFile]] = {}
            error = ""
            try:
                for made in _written(config, kind, deployed, Path(folder), state):
                    found.setdefault(_form(made), []).append(check_file(made, network, pictures, "bench"))
            except ConversionError as refused:
                error = f"no conversion of `{refused.operation}`"
        known = {"network": name, "format": kind, "reaches": reaches}
        rows += [_row(known, form, checked) for form, checked in found.items()]
        if error:
            stopped: Form = "state" if state else "any size" if found else "locked"
            rows = [row for row in rows if row.form != stopped]
            rows.append(Row.model_validate({**known, "form": stopped, "files": 0, "error": error}))
    return rows


def _reaches(network: nn.Module) -> float:
    """The largest absolute value of what the network makes of noise in [0, 1]."""
    noise = np.random.default_rng(0).random((1, 3, *SIZE), dtype=np.float32)
    return round(float(np.abs(reference(network)(noise)).max()), 2)


def _written(
    config: Any, kind: OtherFormat, deployed: nn.Module, folder: Path, state: bool
) -> Iterator[Written]:
    facts, (height, width) = models.facts(config), SIZE
    wanted = [Contract("video", "bench", height, width, state=state)]
    if kind == formats.ONNX:
        return onnx.Writer(facts, facts_values(facts), _ABOUT).write(deployed, wanted, folder)
    return coreai.Writer(facts, facts_values(facts), _ABOUT).write(deployed, wanted, folder, folder)


def _form(made: Written) -> Form:
    return "state" if made.state else "any size" if made.kind == "any size" else "locked"


def _row(known: dict[str, object], form: Form, checked: Sequence[CheckedFile]) -> Row:
    """One form: the lowest PSNR of its files on any input, and the gates that failed."""
    levels = [one.psnr_db for item in checked for one in item.record.parity if one.psnr_db is not None]
    gates = [gate for item in checked for gate in item.gates if gate.verdict == "fail"]
    return Row.model_validate({
        **known,
        "form": form,
        "files": len(checked),
        "parity_db": round(min(levels), 2) if levels else None,
        "failed": list(dict.fromkeys(gate.name for gate in gates)),
    })  # fmt: skip
