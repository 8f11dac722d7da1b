import av
import numpy as np
import pytest

from pipersr_build.errors import InputError
from pipersr_build.video.colours import FULL, LIMITED, MATRICES, Colours, Decoding, Encoding, colours_of

# Kr, Kb of ITU-T H.273, table 4
WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087),
           9: (0.2627, 0.0593)}  # fmt: skip
FORMATS = ["yuv420p10le", "yuv422p", "yuv444p", "yuva420p", "nv12", "gray", "gbrp", "rgba", "p010le"]
SHADES = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 30, 90)]


def formula(rgb, matrix, range_):
    """Y, Cb, Cr of an 8-bit colour by the standards' formulas."""
    kr, kb = WEIGHTS[matrix]
    red, green, blue = (value / 255 for value in rgb)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
    if range_ == FULL:
        return 255 * luma, *(255 * part + 128 for part in chroma)
    return 219 * luma + 16, *(224 * part + 128 for part in chroma)


def planes(frame):
    return [np.frombuffer(plane, np.uint8)[0] for plane in frame.planes]


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("range_", [LIMITED, FULL, 0])
def test_the_conversions_are_the_standards(matrix, range_):
    colours = Colours(matrix, range_, 1, 1)
    encode, decode = Encoding(colours), Decoding(colours, 16, 32)
    for shade in SHADES:
        frame = encode(np.full((16, 32, 3), shade, np.uint8))
        assert planes(frame) == pytest.approx(formula(shade, matrix, range_ or LIMITED), abs=1)
        assert (frame.colorspace, frame.color_range, frame.format.name) == (matrix, range_, "yuv420p")
        assert decode(frame) == pytest.approx(np.full((16, 32, 3), shade), abs=1)


def tagged(form="yuv420p", matrix=2, range_=0, height=48):
    frame = av.VideoFrame(64, height, form)
    frame.colorspace, frame.color_range = matrix, range_
    return frame


@pytest.mark.parametrize(
    ("frame", "matrix", "range_"),
    [
        (tagged(matrix=9, range_=2), 9, 2),
        (tagged(), 6, 0),
        (tagged(height=576), 6, 0),
        (tagged(height=578), 1, 0),
        (tagged("yuvj420p"), 6, 2),
        (tagged("rgb24", 0, 2), 6, 1),
        (tagged("gbrp", 0, 2, 1080), 1, 1),
        (tagged("pal8", 2, 2), 6, 1),
    ],
)
def test_tags_are_kept_and_an_unknown_matrix_is_settled(frame, matrix, range_):
    colours = colours_of(frame, "film.mp4")
    assert (colours.matrix, colours.range) == (matrix, range_)


@pytest.mark.parametrize("matrix", [8, 10, 14])
def test_a_matrix_that_is_not_linear_is_refused(matrix):
    with pytest.raises(InputError, match=f"matrix {matrix}") as caught:
        colours_of(tagged(matrix=matrix), "film.mp4")
    assert caught.value.where == "film.mp4"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [(33, 37), (1, 1), (48, 64)])
def test_every_pixel_format_and_odd_size_becomes_rgb(form, size):
    shade = (90, 90, 90) if form == "gray" else (200, 30, 90)
    picture = np.full((*size, 3), shade, np.uint8)
    source = av.VideoFrame.from_ndarray(picture, "rgb24")
    # with several threads FFmpeg writes over the first pixels of a part where lines end oddly
    frame = source.reformat(format=form, dst_colorspace=1, dst_color_range=1, threads=1)
    rgb = Decoding(Colours(1, 1, 1, 1), *size)(frame)
    assert (rgb.shape, rgb.dtype, rgb.flags.c_contiguous) == ((*size, 3), np.uint8, True)
    assert rgb == pytest.approx(picture, abs=3)
