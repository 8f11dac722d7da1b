from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipersr_build.data.module import PatchData
from pipersr_build.data.pictures import Picture, make_pair
from pipersr_build.data.resident import ResidentSampler
from pipersr_build.data.sampler import PatchSampler

PICTURE = Picture("p", np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8))

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),  # lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore:.*your dataloader is not resumable.*"),  # ours needs no state
]


class Recorder(pl.LightningModule):
    """Learns almost nothing and remembers which batches it saw."""

    def __init__(self, save_at: int = -1, to: Path | None = None) -> None:
        super().__init__()
        self.net = nn.Conv2d(3, 3, 1)
        self.seen: list[Tensor] = []
        self.validated: list[tuple[Tensor, Tensor]] = []
        self.save_at, self.to_file = save_at, to

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        self.seen.append(batch[0])
        return self.net(batch[0]).abs().mean()

    def on_train_batch_end(self, *_: Any) -> None:
        if self.to_file is not None and len(self.seen) == self.save_at:
            self.trainer.save_checkpoint(self.to_file)

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        self.validated.append(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def data(accumulate: int = 1) -> PatchData:
    return PatchData(PatchSampler([PICTURE], 4, 2, 2, seed=1), [make_pair(PICTURE, 2)], accumulate)


def fit(module: Recorder, steps: int, accumulate: int, **options: Any) -> Recorder:
    checkpoint, given = options.pop("resume", None), options.pop("data", None)
    trainer = pl.Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        accumulate_grad_batches=accumulate,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        **options,
    )
    trainer.fit(module, given or data(accumulate), ckpt_path=checkpoint, weights_only=True)
    return module


def expected(first: int, last: int, accumulate: int) -> list[Tensor]:
    """The batches from `first` to `last`: `accumulate` slices of the global batch of every step."""
    made = PatchSampler([PICTURE], 4, 2, 2, seed=1)
    places = [divmod(index, accumulate) for index in range(first, last)]
    return [made.batch(step, part, accumulate)[0] for step, part in places]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("options", [{}, {"limit_train_batches": 6}])
def test_a_resumed_run_sees_the_batches_it_would_have_seen(
    tmp_path: Path, accumulate: int, options: dict[str, Any]
) -> None:
    stop = 4 * accumulate  # batches before the checkpoint, in the middle of the run
    whole = fit(Recorder(stop, tmp_path / "a.ckpt"), 8, accumulate, **options)
    assert same(whole.seen, expected(0, 8 * accumulate, accumulate))
    resumed = fit(Recorder(), 8, accumulate, resume=tmp_path / "a.ckpt", **options)
    assert same(resumed.seen, whole.seen[stop:])
    for a, b in zip(whole.net.parameters(), resumed.net.parameters(), strict=True):
        assert torch.equal(a, b)


def test_batches_of_an_unfinished_accumulation_are_seen_again(tmp_path: Path) -> None:
    fit(Recorder(7, tmp_path / "a.ckpt"), 3, 3)
    resumed = fit(Recorder(), 4, 3, resume=tmp_path / "a.ckpt")
    assert same(resumed.seen[:3], expected(6, 9, 3))  # two optimizer steps were done: six batches


def test_another_accumulation_than_the_trainers_is_refused() -> None:
    trainer = pl.Trainer(
        max_steps=1,
        accelerator="cpu",
        accumulate_grad_batches=2,
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    with pytest.raises(ValueError, match="the trainer accumulates 2, not 1"):
        trainer.fit(Recorder(), data())
    with pytest.raises(ValueError, match="1 or more"):
        data(0)


def test_accumulated_parts_are_one_batch() -> None:
    parts = fit(Recorder(), 2, 2).seen
    whole = PatchSampler([PICTURE], 4, 2, 4, seed=1)
    assert same([torch.cat(parts[:2]), torch.cat(parts[2:])], [whole.batch(step)[0] for step in (0, 1)])


def test_samplers_follow_each_other_also_after_a_resume(tmp_path: Path) -> None:
    first = PatchSampler([PICTURE], 4, 2, 2, seed=1)
    stages = {3: first.resized(6, 1), 0: first}
    whole = fit(Recorder(4, tmp_path / "a.ckpt"), 6, 1, data=PatchData(stages))
    assert [seen.shape[-1] for seen in whole.seen] == [4, 4, 4, 6, 6, 6]
    assert same(whole.seen, [stages[0 if step < 3 else 3].batch(step)[0] for step in range(6)])
    resumed = fit(Recorder(), 6, 1, data=PatchData(stages), resume=tmp_path / "a.ckpt")
    assert same(resumed.seen, whole.seen[4:])
    for bad in ({}, {1: first}):
        with pytest.raises(ValueError, match="from step 0 on"):
            PatchData(bad)


def test_batches_may_lie_on_the_device_already() -> None:
    resident = ResidentSampler(PatchSampler([PICTURE], 4, 2, 2, seed=1), "cpu")
    assert same(fit(Recorder(), 3, 1, data=PatchData(resident)).seen, expected(0, 3, 1))


def test_held_out_pictures_are_validated_one_by_one() -> None:
    module = Recorder()
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False
    )
    trainer.validate(module, data(), verbose=False)
    [(lr, hr)] = module.validated
    assert (lr.shape, hr.shape) == ((1, 3, 12, 12), (1, 3, 24, 24))
    np.testing.assert_array_equal((hr[0] * 255).round().permute(1, 2, 0).numpy(), PICTURE.rgb)
