import csv
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipersr_build import cli, evidence, files
from pipersr_build.commands import sweep
from pipersr_build.config import Config, load
from pipersr_build.errors import InputError
from pipersr_build.training.folder import prepare
from pipersr_build.training.names import RECORD, WEIGHTS

WORDS = ["experiment=debug", "name=s"]


def names(*overrides):
    return [variant.name for variant in sweep.plan([*WORDS, *overrides])]


def test_every_combination_is_named_after_what_varies():
    assert names("model.blocks=1,2", "seed=5", "training.loss=l1,mse") == [
        "s-blocks_1-loss_l1",
        "s-blocks_1-loss_mse",
        "s-blocks_2-loss_l1",
        "s-blocks_2-loss_mse",
    ]


def test_ranges_groups_and_structures_vary_too():
    assert names("model.blocks=range(1,3)") == ["s-blocks_1", "s-blocks_2"]
    assert names("model=pipersr_2x,pipersr_4x") == ["s-model_pipersr_2x", "s-model_pipersr_4x"]
    both = names("training.loss={l1:1,fft:0.05},{l1:1,fft:0.1}")
    assert len(set(both)) == 2
    assert all(files.SAFE_NAME.fullmatch(name) for name in both)


@settings(deadline=None)
@given(st.text("abc/:{}-_. ,é", min_size=1, max_size=150), st.text("abc/:{}-_. ,é", min_size=1, max_size=150))
def test_names_are_folders_and_differ_where_the_values_do(one, other):
    made = [sweep.variant_of(Config(name="s"), [f"a.b={value}"], ["a.b"]).name for value in (one, other)]
    assert all(files.SAFE_NAME.fullmatch(name) for name in made)
    assert (made[0] == made[1]) == (one == other)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["model.blocks=4"], "nothing varies"),
        (["name=a,b"], "the name varies"),
        (["training.steps=1,many"], "many"),
        (["training.stepz=1,2"], "stepz"),
        (["training.loss=l1,l9"], "l9"),
        (["model.blocks=1,2", "nonsense"], "nonsense"),
        (["model.blocks=1,(2"], "(2"),
    ],
)
def test_all_variants_are_checked_before_the_first_is_trained(words, named, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep, "_run", lambda _: pytest.fail("trained"))
    assert cli.main(["train", "-m", "experiment=debug", *words]) == 2
    assert named in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


RECORDED = {
    "steps": 6, "chosen_step": 3, "seconds": 1.5, "precision": "fp32", "device": "x", "threads": 1, "seed": 0,
    "loss": "l1", "patch": 8, "batch": 4, "corpus": "c", "train_images": [], "holdout_images": [],
    "protocol": "y_float", "curve": [], "validation": [],
}  # fmt: skip


def finish(variant, psnr):
    """What a finished training of the variant leaves, as far as a sweep looks."""
    folder = prepare(replace(variant.config, name=variant.name)).folder
    (folder / WEIGHTS).write_bytes(variant.name.encode())
    sha256 = files.sha256(folder / WEIGHTS)
    record = evidence.Training(**RECORDED, chosen_psnr=psnr, weights_sha256=sha256)
    files.write_text(folder / RECORD, record.model_dump_json())
    return 0


@pytest.fixture
def trainings(tmp_path, monkeypatch):
    """What each variant's training does, by its name; and which were started."""
    monkeypatch.chdir(tmp_path)
    acts, started = {}, []

    def run(variant):
        started.append(variant.name)
        return acts[variant.name](variant)

    monkeypatch.setattr(sweep, "_run", run)
    return acts, started


def multirun(*words):
    return cli.main(["train", *WORDS, "--multirun", "model.blocks=1,2,3", *words])


def test_what_fails_fails_alone_and_is_summed_up(trainings, tmp_path, capfd):
    acts, started = trainings
    acts |= {
        "s-blocks_1": lambda v: finish(v, 30.5),
        "s-blocks_2": lambda _: 3,
        "s-blocks_3": lambda v: finish(v, 31),
    }
    assert multirun() == 3
    assert started == ["s-blocks_1", "s-blocks_2", "s-blocks_3"]
    out = capfd.readouterr().out
    assert "30.500 dB" in out
    assert "failed, exit code 3" in out
    with (tmp_path / "runs/s-sweep/summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["model.blocks"] for row in rows] == ["1", "2", "3"]
    assert [row["psnr"] for row in rows] == ["30.5", "", "31.0"]
    assert [row["exit_code"] for row in rows] == ["0", "3", "0"]


def test_what_is_finished_is_not_trained_again(trainings, tmp_path):
    acts, started = trainings
    acts |= {f"s-blocks_{n}": lambda v: finish(v, 30.0) for n in (1, 2, 3)}
    assert multirun() == 0
    (tmp_path / "runs/s-blocks_2" / WEIGHTS).unlink()
    started.clear()
    assert multirun() == 0
    assert started == ["s-blocks_2"]
    started.clear()
    acts |= {f"s-blocks_{n}": lambda _: 2 for n in (1, 2, 3)}  # as a training refuses another one's folder
    assert multirun("training.steps=7") == 2  # other settings: none is finished
    assert len(started) == 3


def test_ctrl_c_ends_the_sweep(trainings, tmp_path, capfd):
    acts, started = trainings
    acts |= {"s-blocks_1": lambda v: finish(v, 30.0), "s-blocks_2": lambda _: 130}
    assert multirun() == 130
    assert started == ["s-blocks_1", "s-blocks_2"]
    assert "not trained" in capfd.readouterr().out
    summary = json.loads((tmp_path / "runs/s-sweep/summary.json").read_text())
    assert [row["exit_code"] for row in summary] == [0, 130, None]


def test_hydra_leaves_nothing_elsewhere(trainings, tmp_path):
    acts, _ = trainings
    acts |= {f"s-blocks_{n}": lambda v: finish(v, 30.0) for n in (1, 2, 3)}
    assert multirun("runs='some runs/here'") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["some runs"]
    left = sorted(path.name for path in (tmp_path / "some runs/here/s-sweep").iterdir())
    assert left == [
        "multirun.yaml",
        *(f"s-blocks_{n}.json" for n in (1, 2, 3)),
        "summary.csv",
        "summary.json",
    ]
    assert load().name == "quickstart"  # and no state behind


def test_a_sweep_is_started_once(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="a sweep starts its trainings itself"):
        sweep.main(["model.blocks=1,2"])


def test_the_last_override_of_a_key_counts(trainings):
    acts, started = trainings
    acts |= {f"s-blocks_{n}": lambda v: finish(v, 30.0) for n in (1, 2)}
    assert cli.main(["train", "-m", *WORDS, "model.blocks=1", "seed=1", "model.blocks=1,2"]) == 0
    assert started == ["s-blocks_1", "s-blocks_2"]
    assert names("model.blocks=1,2", "model.blocks=3", "seed=1,2") == ["s-seed_1", "s-seed_2"]


@pytest.mark.usefixtures("trainings")
@pytest.mark.parametrize("word", ["hydra/launcher=nosuch", "hydra.nosuch=1"])
def test_unknown_settings_of_hydra_are_named(word, capfd):
    assert multirun(word) == 2
    error = capfd.readouterr().err
    assert "nosuch" in error
    assert "Traceback" not in error
    assert load().name == "quickstart"
