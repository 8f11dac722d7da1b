"""One training run in a folder: start, resume, finish."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import torch
from torch import nn

from pipersr_build import config as configuration
from pipersr_build import evidence, files, machine
from pipersr_build.config import Config, TrainingConfig
from pipersr_build.data.corpus import Corpus
from pipersr_build.data.module import PatchData
from pipersr_build.errors import InputError, InterruptedRunError
from pipersr_build.evaluation.protocol import validation_protocol
from pipersr_build.models.weights import load_weights, save_weights
from pipersr_build.training import checkpoint_file, forms, losses
from pipersr_build.training.checkpoints import Checkpoints
from pipersr_build.training.curve import Curve, Score
from pipersr_build.training.ema import Average
from pipersr_build.training.folder import Plan, finish, in_use, prepare
from pipersr_build.training.interruption import Interruption
from pipersr_build.training.logs import WriteLogs, check_packages, loggers
from pipersr_build.training.module import SRModule
from pipersr_build.training.names import BEST, LAST, RECORD, WEIGHTS
from pipersr_build.training.patches import Patches
from pipersr_build.training.processes import check_processes, follow_first_process, is_first_process
from pipersr_build.training.progress_bar import ShowProgress
from pipersr_build.training.record import read_record as read_record
from pipersr_build.training.trainer import build_trainer, check_machine, on_gpu, precision, quiet_lightning
from pipersr_build.training.validation import BestWeights, DrawSamples, Validation, best, best_weights

STATISTICS_BATCHES = 64  # over which put-back batch norms are measured


@dataclass(frozen=True)
class Result:
    """The finished run's weights file and its PSNR (dB) on the held-out pictures."""

    weights: Path
    psnr: float


@dataclass(frozen=True)
class _Run:
    """The parts of a run that its stages share."""

    config: Config
    corpus: Corpus
    plan: Plan
    patches: Patches
    judged: nn.Module  # the network, or its average
    curve: Curve
    kept: BestWeights


def train(
    config: Config,
    corpus: Corpus,
    score: Score,
    draw: DrawSamples | None = None,
    callbacks: Sequence[pl.Callback] = (),
) -> Result | None:
    """Train, or go on training, in `<runs>/<name>`.

    The run leaves `weights.safetensors` (the best by held-out PSNR), `training.json` (the record),
    `settings.json` and `curve.csv`. The same configuration, data and seed give the same weights on the
    same machine, interrupted or not. Of several processes the first one writes.

    Args:
        config: the whole configuration.
        corpus: the pictures.
        score: PSNR of a network on the held-out pictures.
        draw: draws the sample sheets, if there are to be any.
        callbacks: more Lightning callbacks, for measurements.

    Returns:
        The result; None in all processes but the first.

    Raises:
        InterruptedRunError: Ctrl-C; the run can be resumed with the same command.
        InputError: another run uses the folder, or it holds a run with other settings, or cannot be
            written to; the run would begin with or learn from its own weights; the run diverged.
        MachineError: the machine lacks a GPU, or a package for the logs.
    """
    check_processes(config.training)
    check_machine(config.training)
    check_packages(config.training.logs)
    _check_sources(config)
    if not is_first_process():
        return _train(config, corpus, score, None, callbacks)
    with in_use(Path(config.runs) / config.name):
        return _train(config, corpus, score, draw, callbacks)


def _check_sources(config: Config) -> None:
    """The weights that a run begins with or learns from are not the ones that it replaces."""
    folder = (Path(config.runs) / config.name).resolve()
    for key in ("initial", "teacher"):
        given = getattr(config.training, key)
        path = Path(given).resolve() if given is not None else None
        if path is not None and (path == folder / WEIGHTS or path.is_relative_to(folder / BEST)):
            raise InputError(
                f"training.{key} names the run's own weights, which it would replace",
                where=given,
                fix="choose another name=…",
            )


def _train(
    config: Config,
    corpus: Corpus,
    score: Score,
    draw: DrawSamples | None,
    callbacks: Sequence[pl.Callback],
) -> Result | None:
    settings = config.training
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    pl.seed_everything(config.seed, verbose=False)
    patches = Patches(config, corpus)
    network = forms.training_network(config.model, settings, patches.lr(0))
    module = SRModule(network, settings, forms.teacher_network(settings, config.model.scale))
    plan = prepare(config, corpus.fingerprint, writes=is_first_process())
    if plan.checkpoint is not None:
        checkpoint_file.check(plan.checkpoint, network)
    average = Average(network, settings.ema) if settings.ema else None
    judged = average.network if average is not None else network
    curve = Curve(settings.log_every, _leg(config), patches.names)
    trained = forms.training_config(config.model, settings)
    kept = BestWeights(plan.folder / BEST, settings.keep_best, trained, config.name)
    validation = Validation(plan.folder, settings.validate_every, score, draw, curve, judged, kept)
    run = _Run(config, corpus, plan, patches, judged, curve, kept)
    with follow_first_process():
        _fit(run, module, [*callbacks, *([average] if average else []), curve, validation])
    return _publish(run) if is_first_process() else None


