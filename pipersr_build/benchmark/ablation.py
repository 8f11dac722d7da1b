"""What each training option is worth: the same network, patches and steps, one option changed at a time.

Every variant is trained from scratch through the same code as `pipersr-build train` and judged on the
held-out pictures only. Beside the PSNR stands the processor time of a variant relative to the plain one.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipersr_build import files, machine
from pipersr_build.config import command_line, load
from pipersr_build.errors import InputError
from pipersr_build.evidence import Provenance, Record, Training
from pipersr_build.progress import say

BUDGET = 800  # optimiser steps of every variant
BASE = (
    "training.batch=8",
    "training.patch=32",
    "training.warmup=50",
    "training.learning_rate=2e-3",
    "training.threads=1",
    "training.keep_best=0",
    "training.ema=0.99",  # without it the last few batches' statistics decide over tenths of a dB
)


@dataclass(frozen=True)
class Part:
    """A run of a variant; `share` of the budget, from the weights of the part before if `goes_on`."""

    overrides: tuple[str, ...]
    share: float = 1.0
    goes_on: bool = False


@dataclass(frozen=True)
class Variant:
    """A row of the table; `teacher` is trained first, outside the budget."""

    what: str
    parts: tuple[Part, ...]
    teacher: tuple[str, ...] = ()


def _one(what: str, *overrides: str) -> Variant:
    return Variant(what, (Part(overrides),))


_MUON = "training.optimizer=muon"
_FOLDED = ("training.form=folded", "training.start=identity", "training.learning_rate=3e-4")
_TUNING = ("training.form=frozen", _MUON, "training.learning_rate=2e-4", "training.warmup=20")
VARIANTS: dict[str, Variant] = {
    "plain": _one("batch norms, Adam, L1, nearest-neighbour start, averaged weights (0.99)"),
    "muon": _one("Muon for the hidden kernels", _MUON),
    "ema": _one("weights averaged over ten times as many steps (0.999)", "training.ema=0.999"),
    "charbonnier": _one("Charbonnier loss", "training.loss=charbonnier"),
    "fft": _one("L1 + 0.05 FFT loss", "training.loss={l1: 1, fft: 0.05}"),
    "identity": _one("identity start", "training.start=identity"),
    "repvgg": _one("RepVGG branches, collapsed", "model.branches=repvgg"),
    "ecb": _one("ECB branches, collapsed", "model.branches=ecb"),
    "folded": _one("no batch norms, identity start, rate 3e-4", *_FOLDED),
    "progressive": _one("patches of 16, then 24, then 32", "training.patch=16", "training.batch=32",
                        f"training.stages={{{BUDGET // 3}: [24, 14], {2 * BUDGET // 3}: [32, 8]}}"),
    "distilled": Variant("learns from a teacher as well (12 blocks, 96 channels)",
                         (Part(("training.teacher={teacher}",)),),
                         teacher=("model=pipersr_2x_teacher", _MUON)),
    "tuned": Variant("Muon, then frozen batch norms and patches of 64 for the last fifth",
                     (Part((_MUON,), share=0.8),
                      Part((*_TUNING, "training.patch=64", "training.batch=2"), share=0.2, goes_on=True))),
}  # fmt: skip


class Row(Record):
    """A variant's result."""

    variant: str
    what: str
    steps: int
    psnr: float
    seconds: float
    corpus_sha256: str
    git_commit: str | None


class Ablation(Record):
    """The rows of one run of the benchmark."""

    provenance: Provenance
    corpus: str
    holdout_images: list[str]
    protocol: str
    budget: str
    rows: list[Row]


