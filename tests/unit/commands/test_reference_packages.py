import pytest

from pipersr_build.commands import reference_packages as module
from pipersr_build.commands.reference_packages import cache_folder, contract_of, reference_packages
from pipersr_build.errors import BuildError, InputError
from pipersr_build.mil.package import open_package
from pipersr_build.runtime.frames import declared_halo
from pipersr_build.runtime.upscaler import Upscaler


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("image_128", "image_128"),
        ("128", "image_128"),
        ("360p", "video_360p"),
        ("video_72x40", "video_72x40"),
    ],
)
def test_names(name, made):
    assert contract_of(name).name == made


@pytest.mark.parametrize("name", ["image_", "image_360p", "audio_128", "", "image_4", "../128", "video_128"])
def test_other_names_are_refused(name):
    with pytest.raises(InputError):
        contract_of(name)


def test_packages_are_made_once_and_again_when_they_are_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = reference_packages(["video_48x40", "image_40"])
    assert [path.name for path in made.values()] == ["video_48x40.mlpackage", "image_40.mlpackage"]
    folder = made["image_40"].parent
    assert folder.parent == cache_folder() / "reference"
    assert Upscaler.from_package(made["image_40"]).tile == (40, 40)
    assert Upscaler.from_package(made["video_48x40"]).frame_size == (40, 48)
    assert declared_halo(open_package(made["image_40"]), 40) == 14
    assert sorted(p.name for p in folder.iterdir() if p.name != ".lock") == [
        "image_40.mlpackage", "video_48x40.mlpackage",
    ]  # fmt: skip

    def again(*_):
        raise AssertionError("made again")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_make", again)
        assert reference_packages(["image_40"]) == {"image_40": made["image_40"]}
    next(made["image_40"].rglob("weight.bin")).unlink()
    reference_packages(["image_40"])
    assert Upscaler.from_package(made["image_40"]).tile == (40, 40)


def test_the_cache_is_the_users(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(module.sys, "platform", "linux")
    assert cache_folder() == tmp_path / ".cache" / "pipersr-build"
    monkeypatch.setattr(module.sys, "platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "pipersr-build"


def test_a_package_that_disagrees_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def wrong(network):
        deployed = real(network)
        next(deployed.parameters()).data.mul_(1.2)
        return deployed

    real = module.to_deploy
    monkeypatch.setattr(module, "to_deploy", wrong)
    with pytest.raises(BuildError, match="does not agree with PyTorch"):
        reference_packages(["image_40"])
    assert not list(tmp_path.rglob("*.mlpackage"))


def test_other_code_makes_other_packages(tmp_path, monkeypatch):
    for room in module.MAKERS:
        (tmp_path / room).mkdir()
    (tmp_path / "export" / "build.py").write_text("a")
    (tmp_path / "weights").write_text("w")
    monkeypatch.setattr(module.pipersr_build, "__file__", str(tmp_path / "__init__.py"))
    before = module._key(tmp_path / "weights")
    assert module._key(tmp_path / "weights") == before
    (tmp_path / "export" / "build.py").write_text("b")
    assert module._key(tmp_path / "weights") != before
