import numpy as np
import pytest
from PIL import Image

from pipersr_build.benchmark import comparison, comparison_record, runs
from pipersr_build.errors import InputError, InterruptedRunError
from pipersr_build.report import documents

NAME = "quicksrnet_small_2x"
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")


def picture(path, seed, size=40):
    rgb = np.random.default_rng(seed).integers(0, 256, (size, size + 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path)


@pytest.fixture
def words(tmp_path):
    """The settings of a comparison that takes a moment."""
    for index in range(4):
        picture(tmp_path / "train" / f"{index}.png", index)
    picture(tmp_path / "Set5" / "HR" / "a.png", 9)
    return [
        "data=folder",
        f"data.folder={tmp_path / 'train'}",
        "data.holdout=1",
        f"data.root={tmp_path / 'data'}",
        f"evaluation.folder={tmp_path / 'Set5'}",
        f"runs={tmp_path / 'runs'}",
        "training.steps=4",
        "training.batch=2",
        "training.patch=8",
        "training.warmup=1",
        "training.threads=1",
        "training.precision=fp32",
        "export.image.tile=32",
        "compare.size=64x36",
        "placement.chip=M4",
    ]


@pytest.fixture
def trainings(monkeypatch):
    """The runs that are trained, in their order; `stop` and `diverge` name those that end early."""
    done, real = [], runs.train_network
    done_stop, diverge = [], []

    def train(config):
        done.append(config.name)
        if config.name in done_stop:
            done_stop.remove(config.name)
            raise InterruptedRunError("interrupted after step 1 of 4; the checkpoint is saved")
        if config.name in diverge:
            raise InputError("the training diverged: the loss is nan at step 2")
        return real(config)

    monkeypatch.setattr(runs, "train_network", train)
    train.done, train.stop, train.diverge = done, done_stop, diverge
    return train


def test_a_comparison_is_interrupted_goes_on_and_is_kept(words, trainings, tmp_path, monkeypatch):
    path = tmp_path / "comparison.json"
    pilots = [f"{NAME}-rate-{rate:g}" for rate in comparison.RATES]
    trainings.stop.append(pilots[1])
    trainings.diverge.append(pilots[2])
    with pytest.raises(InterruptedRunError, match="run the same command again"):
        comparison.main([NAME, *words], path)
    assert trainings.done == pilots[:2]
    trainings.done.clear()
    record = comparison.main([NAME, *words], path)
    assert trainings.done == [*pilots[1:], NAME]  # the first pilot is not trained again
    [row] = record.rows
    assert [pilot.psnr is None for pilot in row.pilots] == [False, False, True]
    assert row.rate == max(row.pilots[:2], key=lambda pilot: pilot.psnr).rate
    assert row.row.parameters == 22_860
    assert row.row.operations == 9
    assert [(s.dataset, s.training) for s in row.row.measured] == [("Set5", "4 steps")]
    assert record.budget.sets == {"Set5": 1}
    assert comparison_record.load(path) == record
    trainings.done.clear()
    assert comparison.main([NAME, *words], path) == record
    assert trainings.done == []
    _check_table(record)
    _check_budget(words, path)
    _check_documents(record, path, monkeypatch)


def _check_table(record):
    table = comparison_record.table(record)
    assert "**Trained alike: 4 steps of 2 patches of 8x8 LR pixels for every network (8 patches" in table
    assert f"| {NAME} | 22,860 |" in table
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
    assert f"{record.rows[0].row.measured[0].psnr:.3f}" in table
    assert "Trained alike" in comparison_record.plot(record)


def _check_budget(words, path):
    with pytest.raises(InputError, match=r"another budget.*steps is 4 there, 5 here"):
        comparison.main([NAME, *words, "training.steps=5"], path)


def _check_documents(record, path, monkeypatch):
    monkeypatch.setattr(comparison_record, "SHIPPED", path)
    text = documents.render("<!-- record: comparison -->\nold\n<!-- end -->")
    assert comparison_record.table(record) in text
    assert "(../family.svg)" in text
    assert documents.comparison_plot().startswith("<svg")


def test_without_a_record_the_document_says_how_to_make_one(monkeypatch, tmp_path):
    monkeypatch.setattr(comparison_record, "SHIPPED", tmp_path / "none.json")
    text = documents.render("<!-- record: comparison -->\nold\n<!-- end -->")
    assert "not measured" in text
    assert "pipersr-build bench comparison" in text


def test_a_network_that_diverges_at_every_rate_is_named(words, trainings, tmp_path):
    trainings.diverge += [f"{NAME}-rate-{rate:g}" for rate in comparison.RATES]
    with pytest.raises(InputError, match="diverges at every rate"):
        comparison.main([NAME, *words], tmp_path / "comparison.json")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["magic_2x"], "no network 'magic_2x'"),
        (["pipersr_2x", "pipersr_3x"], "the scales differ"),
        ([NAME, "training.learning_rate=1e-3"], "is set by the comparison"),
        ([NAME, "name=mine"], "is set by the comparison"),
        ([NAME, "evaluation.folder=null"], "no test pictures"),
        (["data=reference", "data.folder=null"], "data.folder"),
    ],
)
def test_what_would_stop_it_is_found_before_training(more, message, words, trainings, tmp_path):
    given = {word.partition("=")[0] for word in more if "=" in word}
    kept = [word for word in words if word.partition("=")[0] not in given]
    with pytest.raises(InputError) as caught:
        comparison.main([*more, *kept], tmp_path / "comparison.json")
    assert message in str(caught.value)
    assert trainings.done == []


def test_every_network_of_the_comparison_takes_the_same_budget():
    chosen = [comparison._configured(name, ["data.folder=x"]) for name in comparison.NETWORKS]
    assert {(c.training.steps, c.training.batch, c.training.patch, c.seed) for c in chosen} == {
        (12_000, 16, 32, 0)
    }
    assert len({c.model.family for c in chosen}) == 5
    assert {c.data.corpus for c in chosen} == {"reference"}


def test_a_file_that_is_no_record_is_refused(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InputError, match="not a comparison's record"):
        comparison_record.load(tmp_path / "x.json")
