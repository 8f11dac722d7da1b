"""FLOP and bytes of single operations, against numbers worked out by hand."""

import pytest
from placement_programs import const, conv, function, one, operation, subject, tensor, weight

from pipersr_build.mil.graph import Function
from pipersr_build.placement.work import Work, work

PIXELS = 32 * 32


def done(program: Function) -> Work:
    return work(subject(program))


@pytest.mark.parametrize(
    ("program", "flop"),
    [
        (conv(), 2 * 64 * 64 * 9 * PIXELS),
        (conv(groups=64), 2 * 64 * 9 * PIXELS),
        (conv(dilations=[2, 2]), 2 * 64 * 64 * 9 * PIXELS),
        (
            one("conv_transpose", tensor(1, 32, 64, 64), weight=weight(64, 32, 2, 2)),
            2 * 64 * 32 * 4 * PIXELS,
        ),
        (one("linear", tensor(1, 10), tensor(1, 20), weight=weight(10, 20)), 2 * 10 * 20),
        (one("matmul", tensor(1, 4, 6), tensor(1, 4, 5), y=tensor(1, 5, 6)), 2 * 4 * 5 * 6),
        (
            one("matmul", tensor(1, 4, 6), tensor(1, 5, 4), y=tensor(1, 5, 6), transpose_x=const(True)),
            2 * 4 * 5 * 6,
        ),
        (one("pixel_shuffle", tensor(1, 16, 64, 64)), 0),
        (one("reduce_mean", tensor(1, 64, 1, 1)), 64 * PIXELS),
        (one("avg_pool", tensor(1, 64, 16, 16), kernel_sizes=const([2, 2])), 4 * 64 * 256),
        (one("relu"), 64 * PIXELS),
        (one("silu"), 4 * 64 * PIXELS),
    ],
)
def test_flop(program: Function, flop: float) -> None:
    assert done(program).flop == flop


def test_bytes_are_read_written_and_constant() -> None:
    found = done(conv())
    activation = 2 * 64 * PIXELS
    assert (found.read, found.written) == (activation, activation)
    assert found.constant == 2 * 64 * 64 * 9 + 4  # and the groups
    assert found.intensity == found.flop / found.bytes


def test_compressed_weights_count_as_they_are_stored() -> None:
    lut = operation(
        "constexpr_lut_to_dense",
        tensor(64, 64, 3, 3),
        "w",
        indices=weight(64, 64, 3, 3, dtype="uint4"),
        lut=weight(1, 1, 1, 1, 16, 1),
    )
    conv_ = operation("conv", name="y", x="x", weight="w")
    program = function([lut, conv_], x=tensor(1, 64, 32, 32))
    found = done(program)
    assert found.constant == 64 * 64 * 9 / 2 + 16 * 2
    assert found.flop == 2 * 64 * 64 * 9 * PIXELS


def test_an_unknown_extent_counts_as_one() -> None:
    assert done(one("relu", tensor(1, None, 32), tensor(1, None, 32))).flop == 32
