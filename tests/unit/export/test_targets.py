import pytest

from pipersr_build import files
from pipersr_build.commands.checks import reference
from pipersr_build.config import load
from pipersr_build.errors import InputError
from pipersr_build.export.build import build
from pipersr_build.export.compression.methods import parse
from pipersr_build.export.contracts import Contract
from pipersr_build.export.targets import IOS, MACOS, TARGETS, as_ios, as_macos, both, operations, reaches
from pipersr_build.mil.census import census
from pipersr_build.mil.package import open_package
from pipersr_build.validation import parity, runners

SMALL = Contract("video", "24x16", 16, 24)
SPECIFICATION = {"macOS13": 7, "macOS14": 8, "macOS15": 9, "macOS26": 10}  # coremltools' table


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """A package of the small network for every target."""
    found = {}
    for target in TARGETS:
        folder = tmp_path_factory.mktemp(target)
        ((_, found[target]),) = build(
            tiny.deployed, [SMALL], folder, deployment=target, title="t", metadata={}
        )
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_chosen_by_its_name(target):
    assert load([f"target={target.lower()}"]).target.deployment == target


@pytest.mark.parametrize("target", TARGETS)
def test_a_package_has_the_operations_of_its_target_and_computes_what_pytorch_does(made, tiny, target):
    package = open_package(made[target])
    assert package.spec.specificationVersion == SPECIFICATION[as_macos(target)]
    assert package.main.opset == operations(target)
    assert census(package.main) == census(open_package(made["macOS13"]).main)
    noise = parity.probes(package, [])[0]
    run, name = runners.interpreter(package)
    found = parity.compare(package, run, name, reference(tiny.network), noise, "PyTorch")
    assert found.psnr_db > parity.MIN_PSNR_DB


@pytest.mark.parametrize(("mac", "phone"), [*zip(MACOS, IOS, strict=True)])
def test_the_systems_of_one_year_share_a_package(made, mac, phone):
    assert (as_ios(mac), as_macos(phone)) == (phone, mac)
    assert files.sha256(made[mac]) == files.sha256(made[phone])
    assert both(phone) == f"macOS {mac[5:]}, iOS {phone[3:]}"


def test_a_later_target_reaches_what_an_earlier_one_brought():
    assert [reaches(target, "macOS15") for target in TARGETS] == [False, False, True, True] * 2


def test_compression_asks_an_ios_for_what_it_asks_the_macos_of_its_year():
    assert [method.key for method in parse("w8a8", "iOS17")] == ["w8a8"]
    with pytest.raises(InputError, match="iOS16 cannot run that"):
        parse("w8a8", "iOS16")


def test_a_target_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(InputError) as caught:
        load(["target.deployment=macOS16"])
    assert "macOS26, iOS16" in caught.value.fix
