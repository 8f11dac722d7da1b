import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipersr_build import models
from pipersr_build.evidence import ValidationPoint
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.weights import load_weights
from pipersr_build.training.validation import BestWeights, best, best_weights

CONFIG = PiperSRConfig(blocks=1, channels=4)
NETWORK = models.build(CONFIG)


def points(*psnrs):
    return [ValidationPoint(step=10 * n, psnr=psnr) for n, psnr in enumerate(psnrs)]


def test_the_best_are_trained_weights_the_earlier_of_equals_first():
    scores = points(99.0, 30.0, 31.0, 31.0, 29.0)
    assert [point.step for point in best(scores, 3)] == [20, 30, 10]
    assert best(scores, 0) == []


@settings(deadline=None)
@given(st.lists(st.floats(20, 50), min_size=2, max_size=12), st.integers(1, 5))
def test_nothing_that_is_not_kept_is_better(psnrs, count):
    scores = points(*psnrs)
    kept = best(scores, count)
    others = [point for point in scores[1:] if point not in kept]
    assert len(kept) == min(count, len(psnrs) - 1)
    assert all(other.psnr <= point.psnr for other in others for point in kept)


@pytest.fixture
def kept(tmp_path):
    return BestWeights(tmp_path / "best", 1, CONFIG, "x")


def files_of(tmp_path):
    return sorted(int(path.stem) for path in (tmp_path / "best").glob("*"))


def test_only_the_best_are_written(kept, tmp_path):
    kept.add(NETWORK, 10, points(0, 30))
    kept.add(NETWORK, 20, points(0, 30, 29))
    assert files_of(tmp_path) == [10]
    assert load_weights(best_weights(tmp_path, points(0, 30, 29))).config == CONFIG


def test_weights_that_a_checkpoint_on_the_disk_needs_are_kept(kept, tmp_path):
    kept.add(NETWORK, 10, points(0, 30))
    kept.checkpointed(points(0, 30))
    kept.add(NETWORK, 20, points(0, 30, 31))
    assert files_of(tmp_path) == [10, 20]  # a resumed run would begin where 10 was the best
    kept.checkpointed(points(0, 30, 31))
    assert files_of(tmp_path) == [10, 20]  # so it would from the checkpoint before
    kept.checkpointed(points(0, 30, 31, 29))
    assert files_of(tmp_path) == [20]
    kept.add(NETWORK, 40, points(0, 30, 31, 29, 32))
    kept.finish(points(0, 30, 31, 29, 32))
    assert files_of(tmp_path) == [40]