def main(words: Sequence[str], path: Path) -> Ablation:
    """Train the named variants (all by default) with the given settings and write the record.

    Rows of a record that is already at `path` are kept and replaced one by one, so that the benchmark
    can be interrupted and go on with what is missing: name the variants.

    Raises:
        InputError: no such variant, or the record at `path` is of other held-out pictures.
    """
    names = [word for word in words if "=" not in word] or list(VARIANTS)
    overrides = [word for word in words if "=" in word]
    for name in names:
        if name not in VARIANTS:
            raise InputError(
                f"no variant {name!r}", where="command line", fix=f"choose from {', '.join(VARIANTS)}"
            )
    record: Ablation | None = load_record(path) if path.is_file() else None
    for name in names:
        say(f"variant {name}: {VARIANTS[name].what}")
        row, training = _measure(name, VARIANTS[name], overrides)
        if record is not None and record.holdout_images != training.holdout_images:
            raise InputError(
                "the record is of other held-out pictures", where=path, fix="move it away to start anew"
            )
        rows = [row, *(old for old in (record.rows if record else []) if old.variant != name)]
        record = Ablation(
            provenance=machine.provenance(command_line("bench ablation", words)),
            corpus=training.corpus,
            holdout_images=training.holdout_images,
            protocol=training.protocol,
            budget=f"{BUDGET} steps of 8 patches of 32x32 LR pixels, or of as many pixels, one thread",
            rows=sorted(rows, key=lambda row: list(VARIANTS).index(row.variant)),
        )
        files.write_text(path, record.model_dump_json(indent=2) + "\n")
    assert record is not None
    return record


def load_record(path: Path) -> Ablation:
    """Read a record."""
    return Ablation.model_validate_json(path.read_bytes())


def _measure(name: str, variant: Variant, overrides: Sequence[str]) -> tuple[Row, Training]:
    with tempfile.TemporaryDirectory() as folder:
        teacher, before = "", ""
        if variant.teacher:
            teacher, _ = _train(f"{name}-teacher", [*variant.teacher], 1.0, overrides, folder)
        started = time.process_time()
        for number, part in enumerate(variant.parts):
            words = [word.replace("{teacher}", teacher) for word in part.overrides]
            words += [f"training.initial={before}"] if part.goes_on else []
            before, training = _train(f"{name}-{number}", words, part.share, overrides, folder)
        seconds = time.process_time() - started
    row = Row(
        variant=name,
        what=variant.what,
        steps=BUDGET,
        psnr=training.validation[-1].psnr,
        seconds=round(seconds, 1),
        corpus_sha256=training.corpus_sha256,
        git_commit=training.legs[-1].git_commit,
    )
    return row, training


def _train(
    name: str, words: list[str], share: float, overrides: Sequence[str], folder: str
) -> tuple[str, Training]:
    """Train one part; give its weights file and record."""
    from pipersr_build.commands.train import train_network

    steps = round(BUDGET * share)
    lengths = [f"training.{key}={steps}" for key in ("steps", "validate_every", "checkpoint_every")]
    model = [] if any(word.startswith("model=") for word in words) else ["model=pipersr_2x"]
    config = load([*model, *BASE, *lengths, *words, *overrides, f"name={name}", f"runs={folder}"])
    weights = train_network(config)
    assert weights is not None
    return str(weights), Training.model_validate_json((weights.parent / "training.json").read_bytes())


def table(record: Ablation) -> str:
    """The record as a Markdown table."""
    plain = next((row for row in record.rows if row.variant == "plain"), None)
    lines = [
        "| variant | what changes | held-out PSNR | against plain | processor time |",
        "|---|---|---:|---:|---:|",
    ]
    for row in record.rows:
        gain = f"{row.psnr - plain.psnr:+.3f} dB" if plain else "not measured"
        ratio = f"{row.seconds / plain.seconds:.2f} x" if plain else "not measured"
        lines.append(f"| {row.variant} | {row.what} | {row.psnr:.3f} dB | {gain} | {ratio} |")
    return "\n".join([*lines, "", _conditions(record)])


def _conditions(record: Ablation) -> str:
    where, commit = record.provenance, (record.provenance.git_commit or "unknown")[:10]
    return (
        f"{record.budget}; corpus `{record.corpus}`, its held-out pictures, protocol {record.protocol}. "
        f"{where.created[:10]}, {where.machine.processor}, torch {where.torch}, commit {commit}."
    )
