import re
from pathlib import Path

import numpy as np
import pytest
from small_corpora import picture

from pipersr_build.data.corpus import Corpus, fingerprint, folder_corpus, read_corpus
from pipersr_build.data.holdout import held_out
from pipersr_build.data.images import list_images, save_png
from pipersr_build.data.making import Recipe
from pipersr_build.data.members import Terms
from pipersr_build.data.pictures import Picture, make_pair
from pipersr_build.data.sources import folder_sources
from pipersr_build.errors import InputError

NAMES = ["a.png", "b.png", "sub/c.png", "sub/d.png", "z.png"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name in NAMES:
        save_png(tmp_path / "corpus" / name, random.integers(0, 256, (8, 10, 3), dtype=np.uint8))
    return tmp_path / "corpus"


def names(corpus: Corpus) -> tuple[list[str], list[str]]:
    return [picture.name for picture in corpus.train], [picture.name for picture in corpus.holdout]


def test_named_pictures_are_held_out(folder: Path) -> None:
    corpus = folder_corpus(folder, ["sub/d.png", "a.png"])
    assert names(corpus) == (["b.png", "sub/c.png", "z.png"], ["a.png", "sub/d.png"])
    assert corpus.name == "corpus"


@pytest.mark.parametrize(("count", "held"), [(1, [0]), (2, [0, 2]), (3, [0, 1, 3]), (4, [0, 1, 2, 3])])
def test_a_number_of_pictures_is_spread_evenly(folder: Path, count: int, held: list[int]) -> None:
    assert names(folder_corpus(folder, count))[1] == [NAMES[index] for index in held]


def test_a_list_file_may_be_relative_to_the_folder_or_to_itself(folder: Path) -> None:
    beside = folder.parent / "validation.txt"
    beside.write_text("# kept back\n\ncorpus/sub/c.png\nz.png\n")
    assert names(folder_corpus(folder, beside))[1] == ["sub/c.png", "z.png"]
    assert names(folder_corpus(folder, str(beside)))[1] == ["sub/c.png", "z.png"]
    inside = folder / "sub" / "list.txt"
    inside.write_text("d.png\n")
    assert names(folder_corpus(folder, inside))[1] == ["sub/d.png"]


def test_unknown_names_and_lists_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no picture is called sub/e\.png") as caught:
        folder_corpus(folder, ["sub/e.png"])
    assert "did you mean" in str(caught.value.fix)
    (tmp_path / "list.txt").write_text("elsewhere/a.png\n")
    with pytest.raises(InputError, match=r"no picture is called elsewhere/a\.png") as caught:
        folder_corpus(folder, tmp_path / "list.txt")
    assert caught.value.where == str(tmp_path / "list.txt")
    for unreadable in (tmp_path / "missing.txt", tmp_path, folder / "a.png"):
        with pytest.raises(InputError, match="cannot be read"):
            folder_corpus(folder, unreadable)


@pytest.mark.parametrize("holdout", [0, -1, []])
def test_nothing_held_out_is_refused(folder: Path, holdout: int | list[str]) -> None:
    with pytest.raises(InputError, match="no picture is held out"):
        folder_corpus(folder, holdout)


@pytest.mark.parametrize("holdout", [5, 6, NAMES])
def test_nothing_left_to_train_on_is_refused(folder: Path, holdout: int | list[str]) -> None:
    with pytest.raises(InputError, match="nothing is left to train on"):
        folder_corpus(folder, holdout)


def test_small_pictures_are_named_with_their_size(folder: Path) -> None:
    assert len(folder_corpus(folder, 1, minimum=8).train) == 4
    with pytest.raises(InputError, match=r"9x9 pixels needed: .*sub/d\.png \(10x8\)"):
        folder_corpus(folder, 1, minimum=9)
    for index in range(4):
        save_png(folder / f"e{index}.png", np.full((3, 3, 3), index, np.uint8))
    with pytest.raises(InputError, match="and 4 more"):
        folder_corpus(folder, 1, minimum=9)


def test_a_held_out_copy_of_a_training_picture_is_refused(folder: Path) -> None:
    (folder / "copy.png").write_bytes((folder / "sub/c.png").read_bytes())
    with pytest.raises(InputError, match=r"copy\.png is held out, but sub/c\.png"):
        folder_corpus(folder, ["copy.png"])
    assert len(folder_corpus(folder, ["copy.png", "sub/c.png"]).holdout) == 2


def test_damaged_pictures_stop_with_all_their_names(folder: Path) -> None:
    for name in ("b.png", "sub/d.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:200])
    with pytest.raises(InputError, match="2 images cannot be read") as caught:
        folder_corpus(folder, 1)
    assert re.findall(r"^ *(\S+): the image is damaged", caught.value.what, re.MULTILINE) == [
        "b.png",
        "sub/d.png",
    ]
    assert caught.value.where == str(folder)
    corpus = read_corpus(folder_sources(folder, 1), terms=Terms(skip_broken=True))
    assert names(corpus) == (["sub/c.png", "z.png"], ["a.png"])


def test_progress_counts_every_picture(folder: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    folder_corpus(folder, 1, progress=lambda done, total, name: seen.append((done, total, name)))
    assert seen == [(index + 1, 5, name) for index, name in enumerate(NAMES)]


def test_fingerprint_sees_names_pixels_sizes_and_split(folder: Path) -> None:
    corpus = folder_corpus(folder, 2)
    assert corpus.fingerprint == folder_corpus(folder, 2).fingerprint
    assert corpus.fingerprint != folder_corpus(folder, 3).fingerprint
    one = Picture("a", np.zeros((2, 3, 3), np.uint8))
    prints = {
        fingerprint([one], []),
        fingerprint([], [one]),
        fingerprint([Picture("b", one.rgb)], []),
        fingerprint([Picture("a", one.rgb.reshape(3, 2, 3))], []),
        fingerprint([Picture("a", one.rgb + 1)], []),
    }
    assert len(prints) == 5


def test_the_shared_list_names_pictures_of_the_shared_corpus(shared_data: Path) -> None:
    folder = shared_data / "train"
    known = [path.relative_to(folder).as_posix() for path in list_images(folder)]
    held = held_out(shared_data / "validation.txt", known, folder)
    assert len(held) == len((shared_data / "validation.txt").read_text().split())
    assert held < set(known)


def test_reduced_copies_follow_their_originals_but_not_held_out_ones(folder: Path) -> None:
    save_png(folder / "sub/large.png", picture(1, 40, 30))
    corpus = read_corpus(folder_sources(folder, ["a.png"]), Recipe((0.8, 0.5), least=8))
    assert names(corpus) == (
        [
            "b.png",
            "sub/c.png",
            "sub/d.png",
            "sub/large.png",
            "sub/large.png@0.8",
            "sub/large.png@0.5",
            "z.png",
        ],
        ["a.png"],
    )
    assert [p.rgb.shape for p in corpus.train if "large" in p.name] == [(40, 30, 3), (32, 24, 3), (20, 15, 3)]
    held = read_corpus(folder_sources(folder, ["sub/large.png"]), Recipe((0.8,), least=8))
    assert names(held)[1] == ["sub/large.png"]
    assert not any("@" in name for name in names(held)[0])


def test_copies_smaller_than_a_patch_are_dropped_not_refused(folder: Path) -> None:
    recipe = Recipe((0.9,), least=1)
    corpus = read_corpus(folder_sources(folder, ["a.png"]), recipe, Terms(8))
    assert names(corpus)[0] == ["b.png", "sub/c.png", "sub/d.png", "z.png"]
    assert len(read_corpus(folder_sources(folder, ["a.png"]), recipe, Terms(7)).train) == 8


def test_emphasis_is_that_of_the_innermost_folder(folder: Path) -> None:
    save_png(folder / "sub/deep/e.png", picture(1, 40, 30))
    sources, recipe = folder_sources(folder, ["a.png"]), Recipe((0.5,), least=12)
    corpus = read_corpus(sources, recipe, Terms(emphasis={"sub": 3, "sub/deep": 0.5}))
    assert dict(zip(names(corpus)[0], corpus.emphasis, strict=True)) == {
        "b.png": 1, "sub/c.png": 3, "sub/d.png": 3,
        "sub/deep/e.png": 0.5, "sub/deep/e.png@0.5": 0.5, "z.png": 1,
    }  # fmt: skip
    assert read_corpus(sources).emphasis == [1.0] * 5
    with pytest.raises(InputError, match="no folder of the corpus is called sup") as caught:
        read_corpus(sources, terms=Terms(emphasis={"sup": 3}))
    assert caught.value.fix == "did you mean sub?"
    with pytest.raises(InputError, match="no folder of the corpus is called quite"):
        read_corpus(sources, terms=Terms(emphasis={"quite/other": 3}))


@pytest.mark.parametrize("fly", [False, True])
def test_pairs_are_the_pictures_and_their_reduction(folder: Path, fly: bool) -> None:
    save_png(folder / "odd.png", picture(1, 13, 11))
    corpus = read_corpus(folder_sources(folder, ["a.png"]), fly=fly)
    for scale in (2, 3):
        pairs = corpus.training_pairs(scale)
        assert [pair.name for pair in pairs] == names(corpus)[0]
        for pair, whole in zip(pairs, corpus.train, strict=True):
            wanted = make_pair(whole, scale)
            assert np.shares_memory(pair.hr, whole.rgb)
            np.testing.assert_array_equal(pair.hr, wanted.hr)
            np.testing.assert_array_equal(pair.lr, wanted.lr)
            assert pair.lr.shape == wanted.lr.shape
            np.testing.assert_array_equal(pair.lr[1:3, 0:2], wanted.lr[1:3, 0:2])
        (held,) = corpus.holdout_pairs(scale)
        assert isinstance(held.lr, np.ndarray)
        np.testing.assert_array_equal(held.lr, make_pair(corpus.holdout[0], scale).lr)


def test_nothing_is_left_when_all_are_broken_or_small(folder: Path) -> None:
    terms = Terms(9, skip_small=True)
    with pytest.raises(InputError, match="no picture is left to train on"):
        read_corpus(folder_sources(folder, ["a.png"]), terms=terms)
    (folder / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match="no picture is left to hold out"):
        read_corpus(folder_sources(folder, ["a.png"]), terms=Terms(skip_broken=True))


def test_held_out_pictures_may_be_small_where_small_ones_are_skipped(folder: Path) -> None:
    save_png(folder / "large.png", picture(1, 20, 20))
    corpus = read_corpus(folder_sources(folder, ["a.png"]), terms=Terms(9, skip_small=True))
    assert names(corpus) == (["large.png"], ["a.png"])
