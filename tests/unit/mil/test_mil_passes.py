"""Runs that overwrite and round late, against runs that allocate every value and round it at once."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mil_programs import const, op, package, tensor

from pipersr_build.errors import InputError
from pipersr_build.mil import passes, values
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.ops import TABLE, writing
from pipersr_build.mil.package import Feature

# As many elements as are no whole vectors. Kernels of 5, because PyTorch takes oneDNN for small convolutions
# on one thread only if the kernel is large.
SHAPE = 1, 13, 5, 7
RANDOM = np.random.default_rng(0)
WEIGHT = const((RANDOM.standard_normal((13, 13, 5, 5)) / 16).astype(np.float16))
BIAS = const(RANDOM.standard_normal(13).astype(np.float16))
UNARY = {"silu": {}, "relu": {}, "sigmoid": {}, "tanh": {}, "leaky_relu": {"alpha": 0.1},
         "clip": {"beta": 0.5, "alpha": -0.5}, "identity": {}, "abs": {}}  # fmt: skip
BINARY = "add", "mul", "sub", "maximum", "minimum", "real_div"


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch):
    monkeypatch.setattr(passes, "SMALL", 0)
    monkeypatch.setattr(values, "PIECE", 64)
    monkeypatch.setattr(passes, "PIECE", 64)


def made(lines, dtype="fp16", kept=()):
    """A program of (type, inputs) lines, each a number of an earlier value; 0 is the input."""
    kind = tensor(dtype, *SHAPE)
    names = ["x", *(f"v{i}" for i in range(1, len(lines) + 1))]
    operations = []
    for name, (type_, inputs) in zip(names[1:], lines, strict=True):
        bound = dict(zip("xy", (names[i] for i in inputs), strict=False))
        more = UNARY.get(type_, {})
        if type_ == "conv":
            more = {"weight": WEIGHT, "bias": BIAS, "pad_type": "same"}
        operations.append(op(type_, name, kind, **bound, **more))
    results = [names[-1], *kept]
    features = [Feature(name, "tensor", dtype, SHAPE) for name in results]
    return package(operations, [(Feature("x", "tensor", dtype, SHAPE), kind)], features)


@st.composite
def programs(draw):
    lines = []
    for number in range(1, draw(st.integers(2, 12)) + 1):
        type_ = draw(st.sampled_from(["conv", "conv", *UNARY, *BINARY, "add", "add"]))
        recent = st.integers(max(0, number - 3), number - 1)
        lines.append((type_, [draw(recent) for _ in range(2 if type_ in BINARY else 1)]))
    kept = draw(st.sets(st.integers(1, len(lines)))) - {len(lines)}
    return lines, [f"v{number}" for number in sorted(kept)]


def picture(dtype=np.float16):
    return np.random.default_rng(1).standard_normal(SHAPE).astype(dtype)


def same(package_, x, **options):
    interpreter = Interpreter(package_, **options)
    plain = interpreter.run({"x": x}, lambda *_: None)
    for _ in range(2):  # the second run finds the first one's memory
        fast = interpreter.run({"x": x})
        for name in plain:
            np.testing.assert_array_equal(fast[name], plain[name])
    return interpreter


@settings(max_examples=60, deadline=None)
@given(programs(), st.sampled_from(["fp16", "fp32"]))
def test_every_program_gives_the_same_bits(program, semantics):
    lines, kept = program
    with np.errstate(all="ignore"):
        same(made(lines, kept=kept), picture(), semantics=semantics)


def test_a_residual_network_is_rounded_where_the_program_says():
    lines = [("conv", [0]), ("conv", [1]), ("silu", [2]), ("conv", [3]), ("add", [4, 1]), ("conv", [5])]
    interpreter = same(made(lines, kept=["v5"]), picture())
    seen = []
    interpreter.run({"x": picture()}, lambda _, value: seen.append(value.clone()))
    assert len(seen) == 6
    assert all(torch.equal(value, value.half().float()) for value in seen)


def test_a_value_that_is_used_again_is_not_overwritten():
    result = Interpreter(made([("conv", [0]), ("silu", [1]), ("sub", [1, 2])], kept=["v1"])).run(
        {"x": picture()}
    )
    silu = torch.nn.functional.silu(torch.from_numpy(result["v1"]).float()).half()
    np.testing.assert_array_equal(result["v3"], (torch.from_numpy(result["v1"]) - silu).numpy())


def test_a_view_keeps_its_memory_from_being_overwritten():
    lines = [("conv", [0]), ("identity", [1]), ("silu", [1]), ("add", [2, 3])]
    same(made(lines, kept=["v2"]), picture())
    same(made(lines, kept=["v2"]), picture(), semantics="fp32")


def image(semantics, observe=None):
    """The 8-bit result of a program that ends with a convolution of type fp16, around 128."""
    shape = 1, 13, 24, 26
    x = np.random.default_rng(2).standard_normal(shape).astype(np.float16)
    weight = const((40 * WEIGHT.immediate[:3]).astype(np.float16))
    bias = const(np.full(3, 128, np.float16))
    last = op("conv", "y", tensor("fp16", 1, 3, *shape[2:]), x="x", weight=weight, bias=bias, pad_type="same")
    given_ = Feature("x", "tensor", "fp16", shape), tensor("fp16", *shape)
    made_ = package([last], [given_], [Feature("y", "image", "uint8", (24, 26, 3), "RGB")])
    return Interpreter(made_, semantics=semantics).run({"x": x}, observe)["y"]


def test_an_image_is_made_of_rounded_values():
    result = image("fp16")
    np.testing.assert_array_equal(result, image("fp16", lambda *_: None))
    assert (result != image("fp32")).any()  # rounding to fp16 before rounding to levels tells


def test_single_precision_is_never_rounded():
    lines = [("conv", [0]), ("silu", [1]), ("add", [2, 0])]
    made_ = made(lines, dtype="fp32")
    result = same(made_, picture(np.float32)).run({"x": picture(np.float32)})["v3"]
    assert not np.array_equal(result, result.astype(np.float16).astype(np.float32))


def test_results_belong_to_the_caller():
    interpreter = Interpreter(made([("conv", [0]), ("silu", [1])]), semantics="fp32")
    first = interpreter.run({"x": picture()})["v2"]
    kept = first.copy()
    interpreter.run({"x": 2 * picture()})
    np.testing.assert_array_equal(first, kept)


def test_a_failure_leaves_the_next_run_alone():
    interpreter = Interpreter(made([("conv", [0]), ("silu", [1]), ("add", [2, 0])]))
    good = interpreter.run({"x": picture()})["v3"]
    step = interpreter._joined[1]
    broken = {name: (("nowhere",), form) for name, (_, form) in step.computed.items()}
    bound = dict(step.computed)
    step.computed.update(broken)
    with pytest.raises(InputError, match="silu"):
        interpreter.run({"x": picture()})
    step.computed.update(bound)
    np.testing.assert_array_equal(interpreter.run({"x": picture()})["v3"], good)


@pytest.mark.parametrize("type_", [name for name in writing.TABLE if name != "conv"])
def test_every_fp16_value_gives_the_rounded_result_of_float32(type_):
    """What computing in pieces of fp16 rests on: PyTorch computes them in float32 and rounds once."""
    half = torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.half)
    arguments = {"x": half}
    if type_ in BINARY:
        order = torch.randperm(len(half), generator=torch.Generator().manual_seed(1))
        arguments["y"] = half[order]
    numbers = {"clip": {"alpha": -0.5, "beta": 6.0}, "leaky_relu": {"alpha": 0.0999755859375}}.get(type_, {})
    given_ = {name: value.float() for name, value in arguments.items()}
    expected = TABLE[type_](**given_, **numbers).half()
    out = torch.empty_like(half)
    writing.TABLE[type_].write(**arguments, **numbers, out=out)
    assert torch.equal(torch.nan_to_num(out, nan=1.5), torch.nan_to_num(expected, nan=1.5))
