"""Pictures in and out of packages that coremltools makes: channel order, values, clamping."""

import numpy as np
import pytest
import torch
from mil_packages import convert
from torch import nn

from pipersr_build import quiet
from pipersr_build.mil.interpreter import Interpreter

ct = quiet.coremltools()

BARS = np.zeros((4, 8, 3), np.uint8)
BARS[:, 0:2], BARS[:, 2:4], BARS[:, 4:6], BARS[:, 6:8] = (255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 100, 50)


class Weighted(nn.Module):
    """Multiplies the first channel that the program sees by 1, the second by 2, the third by ½."""

    def forward(self, x):
        return x * torch.tensor([1.0, 2.0, 0.5]).reshape(1, 3, 1, 1)


class Same(nn.Module):
    def forward(self, x):
        return x * 1.5 - 20


def image_package(module, folder, layout, out=None, precision="fp32", channels=3, **more):
    layout_in, layout_out = (getattr(ct.colorlayout, name) for name in (layout, out or layout))
    return convert(
        module, torch.zeros(1, channels, 4, 8), folder=folder, precision=precision,
        inputs=[ct.ImageType("picture", (1, channels, 4, 8), color_layout=layout_in, **more)],
        outputs=[ct.ImageType("result", color_layout=layout_out)],
    )  # fmt: skip


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
@pytest.mark.parametrize(
    ("layout", "out", "factors"),
    [("RGB", "RGB", [1, 2, 0.5]), ("BGR", "BGR", [0.5, 2, 1]), ("BGR", "RGB", [0.5, 2, 1])],
)
def test_colour_bars(layout, out, factors, precision, tmp_path):
    package = image_package(Weighted(), tmp_path, layout, out, precision)
    result = Interpreter(package).run({"picture": BARS})["result"]
    expected = np.round(np.clip(BARS * np.array(factors), 0, 255))
    if layout != out:  # the program does not reorder the channels: what went in as blue comes out as red
        expected = expected[..., ::-1]
    np.testing.assert_array_equal(result, expected.astype(np.uint8))
    assert result.dtype == np.uint8


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_scale_and_bias_of_the_description_are_part_of_the_program(precision, tmp_path):
    package = image_package(Same(), tmp_path, "RGB", precision=precision, scale=2.0, bias=[1.0, 2.0, 3.0])
    result = Interpreter(package).run({"picture": BARS // 4})["result"]
    expected = np.clip(((BARS // 4) * 2.0 + np.array([1, 2, 3])) * 1.5 - 20, 0, 255)
    np.testing.assert_array_equal(result, np.round(expected).astype(np.uint8))


def test_gray_images(tmp_path):
    package = image_package(Same(), tmp_path, "GRAYSCALE", channels=1)
    gray = BARS[..., 0]
    result = Interpreter(package).run({"picture": gray})["result"]
    np.testing.assert_array_equal(result, np.clip(gray * 1.5 - 20, 0, 255).round().astype(np.uint8))


def test_half_precision_gray_images(tmp_path):
    package = image_package(Same(), tmp_path, "GRAYSCALE_FLOAT16", channels=1, precision="fp16")
    gray = (BARS[..., 0] / 255).astype(np.float16)
    result = Interpreter(package).run({"picture": gray})["result"]
    assert result.dtype == np.float16
    np.testing.assert_array_equal(result, (gray * np.float16(1.5)).astype(np.float16) - np.float16(20))
