from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pipersr_build.mil.package import Feature, Interface
from pipersr_build.mil.recurrence import recurrence

FRAME, STATE = Feature("a", "tensor", "fp16", (1, 3, 4, 6)), Feature("b", "tensor", "fp16", (1, 9, 4, 6))
RESULT, AFTER = Feature("c", "tensor", "fp16", (1, 3, 8, 12)), Feature("d", "tensor", "fp16", (1, 9, 4, 6))


def package(inputs, outputs):
    return SimpleNamespace(interface=Interface(tuple(inputs), tuple(outputs)), path="p.mlpackage")


@pytest.mark.parametrize("inputs", [(FRAME, STATE), (STATE, FRAME)])
@pytest.mark.parametrize("outputs", [(RESULT, AFTER), (AFTER, RESULT)])
def test_frame_and_state_are_told_apart_in_any_order(inputs, outputs):
    found = recurrence(package(inputs, outputs))
    assert (found.frame, found.before, found.result, found.after) == (FRAME, STATE, RESULT, AFTER)


@pytest.mark.parametrize(("dtype", "kind"), [("fp16", np.float16), ("fp32", np.float32)])
def test_a_state_has_the_type_in_which_it_goes_in(dtype, kind):
    takes = recurrence(package((FRAME, replace(STATE, dtype=dtype)), (RESULT, AFTER)))
    assert takes.no_state().dtype == kind
    assert takes.no_state().shape == (1, 9, 4, 6)
    assert not takes.no_state().any()
    assert takes.as_input(np.ones((1, 9, 4, 6), np.float32)).dtype == kind


def test_what_fp16_cannot_hold_goes_in_as_infinity():
    takes = recurrence(package((FRAME, STATE), (RESULT, AFTER)))
    assert np.isinf(takes.as_input(np.full((1, 9, 4, 6), 1e6, np.float32))).all()


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ((FRAME,), (RESULT,)),
        ((FRAME, STATE), (RESULT,)),
        ((FRAME, FRAME), (RESULT, AFTER)),
        ((STATE, STATE), (RESULT, AFTER)),
        ((FRAME, STATE), (RESULT, replace(AFTER, shape=(1, 9, 8, 12)))),
        ((FRAME, replace(STATE, flexible=True)), (RESULT, AFTER)),
        ((FRAME, replace(STATE, shape=(1, 9, None, 6))), (RESULT, AFTER)),
        ((FRAME, replace(STATE, shape=(9, 4, 6))), (RESULT, AFTER)),
        ((FRAME, replace(STATE, dtype="int32")), (RESULT, AFTER)),
        ((replace(FRAME, kind="image"), STATE), (RESULT, AFTER)),
    ],
)
def test_other_packages_have_none(inputs, outputs):
    assert recurrence(package(inputs, outputs)) is None
