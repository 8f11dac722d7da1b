import math

import numpy as np
import pytest
import torch

from pipersr_build.errors import InputError
from pipersr_build.inspection.histogram import FIRST, LAST, MOST, activations, count
from pipersr_build.inspection.inspect import inspect
from pipersr_build.mil.package import open_package

PICTURES = [("noise", np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))]


def test_values_are_counted_by_the_power_of_two_below_them():
    zeros, *found = count(torch.tensor([0.0, -0.0, 1.0, -1.5, 2.0, 0.75, 65504.0, 2.0**-14]))
    assert zeros == 2
    assert {FIRST + i: n for i, n in enumerate(found) if n} == {0: 2, 1: 1, -1: 1, 15: 1, -14: 1}


def test_what_lies_beyond_is_counted_at_the_ends():
    zeros, *found = count(torch.tensor([2.0**-40, 2.0**40, float("inf"), float("-inf"), float("nan")]))
    assert (zeros, found[0], found[-1], sum(found)) == (0, 1, 4, 5)
    assert len(found) == LAST - FIRST + 1


def test_of_very_many_values_every_so_manieth_is_counted():
    value = torch.arange(1, 2 * MOST + 2)  # a third of them, and of each power of two
    zeros, *found = count(value)
    assert zeros == 0
    assert sum(found) == math.ceil(len(value) / 3)
    assert found[-FIRST + 12] == pytest.approx(2**12 / 3, abs=1)


def test_every_value_of_every_operation_is_counted(tiny):
    package = open_package(tiny.image)
    found = activations(package, PICTURES)
    types = package.main.types()
    assert (found.subject, found.size, found.pictures) == (tiny.image.name, "24x24", ["noise"])
    assert len(found.operations) == sum(
        not types[op.name].dtype.startswith("int") for op in package.main.walk()
    )
    for op in found.operations:
        assert sum(op.counts) + op.zeros == types[op.name].count
        exponent = FIRST + max(i for i, n in enumerate(op.counts) if n)
        assert 2.0**exponent <= op.largest < 2.0 ** (exponent + 1)


def test_it_agrees_with_inspect(tiny):
    package = open_package(tiny.video)
    known = {op.name: op for op in inspect(package, PICTURES).functions[0].operations}
    for op in activations(package, PICTURES).operations:
        assert op.largest == known[op.name].largest
        assert op.sums == known[op.name].sum_on_pictures


def test_two_pictures_count_twice(tiny):
    package = open_package(tiny.video)
    once, twice = (activations(package, PICTURES * n) for n in (1, 2))
    for one, two in zip(once.operations, twice.operations, strict=True):
        assert two.counts == [2 * n for n in one.counts]
        assert two.largest == one.largest


def test_a_package_that_takes_no_picture_is_refused(tiny, monkeypatch):
    def refuse(_):
        raise InputError("it takes no picture")

    monkeypatch.setattr("pipersr_build.inspection.pictures.input_size", refuse)
    with pytest.raises(InputError, match="takes no picture"):
        activations(open_package(tiny.video), PICTURES)
