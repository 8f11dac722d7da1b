import math
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pipersr_build.errors import InputError, MachineError
from pipersr_build.evidence import Parity
from pipersr_build.mil.package import Feature, Interface
from pipersr_build.runtime import backends
from pipersr_build.validation import parity, runners


def package(kind="tensor", dtype="fp16", shape=(1, 3, 4, 6), flexible=False):
    layout = "RGB" if kind == "image" else ""
    source = Feature("lr", kind, dtype, shape, layout, flexible)
    result = Feature("sr", kind, dtype, shape, layout)
    return SimpleNamespace(
        interface=Interface((source,), (result,)),
        path="p.mlpackage",
        functions={"main": None},
        default="main",
    )


def image_package():
    return package("image", "uint8", (4, 6, 3))


def probe(seed=0):
    return parity.Probe("noise", np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8))


def compare(found, run, reference):
    return parity.compare(found, run, "runner", reference, probe(), "reference")


def same(array):
    return array


def test_the_reference_sees_what_the_package_sees_after_rounding_to_fp16():
    seen = {}

    def reference(array):
        seen["reference"] = array
        return array

    def run(inputs):
        seen["package"] = inputs["lr"]
        return {"sr": inputs["lr"]}

    record = compare(package(), run, reference)
    assert seen["package"].dtype == np.float16
    assert np.array_equal(seen["reference"], seen["package"].astype(np.float32))
    assert (record.psnr_db, record.max_abs) == (None, 0)


def test_psnr_has_peak_one_and_counts_every_value():
    record = compare(package(), lambda i: {"sr": i["lr"].astype(np.float32) + 0.01}, same)
    assert record.psnr_db == pytest.approx(40, abs=1e-3)
    assert record.max_abs == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_one_value_that_is_not_finite_fails(wrong):
    def run(inputs):
        out = inputs["lr"].astype(np.float32)
        out[0, 0, 0, 0] = wrong
        return {"sr": out}

    record = compare(package(), run, same)
    assert parity.gate("video", "p", [record], "c").verdict == "fail"


def test_images_are_compared_in_levels_after_clamping():
    def run(inputs):
        return {"sr": np.clip(inputs["lr"].astype(int) + 2, 0, 255).astype(np.uint8)}

    record = compare(image_package(), run, lambda x: x * 1.0)
    assert record.max_abs == 2
    clamped = compare(image_package(), lambda _: {"sr": np.full((4, 6, 3), 255, np.uint8)}, lambda x: x + 5)
    assert clamped.max_abs == 0


def records(*values):
    return [
        Parity(input="i", runner="r", reference="t", psnr_db=psnr, max_abs=largest)
        for psnr, largest in values
    ]


@pytest.mark.parametrize(
    ("kind", "values", "value", "verdict"),
    [
        ("video", [(70.0, 0.1), (50.0, 0.1)], 50.0, "pass"),
        ("video", [(70.0, 0.1), (49.99, 0.1)], 49.99, "fail"),
        ("video", [(None, 0.0)], math.inf, "pass"),
        ("image", [(None, 0.0), (40.0, 2.0)], 2.0, "pass"),
        ("image", [(60.0, 1.0), (40.0, 3.0)], 3.0, "fail"),
    ],
)
def test_the_worst_input_decides(kind, values, value, verdict):
    gate = parity.gate(kind, "p", records(*values), "c")
    assert (gate.value, gate.verdict, gate.source) == (value, verdict, "measured")


@pytest.mark.parametrize("kind", ["image", "video"])
def test_no_record_is_not_measured(kind):
    gate = parity.gate(kind, "p", [], "c")
    assert (gate.value, gate.verdict, gate.source) == (None, "not measured", "not measured")


def test_probes_are_noise_and_pictures_fitted_by_reflection():
    small = np.arange(2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 3)
    noise, fitted = parity.probes(package(), [("small", small)])
    assert noise.rgb.shape == fitted.rgb.shape == (4, 6, 3)
    assert np.array_equal(fitted.rgb[:2, :2], small)
    assert np.array_equal(fitted.rgb[2:, :2], small[::-1])


@pytest.mark.parametrize(
    "strange",
    [package(flexible=True), package(shape=(1, 3, None, 6)), package(shape=(3, 6))],
)
def test_packages_that_are_no_single_picture_are_refused(strange):
    with pytest.raises(InputError):
        parity.input_size(strange)


def test_core_ml_needs_a_mac(monkeypatch):
    monkeypatch.setattr(backends.sys, "platform", "linux")
    with pytest.raises(MachineError, match="Mac"):
        runners.core_ml(package())


def test_on_a_mac_core_ml_gets_pictures_as_pil_and_tensors_as_arrays(monkeypatch):
    seen = []

    class MLModel:
        def __init__(self, path, compute_units):
            seen.append((path, compute_units))

        def predict(self, inputs):
            seen.append({name: type(value) for name, value in inputs.items()})
            return {f"{name}_out": value for name, value in inputs.items()}

    fake = SimpleNamespace(
        models=SimpleNamespace(MLModel=MLModel), ComputeUnit=SimpleNamespace(CPU_AND_NE="CPU_AND_NE")
    )
    monkeypatch.setattr(backends.sys, "platform", "darwin")
    monkeypatch.setattr(backends.quiet, "coremltools", lambda: fake)
    run, label = runners.core_ml(package())
    picture, tensor = np.zeros((4, 6, 3), np.uint8), np.zeros((1, 3, 4, 6), np.float16)
    results = run({"image": picture, "frame": tensor})
    assert label == "Core ML, CPU and Neural Engine"
    assert seen == [("p.mlpackage", "CPU_AND_NE"), {"image": Image.Image, "frame": np.ndarray}]
    assert np.array_equal(results["image_out"], picture)
    assert results["frame_out"].dtype == np.float16
