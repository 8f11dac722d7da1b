"""The sampler and the held-out pictures as Lightning wants them."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from pipersr_build.data.pictures import Pair

Batch = tuple[Tensor, Tensor]


class Sampler(Protocol):
    """What makes batches: `PatchSampler` or `ResidentSampler`."""

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Batch:
        """Slice `rank` of the `world` slices of the step's global batch."""


class PatchData(pl.LightningDataModule):
    """Training batches without end, in the order that the trainer's own step counter gives.

    Lightning restores that counter before it asks for the first batch, so a resumed run goes on with
    the batch after the last optimizer step. Batches that were seen since that step (in the middle of an
    accumulation) are seen again; save checkpoints after optimizer steps.

    An optimizer step learns from one global batch of (batch of the sampler) x processes x `accumulate`
    patches: however these are divided, they are the same patches.

    Args:
        sampler: makes the batches; or several, each by the optimizer step from which on it is asked,
            one of them 0 (`PatchSampler.resized`).
        holdout: the pictures for validation, in order, if Lightning is to validate.
        accumulate: batches per optimizer step, the trainer's `accumulate_grad_batches`.
    """

    def __init__(
        self, sampler: Sampler | Mapping[int, Sampler], holdout: Sequence[Pair] = (), accumulate: int = 1
    ) -> None:
        super().__init__()
        if accumulate < 1:
            raise ValueError(f"accumulate must be 1 or more, got {accumulate}")
        self.samplers = dict(sorted(sampler.items())) if isinstance(sampler, Mapping) else {0: sampler}
        if next(iter(self.samplers), None) != 0:
            raise ValueError(f"a sampler is needed from step 0 on, got {list(self.samplers)}")
        self.holdout, self.accumulate = list(holdout), accumulate

    def sampler_at(self, step: int) -> Sampler:
        """The sampler of an optimizer step."""
        return self.samplers[max(first for first in self.samplers if first <= step)]

    def train_dataloader(self) -> IterableDataset[Batch]:
        """Batches of the samplers: LR and HR, float32 in [0, 1], B, 3, H, W."""
        return _Batches(self)

    def val_dataloader(self) -> Dataset[Batch]:
        """The held-out pictures in order, one by one: LR and HR, float32 in [0, 1], 1, 3, H, W."""
        return _Held(self.holdout)

    def steps(self) -> Iterator[Batch]:
        """Batches from the trainer's present step on.

        Raises:
            ValueError: the trainer accumulates another number of batches than this module.
        """
        trainer = self.trainer
        assert trainer is not None, "attached by Trainer.fit"
        if (
            trainer.lightning_module.automatic_optimization
            and trainer.accumulate_grad_batches != self.accumulate
        ):
            raise ValueError(
                f"the trainer accumulates {trainer.accumulate_grad_batches}, not {self.accumulate}"
            )
        for step in itertools.count(trainer.global_step):
            sampler = self.sampler_at(step)
            for part in range(self.accumulate):
                place = trainer.global_rank * self.accumulate + part
                yield sampler.batch(step, place, trainer.world_size * self.accumulate)


class _Batches(IterableDataset[Batch]):
    """No length and no worker processes: a batch takes a millisecond, and workers would hold copies."""

    def __init__(self, data: PatchData) -> None:
        self.data = data

    def __iter__(self) -> Iterator[Batch]:
        return self.data.steps()


class _Held(Dataset[Batch]):
    """Pictures as batches of one; Lightning would take a plain list for several loaders."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Batch:
        pair = self.pairs[index]
        return _tensor(pair.lr), _tensor(pair.hr)


def _tensor(rgb: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(rgb.transpose(2, 0, 1)[None].copy()).to(torch.float32).div_(255)
