from dataclasses import replace

import pytest

from pipersr_build import models
from pipersr_build.commands import about, export
from pipersr_build.config import load
from pipersr_build.errors import InputError
from pipersr_build.runtime.upscaler import HALO_KEY

AT_1_5 = "model=quicksrnet_small_1.5x"


@pytest.fixture
def configured(tmp_path):
    return lambda *words: load(["name=x", f"exports={tmp_path}", *words])


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("export.image.tile=33", "does not take 33x33"),
        ("export.video.size=64x37", "does not take 64x37"),
    ],
)
def test_sizes_that_the_network_cannot_take_are_refused_by_name(configured, word, names):
    with pytest.raises(InputError, match=names) as caught:
        export.preflight(configured(AT_1_5, word))
    assert caught.value.where == f"configuration key {word.partition('=')[0]}"
    assert "multiples of 2" in caught.value.fix


STATE = "export.video.state=true"


@pytest.mark.parametrize(
    ("words", "names", "key"),
    [
        (["model=pipersr_2x"], "^PiperSR 2x, .* no form that remembers", "export.video.state"),
        (
            ["model=paragonsr2_realtime_2x", "export.compress=[w8a8]", "target=macos14"],
            "state",
            "export.compress",
        ),
    ],
)
def test_a_state_that_cannot_be_kept_is_refused_by_name(configured, words, names, key):
    with pytest.raises(InputError, match=names) as caught:
        export.preflight(configured(STATE, *words))
    assert caught.value.where == f"configuration key {key}"


def test_with_a_state_the_locked_frames_have_one_and_the_tile_has_none(configured):
    wanted = export.preflight(configured("model=paragonsr2_stream_2x", "export.video.size=360p", STATE))
    assert [(one.name, one.state) for one in wanted] == [("image_128", False), ("video_360p_state", True)]


def test_a_tile_smaller_than_the_halo_is_refused(configured):
    with pytest.raises(InputError, match="too small for a halo of 13"):
        export.preflight(configured("model=quicksrnet_large_2x", "export.image.tile=26"))


@pytest.mark.parametrize(("tile", "told"), [(64, "8x8 pixels are kept (halo 28)"), (128, "")])
def test_a_tile_that_is_mostly_halo_is_mentioned(configured, tile, told, capsys):
    export.preflight(configured("model=paragonsr2_stream_2x", f"export.image.tile={tile}"))
    shown = " ".join("".join(capsys.readouterr()).split())
    assert told in shown
    assert bool(told) == ("are kept" in shown)


def test_where_every_pixel_depends_on_all_the_user_hears_that_tiles_are_not_exact(
    configured, monkeypatch, capsys
):
    config = configured("model=espcn_2x", "export.image.tile=8")
    unbounded = replace(models.facts(config.model), receptive_radius=None)
    monkeypatch.setattr(models, "facts", lambda _: unbounded)
    assert next(contract.name for contract in export.preflight(config)) == "image_8"
    shown = capsys.readouterr()
    assert "tiles do not give exactly the whole picture's result" in " ".join((shown.out + shown.err).split())


def test_a_package_declares_its_halo_only_where_there_is_one():
    facts = models.facts(load([AT_1_5]).model)
    assert about.facts_values(facts) == {HALO_KEY: "4", "pipersr_build.scale": "1.5"}
    assert HALO_KEY not in about.facts_values(replace(facts, receptive_radius=None))
