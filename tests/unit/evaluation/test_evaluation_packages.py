from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipersr_build.errors import InputError
from pipersr_build.evaluation.packages import open_method
from pipersr_build.mil.package import Feature, Interface, open_package
from pipersr_build.models.upscaler import upscaler
from pipersr_build.runtime.tiling import upscale_tiled
from pipersr_build.runtime.upscaler import halo


def spread(lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Twice as large; every pixel depends on its neighbours up to two away, zeros beyond the border."""
    wide = np.pad(lr.astype(int), ((2, 2), (2, 2), (0, 0)))
    height, width = lr.shape[:2]
    total = sum(wide[y : y + height, x : x + width] * (3 * y + x + 1) for y in range(5) for x in range(5))
    return (np.asarray(total).repeat(2, axis=0).repeat(2, axis=1) % 251).astype(np.uint8)


@given(st.integers(5, 14), st.integers(5, 14), st.integers(0, 20), st.integers(0, 20), st.integers(2, 3))
def test_tiles_of_any_shape_give_what_the_whole_picture_gives(
    tile_height: int, tile_width: int, more_height: int, more_width: int, margin: int
) -> None:
    tile = max(tile_height, 2 * margin + 1), max(tile_width, 2 * margin + 1)
    size = tile[0] + more_height, tile[1] + more_width
    lr = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    shapes = set()

    def run(piece: NDArray[np.uint8]) -> NDArray[np.uint8]:
        shapes.add(piece.shape)
        return spread(piece)

    np.testing.assert_array_equal(
        upscale_tiled(lr, run, tile=tile, halo=(margin, margin), scale=2), spread(lr)
    )
    assert shapes == {(*tile, 3)}


def test_a_picture_smaller_than_the_frame_is_padded_by_its_edge() -> None:
    lr = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    padded = np.pad(lr, ((0, 4), (0, 3), (0, 0)), mode="edge")
    np.testing.assert_array_equal(
        upscale_tiled(lr, spread, tile=(10, 12), halo=(2, 2), scale=2), spread(padded)[:12, :18]
    )


@pytest.mark.parametrize(("kind", "tile"), [("image", (24, 24)), ("video", (20, 34))])
@pytest.mark.parametrize("size", [(24, 34), (45, 61)])
def test_both_contracts_give_the_networks_pictures(
    tiny: SimpleNamespace, kind: str, tile: tuple[int, int], size: tuple[int, int]
) -> None:
    method = open_method(open_package(getattr(tiny, kind)))
    assert (method.scale, method.contract, method.tile) == (2, kind, tile)
    lr = np.random.default_rng(0).integers(40, 216, (*size, 3), dtype=np.uint8)
    difference = method.upscale(lr).astype(int) - upscaler(tiny.network)(lr)
    assert np.abs(difference).max() <= 1
    assert np.mean(difference != 0) < 0.2


@pytest.mark.parametrize("size", [(16, 22), (29, 40)])
def test_a_package_with_a_state_is_judged_picture_by_picture(
    remembering: SimpleNamespace, size: tuple[int, int]
) -> None:
    method = open_method(open_package(remembering.video))
    assert (method.scale, method.contract, method.tile, method.state) == (2, "video", (16, 22), True)
    lr = np.random.default_rng(0).integers(40, 216, (*size, 3), dtype=np.uint8)
    for _ in range(2):  # it remembers nothing
        difference = method.upscale(lr).astype(int) - upscaler(remembering.network)(lr)
        assert np.abs(difference).max() <= 1


def test_a_package_that_says_nothing_overlaps_by_an_eighth(tiny: SimpleNamespace) -> None:
    package = open_package(tiny.video)
    assert halo(package, 34) == 4
    with pytest.raises(InputError, match="tile of 8 pixels is too small for the overlap of 4") as caught:
        halo(package, 8)
    assert caught.value.where == str(tiny.video)
    package.spec.description.metadata.userDefined.clear()
    assert halo(package, 34) == 4
    assert halo(package, 80) == 10


def test_a_tile_that_the_overlap_uses_up_is_refused_at_once(tiny: SimpleNamespace) -> None:
    for path in (tiny.image, tiny.video):
        package = open_package(path)
        package.spec.description.metadata.userDefined["pipersr_build.halo"] = "12"
        with pytest.raises(InputError, match="too small for the overlap of 12") as caught:
            open_method(package)
        assert caught.value.where == str(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda inputs, outputs: (inputs * 2, outputs),
        lambda inputs, _: (inputs, ()),
        lambda inputs, outputs: ((replace(inputs[0], dtype="int32"),), outputs),
        lambda inputs, outputs: ((replace(inputs[0], flexible=True),), outputs),
        lambda _, outputs: ((Feature("other", "tensor", "fp16", (1, 3, 8, 8)),), outputs),
        lambda inputs, _: (inputs, (Feature("other", "other", "", ()),)),
    ],
)
def test_other_contracts_are_refused(tiny: SimpleNamespace, change: object) -> None:
    package = open_package(tiny.video)
    assert callable(change)
    changed = Interface(*change(package.interface.inputs, package.interface.outputs))
    with pytest.raises(InputError, match="neither one RGB image nor one frame tensor") as caught:
        open_method(replace(package, interfaces={package.default: changed}))
    assert caught.value.where == str(Path(tiny.video))
