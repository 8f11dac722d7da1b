"""Which sums are joined to the convolution before them."""

import numpy as np
from mil_programs import const, op, package, tensor

from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import Feature

KIND = tensor("fp16", 1, 2, 4, 4)
WEIGHT = const(np.full((2, 2, 3, 3), 0.1, np.float16))


def network(*operations):
    features = [Feature(name, "tensor", "fp16", KIND.shape) for name in ("x", operations[-1].outputs[0].name)]
    return package(list(operations), [(features[0], KIND)], [features[1]])


def conv(name, x):
    return op("conv", name, KIND, x=x, weight=WEIGHT, pad_type="same")


def kinds(made, **options):
    return [step.operation.type for step in Interpreter(made, **options)._joined]


SUM = network(conv("a", "x"), op("add", "y", KIND, x="x", y="a"))


def test_a_sum_joins_the_convolution_whose_result_only_it_takes():
    assert kinds(SUM, semantics="fp32") == ["add"]
    assert kinds(SUM, compute="bf16") == ["add"]


def test_a_result_that_is_rounded_first_is_not_joined():
    assert kinds(SUM, semantics="fp16") == ["conv", "add"]


def test_a_result_that_is_needed_elsewhere_is_not_joined():
    twice = network(conv("a", "x"), op("add", "y", KIND, x="a", y="a"))
    later = network(conv("a", "x"), op("add", "b", KIND, x="x", y="a"), op("mul", "y", KIND, x="a", y="b"))
    assert kinds(twice, semantics="fp32") == ["conv", "add"]
    assert kinds(later, semantics="fp32") == ["conv", "add", "mul"]


def test_a_constant_term_is_not_joined():
    made = network(conv("a", "x"), op("add", "y", KIND, x="a", y=const(1.0)))
    assert kinds(made, semantics="fp32") == ["conv", "add"]


def test_every_way_computes_the_sum_small_values_included():
    x = np.random.default_rng(0).random(KIND.shape).astype(np.float16)
    (plain,) = Interpreter(SUM, semantics="fp32").run({"x": x}, lambda *_: None).values()
    (fused,) = Interpreter(SUM, semantics="fp32").run({"x": x}).values()
    np.testing.assert_array_equal(fused, plain)
