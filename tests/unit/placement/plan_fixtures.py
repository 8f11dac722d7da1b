"""A Mac whose coremltools is the fake one, and packages for it, for the tests of measured placement."""

import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipersr_build import quiet

FAKE = Path(__file__).parent / "fake_core_ml"
SHAPE = (1, 8, 16, 16)


def planned(operator: str, output: str, *supported: str, cost: float | None = None) -> dict[str, Any]:
    """An operation of the plan; preferred on the first device, without an answer if none is given."""
    told = {"supported": list(supported), "preferred": supported[0]} if supported else {}
    return {"operator": operator, "output": output, "cost": cost, **told}


@pytest.fixture
def core_ml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Make this machine that Mac. Call it with a plan and with what `FAKE_…` variables shall be."""
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("26.1", ("", "", ""), "arm64"))
    monkeypatch.setenv("PYTHONPATH", str(FAKE))

    def say(plan: dict[str, Any], **fake: str) -> Path:
        file = tmp_path / "plan.json"
        file.write_text(json.dumps(plan))
        for name, value in {"PLAN": str(file), **fake}.items():
            monkeypatch.setenv(f"FAKE_{name}", value)
        return file

    return say


@pytest.fixture(scope="session")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of a convolution with two ReLUs after it: `head`, `act`, `out`."""
    return _convert(tmp_path_factory.mktemp("net"), SHAPE)


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for two sizes, functions `small` (the default) and `large` of one package."""
    ct, folder = quiet.coremltools(), tmp_path_factory.mktemp("both")
    functions = ct.utils.MultiFunctionDescriptor()
    for name, size in (("small", 16), ("large", 32)):
        (folder / name).mkdir()
        functions.add_function(str(_convert(folder / name, (1, 8, size, size))), "main", name)
    functions.default_function_name = "small"
    with quiet.conversion():
        ct.utils.save_multifunction(functions, str(folder / "both.mlpackage"))
    return folder / "both.mlpackage"


def _convert(folder: Path, shape: tuple[int, ...]) -> Path:
    import numpy as np

    ct = quiet.coremltools()
    from coremltools.converters.mil import Builder as mb  # noqa: N813  (its customary name)
    from coremltools.converters.mil.mil import types

    @mb.program(input_specs=[mb.TensorSpec(shape, dtype=types.fp16)], opset_version=ct.target.iOS18)
    def program(x: Any) -> Any:
        weight = np.ones((8, 8, 3, 3), np.float16)
        head = mb.conv(x=x, weight=weight, pad_type="same", name="head")
        return mb.relu(x=mb.relu(x=head, name="act"), name="out")

    with quiet.conversion():
        model = ct.convert(
            program,
            minimum_deployment_target=ct.target.iOS18,
            skip_model_load=True,
            pass_pipeline=ct.PassPipeline.EMPTY,
        )
        model.save(str(folder / "net.mlpackage"))
    return folder / "net.mlpackage"
