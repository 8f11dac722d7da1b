import pytest

from pipersr_build import config
from pipersr_build.errors import InputError
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.shipped import conf_dir


def choices(group):
    return sorted(file.stem for file in (conf_dir() / group).glob("*.yaml"))


@pytest.mark.parametrize(
    ("group", "choice"),
    [(g, c) for g in ("model", "training", "export", "target", "experiment") for c in choices(g)],
)
def test_every_shipped_choice_composes(group, choice):
    config.load([f"{group}={choice}", "data.folder=photographs"])


def test_the_default_is_the_published_network_and_four_packages():
    loaded = config.load()
    assert loaded.model == PiperSRConfig()
    assert (loaded.name, loaded.export.image.tile, loaded.export.video.size) == (
        "quickstart", 128, "360p,480p,540p")  # fmt: skip


def test_a_user_override_wins_over_the_experiment():
    assert config.load(["experiment=debug", "name=mine", "training.steps=9"]).training.steps == 9
    assert config.load(["experiment=debug", "name=mine"]).name == "mine"


@pytest.mark.parametrize(
    ("override", "names"),
    [
        ("training.stepz=3", "stepz"),
        ("wings=2", "wings"),
        ("+wings=2", "wings"),
        ("~seed", "seed"),
        ("training.steps=many", "many"),
        ("training.steps=0", "training.steps"),
        ("training.learning_rate=-1", "training.learning_rate"),
        ("training.precision=fp8", "training.precision"),
        ("model=unknown", "unknown"),
        ("model.scale=5", "model.scale"),
        ("model.activation=tanh", "model.activation"),
        ("data.corpus=web", "data.corpus"),
        ("data=folder", "data.folder"),
        ("target.deployment=macOS9", "target.deployment"),
        ("evaluation.protocol=best", "evaluation.protocol"),
        ("export.image.tile=4", "export.image.tile"),
        ("name=../up", "name"),
        ("seed=x", "x"),
        ("seed=-1", "seed"),
        ("seed=4294967296", "seed"),
        ("training.weight_decay=inf", "training.weight_decay"),
        ("training.clip_gradient=inf", "training.clip_gradient"),
        ("training.form=frozen", "training.initial"),
        ("training.beta2=2", "training.beta2"),
        ("=", "override"),
        ("training.steps", "training.steps"),
    ],
)
def test_what_is_wrong_is_named_in_one_message(override, names):
    with pytest.raises(InputError) as caught:
        config.load([override])
    assert names in str(caught.value)
    assert caught.value.exit_code == 2
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        (["model=quicksrnet_small_2x", "training.form=folded"], "the family quicksrnet allows as_is"),
        (["model=espcn_2x", "training.start=calibrated"], "the family espcn allows nearest"),
        (["model=espcn_2x", "model.colours=1"], "pictures are RGB"),
        (["model=sesr_m5_2x", "model.form=luma"], "model.form"),
        (["model=quicksrnet_small_1.5x", "training.patch=31"], "multiples of 2"),
    ],
)
def test_what_a_network_does_not_allow_is_refused(overrides, names):
    with pytest.raises(InputError, match=names):
        config.load(overrides)


def test_records_hold_no_folders_of_this_machine(tmp_path):
    loaded = config.load(["data=folder", f"data.folder={tmp_path}/pictures", f"exports={tmp_path}"])
    assert str(tmp_path) not in str(config.plain(loaded))
    words = [
        f"weights={tmp_path}/a b/w x.safetensors",
        f"{tmp_path}/x.mlpackage",
        f"l=[{tmp_path}/y,/z/u]",
        "a.b=1",
    ]
    shown = config.command_line("export", words)
    assert shown == "pipersr-build export 'weights=w x.safetensors' x.mlpackage 'l=[y,u]' a.b=1"
    assert config.command_line("bench zoo", ["span"]) == "pipersr-build bench zoo span"


def test_a_configuration_that_is_changed_does_not_change_the_next_one():
    first = config.load(["model.blocks=2"])
    first.training.steps, first.model.blocks = 1, 9
    again = config.load(["model.blocks=2"])
    assert (again.model.blocks, again.training.steps) == (2, config.load([]).training.steps)
