from pathlib import Path

import pytest

from pipersr_build import shipped
from pipersr_build.errors import InputError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The folder of an empty package that stands for ours."""
    folder = tmp_path / "pipersr_build"
    folder.mkdir()
    monkeypatch.setattr(shipped, "__file__", str(folder / "shipped.py"))
    return folder


def write(folder: Path):
    folder.mkdir()
    (folder / "config.yaml").touch()
    return folder


def test_files_lie_beside_the_package_in_a_checkout_and_inside_it_when_installed(package):
    assert shipped.shipped("conf", "config.yaml") is None
    beside = write(package.parent / "conf")
    assert shipped.conf_dir() == beside
    inside = write(package / "conf")
    assert shipped.conf_dir() == inside
    assert shipped.shipped("conf", "other.yaml") is None


@pytest.mark.usefixtures("package")
def test_a_missing_configuration_is_said():
    with pytest.raises(InputError, match="configuration folder is missing") as told:
        shipped.conf_dir()
    assert "reinstall" in told.value.fix
