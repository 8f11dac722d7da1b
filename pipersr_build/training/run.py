"""One training run in a folder: start, resume, finish."""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from pydantic import ValidationError

from pipersr_build import evidence, files, machine, models
from pipersr_build.config import Config
from pipersr_build.data.corpus import Corpus
from pipersr_build.data.module import PatchData
from pipersr_build.data.sampler import PatchSampler
from pipersr_build.errors import InputError, InterruptedRunError
from pipersr_build.models.weights import save_weights
from pipersr_build.progress import bar, say
from pipersr_build.training.callbacks import Checkpoints, Curve, Score, ShowProgress
from pipersr_build.training.module import SRModule

WEIGHTS, RECORD, CHECKPOINT, SETTINGS = "weights.safetensors", "training.json", "last.ckpt", "settings.json"


@dataclass(frozen=True)
class Plan:
    """Where a run lives and from which checkpoint it goes on, if from one."""

    folder: Path
    checkpoint: Path | None
    step: int


@dataclass(frozen=True)
class Result:
    """The finished run's weights file and the PSNR (dB) of its last validation."""

    weights: Path
    psnr: float


def train(config: Config, corpus: Corpus, score: Score, callbacks: Sequence[pl.Callback] = ()) -> Result:
    """Train, or go on training, in `<runs>/<name>`.

    The run leaves `weights.safetensors`, `training.json` (the record) and `settings.json`. The same
    configuration, data and seed give the same weights on the same machine, interrupted or not.

    Args:
        config: the whole configuration.
        corpus: the pictures.
        score: PSNR of a network on the held-out pictures.
        callbacks: more Lightning callbacks, for measurements.

    Raises:
        InterruptedRunError: Ctrl-C; the run can be resumed with the same command.
        InputError: the folder holds an unfinished run with other settings, or cannot be written to.
    """
    plan = prepare(config)
    if config.training.threads is not None:
        torch.set_num_threads(config.training.threads)
    pl.seed_everything(config.seed, verbose=False)
    network = models.build(config.model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    settings = config.training
    sampler = PatchSampler(corpus.train, settings.patch, config.model.scale, settings.batch, config.seed)
    curve = Curve(score, settings.log_every, settings.validate_every)
    if plan.checkpoint is None:
        curve.validate(0, network)
    _fit(config, plan, SRModule(network, settings), PatchData(sampler, holdout=()), curve, callbacks)
    weights = plan.folder / WEIGHTS
    save_weights(weights, network, config.model, config.name)
    record = _record(config, corpus, curve, weights)
    files.write_text(plan.folder / RECORD, record.model_dump_json(indent=2) + "\n")
    (plan.folder / CHECKPOINT).unlink(missing_ok=True)
    return Result(weights, curve.scores[-1].psnr)


def prepare(config: Config) -> Plan:
    """Make the run's folder and find out whether there is something to resume."""
    folder = files.make_folder(Path(config.runs) / config.name)
    checkpoint, settings = folder / CHECKPOINT, folder / SETTINGS
    wanted = _settings(config)
    if not checkpoint.is_file():
        for stale in (WEIGHTS, RECORD):
            (folder / stale).unlink(missing_ok=True)
        files.write_text(settings, json.dumps(wanted, indent=2) + "\n")
        return Plan(folder, None, 0)
    if not settings.is_file() or _read_json(settings) != wanted:
        raise InputError(
            "the folder holds an unfinished run with other settings",
            where=folder,
            fix=f"resume it with its own settings ({SETTINGS}), choose another name=…, or delete the folder",
        )
    step = _read_step(checkpoint)
    say(f"resuming {folder} from step {step}")
    return Plan(folder, checkpoint, step)


def _settings(config: Config) -> dict[str, Any]:
    """What a run must have in common with the run that it resumes."""
    parts = {key: asdict(getattr(config, key)) for key in ("model", "data", "training")}
    settings: dict[str, Any] = json.loads(json.dumps({**parts, "seed": config.seed}))
    return settings


def _read_json(path: Path) -> Any:
    """The file's content, or None where it is no JSON."""
    try:
        return json.loads(path.read_text())
    except ValueError:
        return None


def _read_step(checkpoint: Path) -> int:
    try:
        return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"])
    except Exception as error:  # torch raises many kinds for a damaged file
        raise InputError(
            f"the checkpoint cannot be read ({type(error).__name__})",
            where=checkpoint,
            fix="delete it to start the run again",
        ) from error


def _fit(
    config: Config,
    plan: Plan,
    module: SRModule,
    data: PatchData,
    curve: Curve,
    more: Sequence[pl.Callback],
) -> None:
    """Run the steps that are left."""
    settings = config.training
    checkpoints = Checkpoints(plan.folder / CHECKPOINT, settings.validate_every)
    with bar("training", settings.steps, done=plan.step) as shown, quiet_lightning():
        trainer = pl.Trainer(
            max_steps=settings.steps,
            max_epochs=-1,
            accelerator="cpu" if not torch.cuda.is_available() else "gpu",
            devices=1,
            precision="bf16-mixed" if precision(settings.precision) == "bf16" else "32-true",
            callbacks=[*more, curve, ShowProgress(shown, curve), checkpoints],
            limit_val_batches=0,  # the curve validates
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=plan.folder,
        )
        trainer.fit(module, data, ckpt_path=plan.checkpoint)
    if checkpoints.interrupted and trainer.global_step < settings.steps:
        raise InterruptedRunError(
            f"interrupted after step {trainer.global_step} of {settings.steps}; the checkpoint is saved",
            where=plan.folder / CHECKPOINT,
            fix="run the same command again to go on",
        )


def precision(wanted: str) -> str:
    """`fp32` or `bf16`: `auto` is bf16 where the processor or the GPU multiplies it natively."""
    if wanted != "auto":
        return wanted
    native = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else machine.bf16_cpu()
    return "bf16" if native else "fp32"


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notices about devices, workers and logging to itself while training."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    finally:
        logger.setLevel(level)


def _record(config: Config, corpus: Corpus, curve: Curve, weights: Path) -> evidence.Training:
    settings = config.training
    return evidence.Training(
        steps=settings.steps,
        seconds=round(curve.seconds, 2),
        precision=precision(settings.precision),
        device=(machine.accelerator() if torch.cuda.is_available() else None) or machine.describe().processor,
        threads=torch.get_num_threads(),
        seed=config.seed,
        loss="L1",
        patch=settings.patch,
        batch=settings.batch,
        corpus=corpus.name,
        corpus_sha256=corpus.fingerprint,
        train_images=[picture.name for picture in corpus.train],
        holdout_images=[picture.name for picture in corpus.holdout],
        protocol=config.evaluation.protocol,
        curve=curve.losses,
        validation=curve.scores,
        weights_sha256=files.sha256(weights),
    )


def read_record(weights: Path, sha256: str) -> evidence.Training | None:
    """The training record beside a weights file, if there is one and it is of these weights."""
    path = weights.with_name(RECORD)
    if not path.is_file():
        return None
    try:
        record = evidence.Training.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(
            "the training record beside the weights cannot be read",
            where=path,
            fix="move it away or train again",
        ) from error
    return record if record.weights_sha256 == sha256 else None
