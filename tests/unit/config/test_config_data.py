import pytest

from pipersr_build import config
from pipersr_build.errors import InputError
from pipersr_build.shipped import conf_dir


@pytest.mark.parametrize("choice", sorted(file.stem for file in (conf_dir() / "data").glob("*.yaml")))
def test_every_shipped_corpus_composes(choice):
    loaded = config.load([f"data={choice}", "data.folder=x"])
    assert loaded.data.corpus == choice
    assert choice in config.CORPORA


def test_the_reference_corpus_has_emphasis_and_copies_that_can_be_switched_off():
    data = config.load(["data=reference", "data.folder=x"]).data
    assert data.reductions == [0.8, 0.64]
    assert data.emphasis == {"General100": 2, "BSDS_train199": 2, "DIV2K_half50": 2}
    assert (data.reductions_least, data.holdout, data.skip_small) == (256, None, True)
    off = config.load(["data=reference", "data.folder=x", "data.reductions=[]", "data.emphasis=null"]).data
    assert (off.reductions, off.emphasis) == ([], None)


@pytest.mark.parametrize("holdout", ["3", "null", "[a,b]", "list.txt"])
def test_what_may_be_held_out(holdout):
    config.load(["data=div2k", f"data.holdout={holdout}"])


@pytest.mark.parametrize(
    "overrides",
    [
        ["data=reference"],
        ["data=folder", "data.folder=x", "data.holdout=null"],
        ["data.holdout=1.5"],
        ["data.holdout=true"],
        ["data.holdout=[1]"],
        ["data.lr=never"],
        ["data.reductions=[1.0]"],
        ["data.reductions=[0]"],
        ["data.reductions=[0.5,0.5]"],
        ["data.reductions=[nan]"],
        ["data.reductions_least=0"],
        ["data.emphasis=General100"],
        ["data.emphasis={General100: lots}"],
        ["data.emphasis={General100: -1}"],
        ["data.emphasis={General100: inf}"],
        ["data.emphasis={General100: true}"],
        ["data.workers=0"],
        ["data.mirror=file:///data"],
    ],
)
def test_wrong_settings_are_named_in_one_message(overrides):
    with pytest.raises(InputError) as caught:
        config.load(overrides)
    key = overrides[-1].partition("=")[0] if "." in overrides[-1] else "data.folder"
    assert key in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3
