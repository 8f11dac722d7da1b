"""The semantics `ane` against what is published of the engine, case by case, and against whole numbers."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from mil_programs import const, one, op, package, tensor

from pipersr_build.errors import InputError
from pipersr_build.mil.ane import fixed_point, tables
from pipersr_build.mil.ane.engine import Engine
from pipersr_build.mil.ane.margins import Margins
from pipersr_build.mil.ane.rounding import to_fp16
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.ops import convolution
from pipersr_build.mil.package import Feature

LSB = 2.0**-16
FINITE16 = st.floats(width=16, allow_nan=False, allow_infinity=False)


def total(inputs, weights, bias=None):
    """The engine's sum of products as it leaves it, in fp16."""
    rows = torch.tensor(inputs, dtype=torch.float32)[:, None]
    start = None if bias is None else torch.tensor([bias])
    return float(to_fp16(fixed_point.sums(rows, torch.tensor([weights], dtype=torch.float32), start)))


@pytest.mark.parametrize(
    ("inputs", "result"),
    [
        ([32752], 32752),
        ([32768], math.inf),
        ([16384, 16376], 32768),
        ([16384, 16384], math.inf),
        ([-16384, -16384], -math.inf),
        ([16384, LSB, -16384], LSB),
        ([16384, LSB / 4, -16384], 0),
        ([LSB / 2], LSB),
        ([-LSB / 2], -LSB),
        ([LSB / 4], 0),
        ([2048, 1], 2050),
        ([2048, 1, -2048], 1),
        ([-4096, -2], -4100),
        ([1, 2.0**-11], 1 + 2.0**-10),
        ([math.nan], math.inf),
        ([math.inf, -16384], math.inf),
    ],
)
def test_sums_are_what_was_measured(inputs, result):
    assert total(inputs, [1.0] * len(inputs)) == result


@pytest.mark.parametrize(
    ("bias", "inputs", "result"),
    [
        (-16384, [16384, 16384], 16384),
        (-16384, [16384] * 3, math.inf),
        (32, [32736], math.inf),
        (2.0**-20, [0], 0),
        (LSB / 2, [0], LSB),
        (LSB / 2, [LSB / 2], 2 * LSB),
        (1000.5, [0.25], 1001),
    ],
)
def test_the_bias_is_in_the_sum_from_the_start(bias, inputs, result):
    assert total(inputs, [1.0] * len(inputs), bias) == result


@pytest.mark.parametrize(
    ("weight", "x", "steps"),
    [
        (1.875 * 2**-3, 1.875 * 2**-14, 0),
        (1.99 * 2**-3, 1.99 * 2**-14, 0),
        (1.5 * 2**-4, 1.9 * 2**-13, 0),
        (1.9375 * 2**-5, 1.9375 * 2**-12, 0),
        (0.2, 0.99 * 2**-14, 0),
        (0.125, 1.5 * 2**-13, 2),
        (0.25, 0.5 * 2**-14, 1),
        (2.0**-4, 65504, 4094 * 65536),
    ],
)
def test_small_products_are_dropped_by_their_exponents(weight, x, steps):
    halves = np.float16(weight), np.float16(x)
    assert total([float(halves[1])], [float(halves[0])]) == steps * LSB
    assert total([-float(halves[1])], [float(halves[0])]) == -steps * LSB


def by_whole_numbers(inputs, weights):
    """The sum of one row in steps of 2⁻¹⁶, by exact arithmetic."""
    steps = 0
    for x, w in zip(inputs, weights, strict=True):
        exponents = sum(max(-14, math.frexp(n)[1] - 1) if n else -14 for n in (x, w))
        product = abs(Fraction(x) * Fraction(w) * 65536)
        if exponents >= -16:
            steps += math.floor(product + Fraction(1, 2)) * (1 if x * w > 0 else -1)
    return steps


SMALL16 = st.floats(-4, 4, width=16)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(SMALL16, SMALL16), min_size=1, max_size=12))
def test_both_ways_to_add_are_exact(pairs):
    inputs, weights = ([float(n) for n in column] for column in zip(*pairs, strict=True))
    rows, kernel, start = torch.tensor(inputs)[:, None], torch.tensor([weights]), torch.zeros(1).double()
    expected = by_whole_numbers(inputs, weights) * LSB
    assert fixed_point._wide(rows, kernel, start).item() == expected
    if fixed_point._small(rows, kernel, start):
        fast = fixed_point._fast(rows, kernel, start, fixed_point._by_exponent(kernel))
        assert fast.item() == expected


