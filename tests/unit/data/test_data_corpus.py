import re
from pathlib import Path

import numpy as np
import pytest

from pipersr_build.data.corpus import Corpus, fingerprint, folder_corpus, read_corpus
from pipersr_build.data.holdout import held_out
from pipersr_build.data.images import list_images, save_png
from pipersr_build.data.members import Terms
from pipersr_build.data.pictures import Picture
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


def test_named_pictures_areheld_out(folder: Path) -> None:
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
