"""Pictures and tensors at the border of a program written out: order, rounding, refusals."""

import numpy as np
import pytest
from mil_programs import const, op, package, tensor

from pipersr_build.errors import InputError
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import Feature

HALF = tensor("fp16", 4)


def image_program(layout, dtype="fp32"):
    """The identity on an image of 2 by 3 pixels, with what the program sees kept as a tensor."""
    channels = 1 if layout.startswith("GRAYSCALE") else 3
    seen = tensor(dtype, 1, channels, 2, 3)
    image = [Feature(name, "image", "uint8", (2, 3, channels), layout) for name in ("x", "y")]
    plain = Feature("seen", "tensor", dtype, seen.shape)
    operations = [
        op("mul", "y", seen, x="x", y=const(np.ones((), KIND[dtype]))),
        op("identity", "seen", seen, x="x"),
    ]
    return package(operations, [(image[0], seen)], [image[1], plain])


KIND = {"fp16": np.float16, "fp32": np.float32}
COLOURS = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14


@pytest.mark.parametrize("dtype", ["fp16", "fp32"])
@pytest.mark.parametrize("layout", ["RGB", "BGR"])
def test_colours_are_rgb_outside_and_as_declared_inside(layout, dtype):
    results = Interpreter(image_program(layout, dtype)).run({"x": COLOURS})
    planes = COLOURS.transpose(2, 0, 1)[None]
    np.testing.assert_array_equal(results["seen"], planes if layout == "RGB" else planes[:, ::-1])
    np.testing.assert_array_equal(results["y"], COLOURS)
    assert results["y"].dtype == np.uint8


def test_gray_images():
    gray = COLOURS[..., 0]
    results = Interpreter(image_program("GRAYSCALE")).run({"x": gray})
    np.testing.assert_array_equal(results["y"], gray)
    fine = (gray / 7).astype(np.float16)
    results = Interpreter(image_program("GRAYSCALE_FLOAT16")).run({"x": fine})
    np.testing.assert_array_equal(results["y"], fine)
    assert results["y"].dtype == np.float16


def test_image_outputs_are_clamped_and_rounded_to_nearest():
    values = np.float32([-300, -0.4, 0.5, 1.5, 254.4, 254.6, 255.4, 1e6, np.nan]).reshape(1, 1, 3, 3)
    given = tensor("fp32", *values.shape)
    taken = Feature("x", "tensor", "fp32", values.shape)
    gray = Feature("y", "image", "uint8", (3, 3, 1), "GRAYSCALE")
    made = package([op("identity", "y", given, x="x")], [(taken, given)], [gray])
    result = Interpreter(made).run({"x": values})["y"]
    assert result.tolist() == [[0, 0, 0], [2, 254, 255], [255, 255, 0]]


@pytest.mark.parametrize(
    ("layout", "given"),
    [("RGB", COLOURS.astype(np.float32)), ("RGB", COLOURS[..., :1]), ("RGB", COLOURS[:1]),
     ("GRAYSCALE", COLOURS), ("GRAYSCALE_FLOAT16", COLOURS[..., 0])],
)  # fmt: skip
def test_wrong_images_are_refused(layout, given):
    with pytest.raises(InputError, match="image input 'x' must be an array of"):
        Interpreter(image_program(layout)).run({"x": given})


def test_an_image_must_be_an_image_in_the_program_too():
    flat = Feature("x", "image", "uint8", (2, 2, 1), "GRAYSCALE")
    with pytest.raises(InputError, match="not B, C, H, W"):
        Interpreter(
            package([op("relu", "y", HALF, x="x")], [(flat, HALF)], [Feature("y", "tensor", "fp16", (4,))])
        )


def test_a_flexible_image_takes_any_size():
    seen = tensor("fp32", 1, 3, None, None)
    image = [Feature(name, "image", "uint8", (2, 3, 3), "RGB", flexible=True) for name in ("x", "y")]
    made = Interpreter(package([op("identity", "y", seen, x="x")], [(image[0], seen)], [image[1]]))
    wide = np.zeros((5, 7, 3), np.uint8)
    assert made.run({"x": wide})["y"].shape == (5, 7, 3)