def _fit(run: _Run, module: SRModule, watching: Sequence[pl.Callback]) -> None:
    """Run the steps that are left."""
    settings, plan, curve, interruption = run.config.training, run.plan, run.curve, Interruption()
    every, saved = settings.checkpoint_every, lambda: run.kept.checkpointed(curve.scores)
    checkpoints = Checkpoints(plan.folder, every, curve, interruption, saved)
    logs = list(settings.logs)
    with quiet_lightning(), interruption.listening():
        writers = [WriteLogs(plan.folder, curve, "csv" in logs), ShowProgress(curve), checkpoints]
        to = loggers(logs, plan.folder, run.config.name, plan.step)
        trainer = build_trainer(settings, plan.folder, [*watching, *writers], to)
        data = PatchData(run.patches.on(trainer.strategy.root_device), accumulate=settings.accumulate)
        trainer.fit(module, data, ckpt_path=plan.checkpoint, weights_only=True)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    if interruption.asked and trainer.global_step < settings.steps:
        raise InterruptedRunError(
            f"interrupted after step {trainer.global_step} of {settings.steps}; the checkpoint is saved",
            where=plan.folder / LAST,
            fix="run the same command again to go on",
        )
    curve.close_leg(trainer.global_step)


def _publish(run: _Run) -> Result:
    """Write the chosen weights and the record, which names them by their hash."""
    config, settings, scores = run.config, run.config.training, run.curve.scores
    weights, judged = run.plan.folder / WEIGHTS, run.judged
    chosen = best(scores, 1)[0] if settings.keep_best else scores[-1]
    if settings.keep_best:
        judged = load_weights(best_weights(run.plan.folder, scores)).network
    batches = run.patches.first_lr(STATISTICS_BATCHES)
    kept = forms.kept_network(judged.cpu(), config.model, settings, batches)
    before = _before(settings)
    save_weights(weights, kept, forms.kept_config(config.model, settings), config.name)
    record = _record(run, weights, chosen, before)
    files.write_text(run.plan.folder / RECORD, record.model_dump_json(indent=2) + "\n")
    run.kept.finish(scores)
    finish(run.plan.folder)
    return Result(weights, chosen.psnr)


def _leg(config: Config) -> evidence.Leg:
    """Who trains now."""
    made = machine.provenance("pipersr-build train")
    return evidence.Leg(
        first_step=1,
        device=_device(config),
        processes=config.training.devices * config.training.nodes,
        threads=torch.get_num_threads(),
        torch=made.torch,
        git_commit=made.git_commit,
        git_dirty=made.git_dirty,
    )


def _device(config: Config) -> str:
    accelerator = machine.accelerator() if on_gpu(config.training) else None
    return accelerator or machine.describe().processor


def _before(settings: TrainingConfig) -> evidence.Training | None:
    """The record of the run whose weights this one began with, where it is known."""
    if settings.initial is None:
        return None
    return read_record(Path(settings.initial), files.sha256(Path(settings.initial)))


def _record(
    run: _Run, weights: Path, chosen: evidence.ValidationPoint, before: evidence.Training | None
) -> evidence.Training:
    config, settings, corpus, curve = run.config, run.config.training, run.corpus, run.curve
    return evidence.Training(
        steps=settings.steps,
        chosen_step=chosen.step,
        chosen_psnr=chosen.psnr,
        optimizer=settings.optimizer,
        schedule=settings.schedule,
        ema=settings.ema,
        form=settings.form,
        legs=curve.legs,
        before=before,
        warm_start=forms.warm_start(config.model, settings),
        settings=configuration.plain(config),
        seconds=round(curve.seconds, 2),
        precision=precision(settings.precision, on_gpu(settings)),
        device=_device(config),
        threads=torch.get_num_threads(),
        seed=config.seed,
        loss=losses.describe(settings.loss),
        patch=settings.patch,
        batch=settings.batch,
        corpus=corpus.name,
        corpus_sha256=corpus.fingerprint,
        train_images=[picture.name for picture in corpus.train],
        holdout_images=[picture.name for picture in corpus.holdout],
        protocol=validation_protocol(config.evaluation.protocol),
        curve=curve.losses,
        validation=curve.scores,
        weights_sha256=files.sha256(weights),
    )
