import math
from types import SimpleNamespace

import numpy as np
import pytest

from pipersr_build.errors import InputError
from pipersr_build.mil.package import Feature, Interface
from pipersr_build.validation import parity, sequence

SIZE = (6, 8)
PICTURES = [
    (name, np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8))
    for seed, name in enumerate(("first", "second"), 1)
]


def package(dtype="fp32"):
    inputs = Feature("lr", "tensor", dtype, (1, 3, *SIZE)), Feature("old", "tensor", dtype, (1, 4, *SIZE))
    outputs = Feature("sr", "tensor", dtype, (1, 3, *SIZE)), Feature("new", "tensor", dtype, (1, 4, *SIZE))
    return SimpleNamespace(interface=Interface(inputs, outputs), path="p.mlpackage")


def blend(lr, state):
    """A network whose picture and state depend on the frame and on the state that it is given."""
    after = 0.5 * state + np.concatenate([lr, lr[:, :1]], axis=1)
    return lr + 0.1 * after[:, :3], after


def as_package(network):
    def run(inputs):
        sr, after = network(inputs["lr"], inputs["old"])
        return {"sr": sr, "new": after}

    return run


def compared(run, dtype="fp32", reference=blend):
    shown = sequence.frames(package(dtype), PICTURES)
    return sequence.compare(package(dtype), run, "runner", reference, shown, "reference")


def test_a_scene_that_moves_then_a_cut_to_another():
    shown = sequence.frames(package(), PICTURES)
    assert [(frame.name, frame.begins, frame.ends) for frame in shown] == [
        ("frame 1: random", True, False),
        ("frame 2: first", False, False),
        ("frame 3: first, moved", False, True),
        ("frame 4, cut: second", True, False),
        ("frame 5: second, moved", False, True),
    ]
    still, moved = shown[1].rgb, shown[2].rgb
    assert still.shape == (*SIZE, 3)
    np.testing.assert_array_equal(moved[3:, 3:], still[:-3, :-3])


def test_without_pictures_the_noise_moves():
    assert [frame.name for frame in sequence.frames(package(), [])] == [
        "frame 1: random",
        "frame 2: random, moved",
    ]


def test_what_is_the_same_is_identical_frame_by_frame_and_in_its_state():
    records = compared(as_package(blend))
    assert [record.psnr_db for record in records] == [None] * 7
    states = [record.input for record in records if record.input.endswith("the state after it")]
    assert states == [f"{name}: the state after it" for name in ("frame 3: first, moved",
                                                                 "frame 5: second, moved")]  # fmt: skip


def test_each_side_goes_on_with_its_own_state_and_forgets_at_a_cut():
    given = {"package": [], "reference": []}

    def watched(side, network):
        def run(lr, state):
            given[side].append(state)
            return network(lr, state)

        return run

    def wrong(lr, state):
        sr, after = blend(lr, state)
        return sr, after + 0.25

    compared(as_package(watched("package", wrong)), reference=watched("reference", blend))
    differences = [np.unique(p - r) for p, r in zip(given["package"], given["reference"], strict=True)]
    expected = [0, 0.25, 0.375, 0, 0.25]
    assert all(np.allclose(d, e, atol=1e-6) for d, e in zip(differences, expected, strict=True))
    assert [not state.any() for state in given["package"]] == [True, False, False, True, False]


def verdict(run):
    return parity.gate("video", "p", compared(run), "c").verdict


def test_a_package_that_ignores_its_state_fails():
    assert verdict(as_package(blend)) == "pass"
    assert verdict(as_package(lambda lr, state: blend(lr, 0 * state))) == "fail"


def test_a_state_that_is_wrong_where_no_picture_shows_it_fails():
    def wrong(lr, state):
        sr, after = blend(lr, state)
        after[:, 3] += 0.01 * after.max()
        return sr, after

    assert verdict(as_package(wrong)) == "fail"


def test_a_large_state_is_judged_by_its_own_size():
    def large(lr, state):
        sr, after = blend(lr, state / 1000)
        return sr, 1000 * after

    def noisy(lr, state):
        sr, after = large(lr, state)
        return sr, after + 0.5

    records = compared(as_package(noisy), reference=large)
    assert records[3].max_abs < 1e-3
    assert parity.gate("video", "p", records, "c").verdict == "pass"


def test_both_sides_see_the_frame_in_the_packages_type():
    seen = []

    def run(inputs):
        seen.append((inputs["lr"], inputs["old"].dtype))
        return as_package(blend)(inputs)

    def reference(lr, state):
        assert lr.dtype == state.dtype == np.float32
        np.testing.assert_array_equal(lr, seen[-1][0].astype(np.float32))
        return blend(lr, state)

    records = compared(run, "fp16", reference)
    assert {(frame.dtype, state) for frame, state in seen} == {(np.dtype(np.float16), np.dtype(np.float16))}
    assert all(record.psnr_db > 55 for record in records)


def test_a_state_that_is_not_finite_fails():
    def burst(lr, state):
        sr, after = blend(lr, state)
        after[0, 3, 0, 0] = math.nan
        return sr, after

    assert verdict(as_package(burst)) == "fail"


def test_other_shapes_are_refused():
    with pytest.raises(InputError, match="the package gives"):
        compared(as_package(lambda lr, state: (lr[..., :-1], state)))


def test_a_package_without_a_state_is_refused():
    plain = package()
    plain.interface = Interface(plain.interface.inputs[:1], plain.interface.outputs[:1])
    with pytest.raises(InputError, match="no state"):
        sequence.compare(plain, as_package(blend), "r", blend, [], "t")
