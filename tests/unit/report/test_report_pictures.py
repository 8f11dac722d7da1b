import base64
import io

import numpy as np
import pytest
from PIL import Image
from report_records import sample

from pipersr_build.errors import InputError
from pipersr_build.report import pictures


def decoded(uri):
    head, data = uri.split(",", 1)
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_files_are_embedded_as_they_are(folder):
    made = pictures.load(sample("harbour"), folder)
    assert base64.b64decode(made.ours.split(",")[1]) == (folder / "samples/harbour_ours.png").read_bytes()
    assert (made.width, made.height) == (24, 24)


def test_error_maps_are_dark_where_nothing_differs_and_brighter_with_more_error(folder):
    made = pictures.load(sample("harbour"), folder)
    maps = [np.asarray(decoded(uri).convert("RGB")).sum() for uri in (made.ours_error, made.bicubic_error)]
    assert maps[0] < maps[1]
    same = sample("harbour").model_copy(update={"ours": sample("harbour").truth})
    flat = np.asarray(decoded(pictures.load(same, folder).ours_error).convert("RGB"))
    assert np.unique(flat.reshape(-1, 3), axis=0).tolist() == [[16, 18, 24]]


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "samples/../../secret.png", "a\0b.png"])
def test_files_outside_the_folder_are_refused(folder, name):
    (folder.parent / "secret.png").write_bytes((folder / "samples/harbour_ours.png").read_bytes())
    with pytest.raises(InputError, match="outside the evidence's folder") as caught:
        pictures.load(sample("harbour").model_copy(update={"ours": name}), folder)
    assert caught.value.exit_code == 2
    assert caught.value.fix


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path_factory):
    target = tmp_path_factory.mktemp("elsewhere") / "x.png"
    target.write_bytes((folder / "samples/harbour_ours.png").read_bytes())
    (folder / "link.png").symlink_to(target)
    with pytest.raises(InputError, match="outside"):
        pictures.load(sample("harbour").model_copy(update={"ours": "link.png"}), folder)


def test_a_missing_file_says_which(folder):
    with pytest.raises(InputError, match="missing") as caught:
        pictures.load(sample("harbour").model_copy(update={"truth": "samples/gone.png"}), folder)
    assert "gone.png" in caught.value.where


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\nrubbish"])
def test_what_is_not_a_png_is_refused(folder, data):
    (folder / "samples/harbour_ours.png").write_bytes(data)
    with pytest.raises(InputError, match="not a readable PNG"):
        pictures.load(sample("harbour"), folder)


def test_another_picture_format_is_refused(folder):
    Image.new("RGB", (24, 24)).save(folder / "samples/harbour_ours.png", "JPEG")
    with pytest.raises(InputError, match="not a readable PNG"):
        pictures.load(sample("harbour"), folder)


def test_pictures_of_different_sizes_are_refused(folder):
    Image.new("RGB", (25, 24)).save(folder / "samples/harbour_ours.png")
    with pytest.raises(InputError, match="not of one size"):
        pictures.load(sample("harbour"), folder)


def test_a_folder_in_a_files_place_is_missing(folder):
    with pytest.raises(InputError, match="missing"):
        pictures.load(sample("harbour").model_copy(update={"ours": "samples"}), folder)
