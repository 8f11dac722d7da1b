import importlib
import sys

import pytest

from pipersr_build.commands import doctor
from pipersr_build.errors import MachineError
from pipersr_build.zoo import spandrel as room


@pytest.fixture(autouse=True)
def _without_torchvision(monkeypatch):
    """No torchvision among the imported modules; they come back afterwards."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A torchvision that fails as one built for another torch does, after part of it was imported."""
    folder = tmp_path / "torchvision"
    folder.mkdir()
    (folder / "extension.py").write_text("")
    (folder / "__init__.py").write_text(
        "import torchvision.extension\nraise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()


@pytest.fixture
def working(tmp_path, monkeypatch):
    folder = tmp_path / "torchvision" / "transforms"
    folder.mkdir(parents=True)
    for file in (folder.parent / "__init__.py", folder / "__init__.py"):
        file.write_text("")
    (folder / "functional.py").write_text("rotate = normalize = InterpolationMode = 'theirs'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()


def imported():
    return [name for name in sys.modules if name.partition(".")[0] == "torchvision"]


@pytest.mark.usefixtures("broken")
def test_a_broken_torchvision_is_stood_in_for_and_forgotten():
    assert room.torchvision_state() == "broken"
    with room._torchvision():
        from torchvision.transforms.functional import InterpolationMode, normalize

        assert InterpolationMode.NEAREST != InterpolationMode.BILINEAR
        with pytest.raises(MachineError, match="needs torchvision"):
            normalize(0)
    assert imported() == []
    assert room.torchvision_state() == "broken"


@pytest.mark.usefixtures("working")
def test_one_that_works_is_used():
    assert room.torchvision_state() == "works"
    with room._torchvision():
        assert importlib.import_module("torchvision.transforms.functional").rotate == "theirs"
    assert imported()


def test_spandrel_reads_the_networks_that_enlarge():
    registry = room.spandrel().MAIN_REGISTRY
    for name in ("ESRGAN", "Compact", "SAFMN", "SwinIR", "HAT", "OmniSR", "DAT", "SPAN"):
        assert name in registry


def test_without_spandrel_it_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "spandrel", raising=False)
    monkeypatch.setattr(sys, "path_hooks", [])
    monkeypatch.setattr(room.importlib, "import_module", refuse)
    with pytest.raises(MachineError, match=r"not installed[\s\S]*pipersr-build\[zoo\]"):
        room.spandrel()


def refuse(name):
    raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(
    ("state", "says"), [("broken", "torchvision is broken: two functions"), ("works", "read")]
)
def test_doctor_says_what_stands_in(state, says, monkeypatch):
    monkeypatch.setattr(room, "torchvision_state", lambda: state)
    what, _, means, good = doctor._third_party()
    assert (what, good) == ("third-party weights", True)
    assert means.startswith("read")
    assert says in means


def test_doctor_says_that_spandrel_is_missing(monkeypatch):
    monkeypatch.setattr(doctor.machine, "version", lambda _: "missing")
    assert doctor._third_party()[1:] == (
        "no",
        "not read without spandrel: see docs/how_to/third_party.md",
        True,
    )
