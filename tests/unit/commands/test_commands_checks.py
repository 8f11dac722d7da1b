from dataclasses import replace

import numpy as np
import pytest

from pipersr_build.commands import checks
from pipersr_build.errors import InputError
from pipersr_build.mil.package import open_package

PICTURE = np.random.default_rng(1).integers(0, 256, (20, 26, 3), dtype=np.uint8)


def parity_of(package, network):
    return checks.check_parity(package, network, [("picture", PICTURE)], "exports/x")


def test_a_package_with_a_state_agrees_with_its_network_over_a_sequence(remembering):
    records, gates = parity_of(open_package(remembering.video), remembering.network)
    assert [record.input for record in records] == [
        "frame 1: random",
        "frame 2: picture",
        "frame 3: picture, moved",
        "frame 3: picture, moved: the state after it",
    ]
    assert {record.reference for record in records} == {f"{checks.REFERENCE}, with a state of its own"}
    assert gates[0].verdict == "pass"
    assert gates[0].value == min(record.psnr_db for record in records)


def test_a_network_whose_first_features_differ_fails(remembering):
    head = remembering.network.head
    head.weight.data.mul_(1.05)
    try:
        _, gates = parity_of(open_package(remembering.video), remembering.network)
    finally:
        head.weight.data.div_(1.05)
    assert gates[0].verdict == "fail"


def test_a_package_that_is_given_another_state_than_it_returned_fails(remembering, monkeypatch):
    package = open_package(remembering.video)

    def forgetful(opened):
        run, label = interpreter(opened)
        return lambda inputs: run({**inputs, "previous": 0 * inputs["previous"]}), label

    interpreter = checks.runners.interpreter
    monkeypatch.setattr(checks.runners, "interpreter", forgetful)
    assert parity_of(package, remembering.network)[1][0].verdict == "fail"


def test_a_network_without_a_state_is_refused_by_name(remembering, tiny):
    with pytest.raises(InputError, match=r"PiperSR 2x, .* remembers the frame before"):
        parity_of(open_package(remembering.video), tiny.network)


def test_two_inputs_that_are_no_frame_and_state_are_refused(remembering):
    package = open_package(remembering.video)
    interface = package.interface
    strange = replace(interface, outputs=interface.outputs[:1])
    with pytest.raises(InputError, match="other than one picture"):
        parity_of(replace(package, interfaces={package.default: strange}), remembering.network)


def test_frames_alone_are_compared_as_before(tiny):
    records, gates = parity_of(open_package(tiny.video), tiny.network)
    assert [record.input for record in records] == ["random", "picture"]
    assert gates[0].verdict == "pass"
