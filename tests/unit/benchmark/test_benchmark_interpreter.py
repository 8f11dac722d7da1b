import numpy as np
import pytest
import torch

from pipersr_build import machine
from pipersr_build.benchmark import interpreter
from pipersr_build.errors import MachineError
from pipersr_build.export import formats


def test_the_figures_are_ratios_to_onnxruntime_of_the_same_network(monkeypatch):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.setattr(interpreter, "SIZE", (16, 24))
    monkeypatch.setattr(interpreter, "ROUNDS", 2)
    figures = interpreter.measure()
    assert [figure.limit for figure in figures][:2] == [1.2, 1.6]
    assert len(figures) == 2 + machine.bf16_cpu()
    assert all(figure.value > 0 and "onnxruntime " in figure.detail for figure in figures)
    assert "dB" not in figures[0].detail
    assert "dB from the float32 result" in figures[1].detail


def test_another_network_is_not_compared():
    frame = np.zeros((1, 3, 4, 4), np.float32)
    with pytest.raises(AssertionError, match=r"do not compute the same network: they differ by 1"):
        interpreter._figures(torch, [*interpreter.WAYS[:1]], lambda: frame, [lambda: frame + 1])


def test_the_frame_is_a_photograph_that_fp16_holds():
    frame = interpreter._frame()
    assert frame.shape == (1, 3, *interpreter.SIZE)
    np.testing.assert_array_equal(frame, frame.astype(np.float16))
    assert 0.1 < frame.std() < 0.5


def test_what_is_missing_is_named(monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setitem(formats.NEEDS, "onnx", ("onnx", "no_such_library"))
    with pytest.raises(MachineError, match="not installed: no_such_library") as caught:
        interpreter.measure()
    assert "pipersr-build[onnx]" in str(caught.value)
