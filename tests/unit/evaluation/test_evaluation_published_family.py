import math

import pytest

from pipersr_build.commands.compare_subjects import networks
from pipersr_build.evaluation import published_family
from pipersr_build.evaluation.published import load_published
from pipersr_build.evaluation.published_family import names, published_of


def test_the_main_table_comes_before_other_ways_of_scoring():
    rows = published_of("sesr_m5_2x", 2)
    assert [(r.dataset, r.psnr) for r in rows[:3]] == [("Set5", 37.39), ("Set14", 32.84), ("BSD100", 31.70)]
    assert ("BSD100", 31.68) in [(r.dataset, r.psnr) for r in rows]
    assert {r.protocol for r in rows[:4]} == {"PSNR-Y as published"}


def test_figures_are_of_the_scale_that_is_asked_for():
    assert [r.psnr for r in published_of("quicksrnet_large_3x", 3)] == [28.98]
    [fine] = published_of("quicksrnet_small_1.5x", 1.5)
    assert (fine.psnr, "INT8" in fine.protocol) == (34.89, True)
    assert published_of("control_rms_norm", 2) == []
    assert published_of("sesr_m5_4x", 4) == []
    assert published_of("rfdn_2x", 2) == []  # which is larger than the published one


def test_every_name_is_of_a_variant_and_of_a_network_that_was_published():
    stems = {name.rpartition("_")[0] for name in networks()}
    assert set(names()) <= stems
    published = {row.network for row in (*load_published(), *published_family._more())}
    assert {name for called in names().values() for name in called} <= published


def test_figures_of_a_release_stand_beside_those_of_the_paper_where_the_network_is_the_same():
    rows = published_of("quicksrnet_medium_2x", 2)
    assert [(r.dataset, r.psnr) for r in rows] == [("BSD100", 31.82), ("BSD100", 31.77), ("Set14", 32.78)]
    assert "aimet-model-zoo" in rows[-1].protocol
    # the released large network has an anchor, the paper's has none
    assert [r.psnr for r in published_of("quicksrnet_large_anchor_2x", 2)] == [33.24]
    assert 33.24 not in [r.psnr for r in published_of("quicksrnet_large_2x", 2)]


@pytest.mark.parametrize(
    "row", published_family._more(), ids=lambda r: f"{r.network}-{r.scale:g}-{r.dataset}"
)
def test_every_figure_says_how_it_was_scored_and_where_it_stands(row):
    assert 25 < row.psnr < 40
    assert math.isfinite(row.scale)
    assert row.parameters > 1_000
    assert "arXiv" in row.source or "https://" in row.source
    assert row.protocol
    assert any(row.network in called for called in names().values())
