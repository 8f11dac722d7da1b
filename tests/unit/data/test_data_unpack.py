from collections.abc import Callable
from pathlib import Path

import pytest
from small_corpora import TRAIN, archive, members, tarred, zipped

from pipersr_build.data.unpack import unpack
from pipersr_build.errors import InputError

Pack = Callable[[dict[str, bytes]], bytes]
KINDS = pytest.mark.parametrize("pack", [zipped, tarred])
WHOLE = members("train_HR", TRAIN)


def unpacked(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}


@KINDS
def test_the_wanted_images_come_out_and_nothing_else(tmp_path: Path, pack: Pack) -> None:
    others = {
        "train_HR/more.png": b"",
        "train_HR/../../../up.png": b"",
        "other_HR/01.png": b"",
        "read.me": b"",
    }
    deeper = {f"DIV2K/{name}": data for name, data in WHOLE.items()}
    (tmp_path / "a").write_bytes(pack(others | deeper))
    seen: list[str] = []
    unpack(archive("train"), tmp_path / "a", tmp_path / "images" / "train_HR", seen.append)
    assert unpacked(tmp_path / "images") == WHOLE
    assert seen == TRAIN
    assert {path.name for path in tmp_path.iterdir()} == {"a", "images"}


@KINDS
def test_what_is_there_with_the_right_size_is_left_alone(tmp_path: Path, pack: Pack) -> None:
    (tmp_path / "a").write_bytes(pack(WHOLE))
    home = tmp_path / "train_HR"
    home.mkdir()
    same_size = b"x" * len(WHOLE["train_HR/01.png"])
    (home / "01.png").write_bytes(same_size)
    (home / "02.png").write_bytes(b"half")
    unpack(archive("train"), tmp_path / "a", home)
    assert unpacked(tmp_path) == WHOLE | {"train_HR/01.png": same_size}


@KINDS
def test_half_an_archive(tmp_path: Path, pack: Pack) -> None:
    data = pack(WHOLE)
    (tmp_path / "a").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="is no archive, is cut off or is damaged"):
        unpack(archive("train"), tmp_path / "a", tmp_path / "train_HR")
    assert set(unpacked(tmp_path).items()) < set(WHOLE.items())  # what came out is whole


def test_a_damaged_member_of_a_zip(tmp_path: Path) -> None:
    data = bytearray(zipped(WHOLE))
    data[data.index(WHOLE["train_HR/03.png"]) + 500] ^= 1
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(InputError, match=r"Bad CRC-32 for file 'train_HR/03\.png'"):
        unpack(archive("train"), tmp_path / "a", tmp_path / "train_HR")
    assert sorted(unpacked(tmp_path)) == ["train_HR/01.png", "train_HR/02.png"]


@pytest.mark.parametrize("data", [b"", b"<html>Not here</html>", bytes(2000), zipped({}), tarred({})])
def test_another_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(InputError) as caught:
        unpack(archive("train"), tmp_path / "a", tmp_path / "train_HR")
    assert caught.value.where == str(tmp_path / "a")


@KINDS
def test_missing_images_are_named(tmp_path: Path, pack: Pack) -> None:
    (tmp_path / "a").write_bytes(pack(members("train_HR", TRAIN[:1])))
    with pytest.raises(InputError, match=r"lacks train_HR/02\.png, train_HR/03\.png, train_HR/04\.png\n"):
        unpack(archive("train"), tmp_path / "a", tmp_path / "train_HR")
    with pytest.raises(InputError, match=r"and 4 more\n"):
        unpack(archive("train", last=10), tmp_path / "a", tmp_path / "train_HR")
