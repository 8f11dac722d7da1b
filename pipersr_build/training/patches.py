"""The training patches as configured: sizes, stages, what is done to them, where they are kept."""

from collections.abc import Iterator

import torch
from torch import Tensor

from pipersr_build.config import Config, TrainingConfig
from pipersr_build.data.corpus import Corpus
from pipersr_build.data.degradations import parse
from pipersr_build.data.module import Sampler
from pipersr_build.data.resident import ResidentSampler
from pipersr_build.data.sampler import PatchSampler
from pipersr_build.progress import bar


class Patches:
    """The samplers of a run by the optimiser step from which on each is asked.

    A sampler's batch is the part of one process and accumulation; the global batch of a step is the
    same however it is divided.

    Raises:
        InputError: a picture is smaller than the largest patch.
    """

    def __init__(self, config: Config, corpus: Corpus) -> None:
        settings = config.training
        self._resident = config.data.resident
        self._parts = settings.accumulate * settings.devices * settings.nodes
        first = build_sampler(config, corpus)
        self.samplers = {0: first}
        for step, (patch, batch) in stages(settings).items():
            self.samplers[step] = first.resized(patch, batch // self._parts)

    def on(self, device: torch.device) -> dict[int, Sampler]:
        """The samplers for a training on `device`, in its memory if so configured.

        Raises:
            MachineError: the corpus does not fit in the device's memory.
        """
        if not self._resident:
            return dict(self.samplers)
        first = self.samplers[0]
        with bar("copying pictures", total=2 * len(first.names)) as shown:
            resident = ResidentSampler(first, device, lambda done, total, name: shown.advance(note=name))  # noqa: ARG005
        later = {step: s for step, s in self.samplers.items() if step}
        return {0: resident, **{s: resident.resized(o.patch_lr, o.batch_size) for s, o in later.items()}}

    def lr(self, step: int) -> Tensor:
        """The LR patches of a step's global batch in the sizes of the run's start: B, 3, H, W in [0, 1]."""
        first = self.samplers[0]
        return first.resized(first.patch_lr, first.batch_size * self._parts).batch(step)[0]

    def first_lr(self, steps: int) -> Iterator[Tensor]:
        """`lr` of the first steps."""
        return (self.lr(step) for step in range(steps))

    def names(self, step: int) -> list[str]:
        """The pictures in the global batch of optimiser step `step` (counted from 1), without repetition."""
        sampler = self.samplers[max(first for first in self.samplers if first <= step - 1)]
        places = [sampler.places(step - 1, part, self._parts) for part in range(self._parts)]
        chosen = [index for place in places for index in place.picture.tolist()]
        return list(dict.fromkeys(sampler.names[index] for index in chosen))


def stages(settings: TrainingConfig) -> dict[int, tuple[int, int]]:
    """`training.stages`: patch (LR pixels) and batch by the optimiser steps after which they hold."""
    return {int(step): (patch, batch) for step, (patch, batch) in sorted((settings.stages or {}).items())}


def build_sampler(config: Config, corpus: Corpus) -> PatchSampler:
    """The sampler of the configured patches; a batch is the part of one process and accumulation."""
    settings, degrade = config.training, parse(config.data.degradations)
    return PatchSampler(
        corpus.train if degrade else corpus.training_pairs(config.model.scale),
        settings.patch,
        config.model.scale,
        settings.batch // (settings.accumulate * settings.devices * settings.nodes),
        config.seed,
        emphasis=corpus.emphasis,
        degrade=degrade,
    )
