from pathlib import Path

import numpy as np
import pytest

from pipersr_build.commands import duplicates
from pipersr_build.data.images import save_png
from pipersr_build.data.photos import load_photos
from pipersr_build.data.resize import downscale
from pipersr_build.errors import InputError

PHOTOS = {photo.name: photo.rgb for photo in load_photos()}


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A corpus of four photographs, of which the third is held out."""
    for name in ("astronaut", "camera", "chelsea", "coffee"):
        save_png(tmp_path / "corpus" / f"{name}.png", PHOTOS[name])
    (tmp_path / "held.txt").write_text("chelsea.png\n")
    return ["data=folder", f"data.folder={tmp_path}/corpus", f"data.holdout={tmp_path}/held.txt",
            f"data.root={tmp_path}/data"]  # fmt: skip


def test_no_duplicates(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_png(tmp_path / "other" / "rocket.png", PHOTOS["rocket"])
    assert duplicates.main(["other", *words]) == 0
    assert "no duplicates: 3 training pictures of corpus, other" in capsys.readouterr().out
    assert duplicates.main(words) == 0
    assert "1 held-out pictures" in capsys.readouterr().out


def test_duplicates_are_listed(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    test = tmp_path / "Set1"
    save_png(test / "HR" / "a.png", np.ascontiguousarray(downscale(PHOTOS["astronaut"], 2)[:, ::-1]))
    save_png(test / "HR" / "b.png", PHOTOS["rocket"])
    save_png(test / "LRx2" / "b.png", PHOTOS["camera"])  # only the true pictures are looked at
    assert duplicates.main([str(test), *words]) == 1
    [row] = [line for line in capsys.readouterr().out.splitlines() if ".png" in line]
    cells = [cell.strip() for cell in row.strip("│ ").split("│")]
    assert cells[:3] == ["astronaut.png", "Set1/HR/a.png", "mirrored"]
    assert int(cells[3]) <= 4
    assert float(cells[4]) > 0.99


def test_held_out_pictures_are_compared_when_there_is_no_folder(words: list[str], tmp_path: Path) -> None:
    save_png(tmp_path / "corpus" / "z.png", PHOTOS["chelsea"][5:-5, 5:-5])
    assert duplicates.main(words) == 1


def test_a_missing_folder_is_found_before_the_corpus_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder") as caught:
        duplicates.main([str(tmp_path / "nowhere"), "data=folder", f"data.folder={tmp_path}/also nowhere"])
    assert caught.value.where == str(tmp_path / "nowhere")


def test_the_pair_that_set5_and_set14_share_is_found(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    folders = [f"data.folder={shared_data}/test/Set5/HR", f"data.root={tmp_path}", "data.holdout=[bird.png]"]
    assert duplicates.main([f"{shared_data}/test/Set14", "data=folder", *folders]) == 1
    rows = [line for line in capsys.readouterr().out.splitlines() if ".png" in line]
    assert len(rows) == 1
    assert "head.png" in rows[0]
    assert "Set14/HR/face.png" in rows[0]
