import pytest
import torch

from pipersr_build.data.corpus import Corpus
from pipersr_build.errors import InputError
from pipersr_build.training.patches import Patches, build_sampler, stages


def batches(patches, step, parts):
    """The whole of a step's batch, put together from its parts."""
    sampler = patches.samplers[max(first for first in patches.samplers if first <= step)]
    made = [sampler.batch(step, part, parts) for part in range(parts)]
    return [torch.cat(kind) for kind in zip(*made, strict=True)]


@pytest.mark.parametrize(
    "division", [["accumulate=2"], ["devices=2"], ["devices=2", "accumulate=2"], ["nodes=4"]]
)
def test_a_step_sees_the_same_patches_however_it_is_divided(configured, corpus, division):
    whole = Patches(configured("training.stages={5: [12, 8]}"), corpus)
    divided = Patches(
        configured("training.stages={5: [12, 8]}", *(f"training.{d}" for d in division)), corpus
    )
    parts = 4 // divided.samplers[0].batch_size
    for step in (0, 4, 5, 9):
        for one, other in zip(batches(whole, step, 1), batches(divided, step, parts), strict=True):
            assert torch.equal(one, other)
    assert torch.equal(divided.lr(3), whole.lr(3))
    assert divided.names(3) == whole.names(3)


def test_stages_change_patch_and_batch_at_their_steps(configured, corpus):
    config = configured("training.stages={3: [16, 2], 6: [20, 4]}")
    patches = Patches(config, corpus)
    assert stages(config.training) == {3: (16, 2), 6: (20, 4)}
    shapes = {step: tuple(sampler.batch(step)[0].shape) for step, sampler in patches.samplers.items()}
    assert shapes == {0: (4, 3, 8, 8), 3: (2, 3, 16, 16), 6: (4, 3, 20, 20)}
    assert patches.lr(7).shape == (4, 3, 8, 8)


def test_names_are_of_the_pictures_that_the_step_saw(configured, corpus):
    patches = Patches(configured("training.stages={2: [8, 1]}"), corpus)
    places = patches.samplers[2].places(4)
    assert patches.names(5) == ["abc"[index] for index in places.picture]
    assert set(patches.names(1)) <= set("abc")


def test_a_picture_that_is_smaller_than_a_later_patch_is_refused_at_the_start(configured, corpus):
    with pytest.raises(InputError, match="40 pixels, a patch needs 48x48"):
        Patches(configured("training.stages={3: [24, 4]}"), corpus)


def test_degradations_and_emphasis_reach_the_sampler(configured, corpus):
    plain = build_sampler(configured(), corpus).batch(0)
    degraded = build_sampler(configured("data.degradations=[{kind: blur, sigma: [2, 2]}]"), corpus).batch(0)
    assert torch.equal(plain[1], degraded[1])
    assert not torch.equal(plain[0], degraded[0])
    once = Corpus(corpus.name, corpus.train, corpus.holdout, "", emphasis=[0.0, 1.0, 0.0])
    assert set(Patches(configured("training.batch=64"), once).names(1)) == {"b"}


def test_a_resident_corpus_gives_the_same_patches(configured, corpus):
    config = configured("data.resident=true", "training.stages={2: [12, 2]}")
    patches = Patches(config, corpus)
    for step, sampler in patches.on(torch.device("cpu")).items():
        assert type(sampler).__name__ == "ResidentSampler"
        for one, other in zip(sampler.batch(step), patches.samplers[step].batch(step), strict=True):
            assert torch.equal(one, other)