def test_halves_of_steps_go_away_from_zero_in_the_fast_way():
    inputs, weights = [0.5, -0.5, 1.5, -2.5], [2.0**-16] * 4
    for x, w in zip(inputs, weights, strict=True):
        rows, kernel, start = torch.tensor([[x]]), torch.tensor([[w]]), torch.zeros(1).double()
        fast = fixed_point._fast(rows, kernel, start, fixed_point._by_exponent(kernel)).item()
        assert fast == by_whole_numbers([x], [w]) * LSB


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(5, 11), st.integers(5, 11)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
    pad_type=st.sampled_from(["valid", "same", "same_lower"]),
    piece=st.sampled_from([1, 200, 1 << 23]),
)
def test_the_geometry_is_that_of_the_convolution(size, kernel, stride, dilation, groups, pad_type, piece):
    random = torch.Generator().manual_seed(1)
    x = torch.randint(-8, 9, (2, 4, *size), generator=random) / 4.0
    weight = torch.randint(-8, 9, (6, 4 // groups, *kernel), generator=random) / 4.0
    how = {"strides": [stride] * 2, "dilations": [dilation] * 2, "groups": groups, "pad_type": pad_type}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixed_point, "_PIECE", piece)
        found = fixed_point.conv(x, weight, torch.arange(6.0), **how)
    assert torch.equal(found, convolution.conv(x, weight, torch.arange(6.0), **how))


@pytest.mark.parametrize(
    ("name", "exact", "largest"),
    [
        ("sigmoid", torch.sigmoid, 3.355e-3),
        ("tanh", torch.tanh, 1.613e-3),
        ("gelu", F.gelu, 6.159e-3),
        ("silu", F.silu, 1.491e-2),
        ("erf", torch.erf, 8.642e-4),
    ],
)
def test_the_largest_errors_of_tables_are_those_that_were_measured(name, exact, largest):
    grid = torch.arange(-(2**15), 2**15 - 1).short().view(torch.half).float()
    grid = grid[grid.abs() <= 8]
    error = (to_fp16(getattr(tables, name)(grid)).double() - exact(grid.double())).abs().max()
    assert float(error) == pytest.approx(largest, rel=0.02)


@pytest.mark.parametrize(
    ("name", "exact", "places"),
    [
        ("gelu", F.gelu, [-3.4434, -3.3125, -3.207, -3.0664, -2.9512, -2.8086, -2.7031, -2.5586, -2.4531,
                          -2.3008, -2.2031, -2.0566, -1.9443, -1.7988]),
        ("silu", F.silu, [-7.1055, -6.8711, -6.6133, -6.4141, -6.1289, -5.8945, -5.6133, -5.4102, -5.1172,
                          -4.9062, -4.5977, -4.4141, -4.125, -3.8867]),
    ],
)  # fmt: skip
def test_the_errors_of_fitted_tables_vanish_where_they_were_seen_to(name, exact, places):
    x = torch.linspace(places[0] - 0.05, places[-1] + 0.05, 20001)
    sign = (tables.table(name)(x).double() - exact(x.double())).sign()
    changes = x[1:][sign.diff() != 0].tolist()
    step = (tables.table(name).high - tables.table(name).low) / (tables.POINTS - 1)
    assert changes == pytest.approx(places, abs=step / 16)


def test_tables_hold_what_was_read_and_follow_their_limits():
    assert float(tables.table("silu").values[17]) == pytest.approx(0.296, abs=5e-4)
    assert float(tables.table("gelu").values[17]) == pytest.approx(0.1436, abs=5e-5)
    assert {len(tables.table(name).values) for name in tables._MAKERS} == {tables.POINTS}
    far = torch.tensor([-60000.0, -20.0, 20.0, 60000.0, math.inf])
    torch.testing.assert_close(tables.silu(far)[:4], F.silu(far)[:4], atol=4e-3, rtol=0)
    assert tables.silu(far)[4] > 65504
    assert tables.tanh(far).tolist() == [-1, -1, 1, 1, 1]
    x = torch.linspace(-5, 5, 101)
    assert torch.equal(tables.tanh(-x), -tables.tanh(x))
    assert torch.equal(tables.gelu(x, "TANH_APPROXIMATION"), tables.gelu(x))
    power = torch.tensor([-math.inf, -20.0, 0.0, 1.0, 10.0])
    torch.testing.assert_close(tables.exp(power), torch.exp(power), rtol=2e-3, atol=0)


@settings(max_examples=300, deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.booleans())
def test_rounding_is_to_the_nearest_and_halves_go_away_from_zero(value, to_a_half):
    half = np.float16(np.clip(value, -60000, 60000))
    if to_a_half:  # exactly between two neighbours
        value = (float(half) + float(np.nextafter(half, np.float16(np.inf)))) / 2
    found = float(to_fp16(torch.tensor([value])))
    if abs(value) >= 65520:
        assert found == math.copysign(math.inf, value)
        return
    error = abs(found - value)
    assert error <= abs(float(np.float16(value)) - value)
    if to_a_half:
        assert abs(found) > abs(value)
    assert np.float16(found) == found


# in the interpreter

HALF = tensor("fp16", 4)


def run(made, x, **how):
    (result,) = Interpreter(made, semantics="ane", **how).run({"x": np.array(x, np.float16)}).values()
    return result.tolist()


def test_elementwise_operations_round_so_too_and_reach_further():
    x = [2048, 65504, 40000, math.nan]
    assert run(one("add", HALF, HALF, y=const([1.0, 0.0, 1.0, 1.0])), x) == [2050, 65504, 40000, math.inf]
    assert run(one("mul", HALF, HALF, y=const(256.0)), [256, 1, 2, 3])[0] == math.inf


def test_the_parts_of_the_engine_can_be_left_out():
    x = [-1.25, 0.25, 1.0, 3.0]
    made = one("silu", HALF, HALF)
    exact = F.silu(torch.tensor(x)).half().tolist()
    assert run(made, x) == to_fp16(tables.silu(torch.tensor(x))).tolist() != exact
    assert run(made, x, engine=Engine(tables={})) == exact
    wide = tensor("fp16", 1, 2)
    made = one("linear", wide, tensor("fp16", 1, 1), weight=const([[1.0, 1.0]]))
    assert run(made, [[20000, 20000]]) == [[math.inf]]
    assert run(made, [[20000, 20000]], engine=Engine(sums={})) == [[40000]]
    made = one("matmul", wide, tensor("fp16", 1, 1), y=const([[1.0], [1.0]]))
    assert run(made, [[20000, 20000]]) == [[math.inf]]


def test_a_preview_cannot_simulate_the_engine():
    with pytest.raises(InputError, match="'bf16' cannot simulate"):
        Interpreter(one("relu", HALF, HALF), semantics="ane", compute="bf16")


def test_margins_bound_every_order_of_a_sum():
    kind = tensor("fp16", 1, 5, 1, 1)
    weight = const(np.array([1, 1, -1, -1, 1], np.float16).reshape(1, 5, 1, 1))
    operations = [
        op("conv", "c", tensor("fp16", 1, 1, 1, 1), x="x", weight=weight, bias=const([0.5])),
        op("silu", "y", tensor("fp16", 1, 1, 1, 1), x="c"),
    ]
    taken, given_ = (
        Feature("x", "tensor", "fp16", kind.shape),
        Feature("y", "tensor", "fp16", (1, 1, 1, 1)),
    )
    margins = Margins(Interpreter(package(operations, [(taken, kind)], [given_])))
    x = np.array([16384, 16384, 16384, 16384, 0.5], np.float16).reshape(1, 5, 1, 1)
    margins.run({"x": x})
    conv, silu = margins.layers.values()
    assert (conv.largest, conv.partial) == (1.0, 65537.0)
    assert conv.margin < 0.5  # in some order it may end, although the whole sum is 1
    assert (silu.low, silu.high, silu.count) == (1.0, 1.0, 1)
    expected = abs(float(tables.silu(torch.ones(1))) - float(F.silu(torch.ones(1))))
    assert silu.worst == silu.rms == pytest.approx(expected)
    margins.run({"x": -x})
    assert (conv.largest, silu.low, silu.count) == (1.0, 0.0, 2)
