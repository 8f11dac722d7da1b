from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pipersr_build.errors import InputError, MachineError
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import open_package
from pipersr_build.runtime import backends
from pipersr_build.runtime.backends import open_backend


@pytest.fixture
def package(tiny):
    return open_package(tiny.image)


@pytest.fixture
def mac(monkeypatch):
    """A Mac whose Core ML repeats what it is given; what it was told is in the list."""
    told = []

    class MLModel:
        def __init__(self, path, **options):
            told.append((path, options))

        def predict(self, inputs):
            return {"sr": inputs["lr"], "state": np.ones(2, np.float16)}

    units = SimpleNamespace(CPU_AND_NE="ne", CPU_AND_GPU="gpu", CPU_ONLY="cpu", ALL="all")
    fake = SimpleNamespace(models=SimpleNamespace(MLModel=MLModel), ComputeUnit=units)
    monkeypatch.setattr(backends.sys, "platform", "darwin")
    monkeypatch.setattr(backends.quiet, "coremltools", lambda: fake)
    return told


def test_off_a_mac_the_interpreter_runs_it(package, monkeypatch):
    monkeypatch.setattr(backends.sys, "platform", "linux")
    backend = open_backend(package)
    lr = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    assert backend.name == "MIL interpreter, fp16"
    assert backend.interface == package.interface
    assert np.array_equal(backend.run({"lr": lr})["sr"], Interpreter(package).run({"lr": lr})["sr"])
    assert open_backend(package, semantics="fp32").name == "MIL interpreter, fp32"
    with pytest.raises(MachineError, match="Mac"):
        open_backend(package, choice="coreml")


@pytest.mark.parametrize("choice", ["auto", "coreml"])
def test_on_a_mac_core_ml_runs_it_without_the_gpu(package, mac, choice):
    backend = open_backend(package, choice=choice)
    assert backend.name == "Core ML, cpuAndNeuralEngine"
    assert mac == [(str(package.path), {"compute_units": "ne"})]
    lr = np.zeros((24, 24, 3), np.uint8)
    made = backend.run({"lr": lr})
    assert made["sr"].dtype == np.uint8
    assert made["sr"].shape == (24, 24, 3)
    assert made["state"].dtype == np.float16


def test_pictures_go_to_core_ml_as_pillow_images_and_stay_gray():
    gray = backends._to_core_ml(np.zeros((2, 3), np.uint8))
    assert isinstance(gray, Image.Image)
    assert backends._from_core_ml(gray).shape == (2, 3)
    assert backends._from_core_ml(Image.new("RGBA", (3, 2))).shape == (2, 3, 3)


def test_a_function_and_compute_units_can_be_named(package, mac):
    backend = open_backend(package, compute_units="all", function="main")
    assert backend.interface == package.interface
    assert mac == [(str(package.path), {"compute_units": "all", "function_name": "main"})]


def test_on_a_mac_the_interpreter_can_be_chosen(package, mac):
    assert open_backend(package, choice="interpreter").name == "MIL interpreter, fp16"
    assert mac == []


@pytest.mark.parametrize("wrong", [{"choice": "gpu"}, {"compute_units": "ane"}, {"function": "none"}])
def test_what_does_not_exist_is_refused(package, wrong):
    with pytest.raises(InputError, match=next(iter(wrong.values()))):
        open_backend(package, **wrong)
