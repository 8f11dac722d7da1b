"""Which architectures of others come through: load, fold, convert, parity, placement, one row each.

Every row is a small network with random weights (`zoo.samples`) that goes the way of `export weights=FILE`:
saved to a file, read back, made into a Float16 tensor package, and judged as it lies on disk.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import save_file

from pipersr_build import files, machine
from pipersr_build.config import command_line
from pipersr_build.errors import BuildError, InputError
from pipersr_build.evidence import Census, Provenance, Record
from pipersr_build.export.build import build
from pipersr_build.export.contracts import Contract
from pipersr_build.export.refusals import ConversionError
from pipersr_build.fusion import prove_equal, to_deploy
from pipersr_build.mil.package import Package, open_package
from pipersr_build.models.weights import Weights, load_weights
from pipersr_build.placement.check import capabilities
from pipersr_build.progress import track
from pipersr_build.validation import parity, runners
from pipersr_build.zoo.samples import SAMPLES, Sample, weights_of

Stage = Literal["loaded", "folded", "converted", "run", "done"]


class Row(Record):
    """How far one architecture comes."""

    name: str
    architecture: str
    note: str = ""
    scale: int | None = None
    size: int
    reached: Stage
    fold_error: float | None = None
    operations: int | None = None
    parity_db: float | None = None
    refused: Census = Field(default={}, description="operations that the ANE cannot run")
    unknown: Census = Field(default={}, description="operations of which nothing is known")
    error: str = ""
    seconds: float

    @property
    def passes(self) -> bool:
        """Whether it is a package that computes the same, and that the ANE can run all of."""
        good = self.parity_db is not None and self.parity_db >= parity.MIN_PSNR_DB
        return good and not self.refused and not self.unknown


class Zoo(Record):
    """The rows of one run."""

    provenance: Provenance
    spandrel: str
    chip: str
    target: str
    rows: list[Row]


def main(words: Sequence[str], path: Path, *, chip: str, target: str) -> Zoo:
    """Try the named architectures (all by default) and write the record after each one.

    Rows of a record that is already at `path` are kept and replaced one by one, so that the benchmark can
    be interrupted and go on with what is missing: name them.

    Raises:
        InputError: no such architecture.
        MachineError: spandrel is not installed.
    """
    names = [word for word in words if "=" not in word] or list(SAMPLES)
    for name in names:
        if name not in SAMPLES:
            fix = f"choose from {', '.join(SAMPLES)}"
            raise InputError(f"no architecture {name!r}", where="command line", fix=fix)
    found = {row.name: row for row in load_record(path).rows} if path.is_file() else {}
    for name in track("architectures", names, len(names)):
        found[name] = measure(name, SAMPLES[name], chip=chip, target=target)
        record = Zoo(
            provenance=machine.provenance(command_line("bench zoo", words)),
            spandrel=machine.version("spandrel"),
            chip=chip,
            target=target,
            rows=[found[known] for known in SAMPLES if known in found],
        )
        files.write_text(path, record.model_dump_json(indent=2) + "\n")
    return record


def load_record(path: Path) -> Zoo:
    """Read a record."""
    return Zoo.model_validate_json(path.read_bytes())


def measure(name: str, sample: Sample, *, chip: str, target: str) -> Row:
    """Take one architecture as far as it comes."""
    started = time.perf_counter()
    found: dict[str, object] = {"reached": "loaded"}
    try:
        with tempfile.TemporaryDirectory() as folder:
            _go(sample, Path(folder), found, chip, target)
    except ConversionError as error:
        found["error"] = f"no conversion of `{error.operation}`: {error.why}"
    except BuildError as error:
        found["error"] = error.what
    seconds = round(time.perf_counter() - started, 1)
    row = {"name": name, "architecture": sample.architecture, "note": sample.note, "size": sample.size}
    return Row.model_validate({**row, **found, "seconds": seconds})


def _go(sample: Sample, folder: Path, found: dict[str, object], chip: str, target: str) -> None:
    """The way of an export; `found` says how far it came."""
    file = folder / f"{sample.architecture}.safetensors"
    save_file(weights_of(sample), file)
    weights = load_weights(file)
    found["scale"] = weights.config.scale
    exact = to_deploy(weights.network.double())
    found.update(reached="folded", fold_error=prove_equal(weights.network, exact).relative_error)
    weights.network.float()
    contract = Contract("video", "zoo", sample.size, sample.size)
    made = build(exact.float(), [contract], folder, deployment=target, title=sample.architecture, metadata={})
    package = open_package(next(made)[1])
    found.update(reached="converted", operations=sum(1 for _ in package.main.walk()))
    found.update(_placed(package, chip))
    found.update(reached="run", parity_db=_parity(package, weights))
    found["reached"] = "done"


def _placed(package: Package, chip: str) -> dict[str, dict[str, int]]:
    """How many operations of each type the ANE cannot run, and of how many it is not known."""
    answers = [(c.answer, c.operation.type) for c in capabilities(package.main, chip=chip)]
    return {
        key: dict(sorted(Counter(op for given, op in answers if given == answer).items()))
        for key, answer in (("refused", "no"), ("unknown", "unknown"))
    }


def _parity(package: Package, weights: Weights) -> float | None:
    """The worst PSNR (dB, peak 1) against PyTorch, on two pictures of noise."""
    run, label = runners.interpreter(package)
    tried = [parity.probes(package, [], seed)[0] for seed in (0, 1)]

    @torch.inference_mode()
    def against(lr: np.ndarray) -> np.ndarray:
        result: np.ndarray = weights.network(torch.from_numpy(lr)).numpy()
        return result

    return min(
        parity.compare(package, run, label, against, probe, "PyTorch").psnr_db or float("inf")
        for probe in tried
    )


def table(record: Zoo) -> str:
    """The rows as Markdown."""
    lines = ["| architecture | operations | parity | ANE can run all | what stands in the way |",
             "|---|---:|---:|---|---|"]  # fmt: skip
    for row in record.rows:
        name = f"{row.name} ({row.note})" if row.note else row.name
        operations = "–" if row.operations is None else str(row.operations)
        decibels = "–" if row.parity_db is None else f"{row.parity_db:.1f} dB"
        lines.append(f"| {name} | {operations} | {decibels} | {_verdict(row)} | {_obstacles(row) or '–'} |")
    return "\n".join(lines)


def _verdict(row: Row) -> str:
    if row.operations is None:
        return "no package"
    return "no" if row.refused else "unknown" if row.unknown else "yes"


def _obstacles(row: Row) -> str:
    low = row.parity_db is not None and row.parity_db < parity.MIN_PSNR_DB
    parts = [
        row.error,
        f"parity below {parity.MIN_PSNR_DB:g} dB" if low else "",
        *(f"{count} {op} the ANE cannot run" for op, count in row.refused.items()),
        *(f"{count} {op} of which nothing is known" for op, count in row.unknown.items()),
    ]
    return "; ".join(filter(None, parts))
