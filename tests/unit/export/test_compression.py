from dataclasses import replace

import numpy as np
import pytest
import torch

from pipersr_build import models
from pipersr_build.commands import checks
from pipersr_build.config import load
from pipersr_build.errors import InputError
from pipersr_build.export.build import build
from pipersr_build.export.compression import METHODS, method_of, parse
from pipersr_build.export.compression.variants import Smaller
from pipersr_build.export.compression.weights import palette
from pipersr_build.export.contracts import Contract
from pipersr_build.files import size_bytes
from pipersr_build.fusion import to_deploy
from pipersr_build.mil.census import census
from pipersr_build.mil.package import open_package
from pipersr_build.models import quantized
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.quicksrnet import QuickSRNetConfig
from pipersr_build.validation import parity, runners

CONTRACTS = [Contract("image", "16", 16, 16), Contract("video", "v", 16, 20)]
CONFIGS = {
    "quicksrnet": QuickSRNetConfig(channels=24, blocks=1, random=0.5),
    "pipersr": PiperSRConfig(blocks=1, channels=16),
}


def lively(config):
    torch.manual_seed(0)
    network = models.build(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    return network


@pytest.fixture(scope="module", params=CONFIGS)
def made(request, tmp_path_factory):
    """A network, it in simulated 8 bits, and all its packages by name, for macOS 14."""
    folder, network = tmp_path_factory.mktemp("compressed"), lively(CONFIGS[request.param])
    deployed = to_deploy(network.double()).float()
    rounding = quantized.quantize(deployed, [torch.rand(1, 3, 24, 24), torch.rand(1, 3, 24, 24)])
    smaller = Smaller([METHODS[key] for key in ("int8", "palette4", "w8a8")], rounding)
    paths = [
        path
        for _, path in build(deployed, CONTRACTS, folder, deployment="macOS14", title="t", metadata={},
                             smaller=smaller)
    ]  # fmt: skip
    return network.float(), rounding, {path.stem: open_package(path) for path in paths}


def worst(package, network):
    run, label = runners.interpreter(package)
    probe = parity.probes(package, [])[0]
    found = parity.compare(package, run, label, checks.reference(network), probe, "PyTorch")
    return float("inf") if found.psnr_db is None else found.psnr_db


def test_smaller_packages_stand_beside_the_whole_one(made):
    _, _, packages = made
    assert list(packages) == [
        f"{contract.name}{end}" for contract in CONTRACTS for end in ("", "_int8", "_palette4", "_w8a8")
    ]
    whole, *less = (size_bytes(packages[f"video_v{end}"].path / "Data" / "com.apple.CoreML" / "weights")
                    for end in ("", "_int8", "_palette4", "_w8a8"))  # fmt: skip
    assert all(size < 0.75 * whole for size in less)
    said = packages["image_16_w8a8"].spec.description.metadata.userDefined
    assert method_of(said) is METHODS["w8a8"]
    assert method_of(packages["image_16"].spec.description.metadata.userDefined) is None


def test_the_operations_say_what_is_in_fewer_bits(made):
    network, _, packages = made
    counts = {name: census(package.main) for name, package in packages.items()}
    convolutions = counts["video_v"]["conv"]
    large = sum(m.weight.numel() > 2048 for m in network.modules() if isinstance(m, torch.nn.Conv2d))
    assert counts["video_v_int8"]["constexpr_affine_dequantize"] == large > 0
    assert counts["video_v_palette4"]["constexpr_lut_to_dense"] == large
    rounding = counts["video_v_w8a8"]
    assert rounding["quantize"] == rounding["dequantize"] == convolutions
    assert rounding["constexpr_affine_dequantize"] == convolutions


@pytest.mark.parametrize("kind", ["image_16", "video_v"])
def test_parity_as_the_gates_judge_it(made, kind):
    network, _, packages = made
    for end in ("", "_int8", "_palette4", "_w8a8"):
        gate = checks.check_parity(packages[kind + end], network, [])[1][0]
        assert gate.verdict == "pass", (kind + end, gate.value)


def test_the_package_computes_what_was_trained_in_8_bits(made):
    network, rounding, packages = made
    package = packages["video_v_w8a8"]
    assert worst(package, rounding) > checks.ROUNDED_DB
    assert worst(package, rounding) > worst(package, network) + 3
    expected = checks.expected_of(package, rounding)
    assert expected.name == checks.ROUNDED_REFERENCE
    assert expected.least_db == checks.ROUNDED_DB
    assert not quantized.is_quantized(checks.expected_of(packages["video_v"], rounding).network)


def test_another_network_fails(made):
    network, _, packages = made
    other = lively(replace(network.config, channels=8))
    for end in ("_int8", "_w8a8"):
        assert checks.check_parity(packages["video_v" + end], other, [])[1][0].verdict == "fail"


def test_groups_of_channels_have_tables_from_macos_15_on(tmp_path):
    deployed = to_deploy(lively(CONFIGS["quicksrnet"]))
    made = build(deployed, CONTRACTS[1:], tmp_path, deployment="macOS15", title="t", metadata={},
                 smaller=Smaller([METHODS["palette4"]]))  # fmt: skip
    package = open_package([path for _, path in made][-1])
    [table, _] = [op for op in package.main.walk() if op.type == "constexpr_lut_to_dense"]
    assert table.inputs["lut"][0].type.extents == (6, 1, 1, 1, 16, 1)


def test_a_palette_is_the_best_one():
    weight = np.array([0.0, 0.1, 1.0, 1.1, -5.0, -5.2, 9.0, 9.0], np.float16)
    table, indices = palette(weight.tobytes(), "float16", 2)
    assert np.allclose(table[indices], [0.05, 0.05, 1.05, 1.05, -5.1, -5.1, 9, 9], atol=1e-2)


def test_what_is_asked_for_is_checked():
    assert [method.key for method in parse("int8, palette6,int8", "macOS13")] == ["int8", "palette6"]
    assert parse([], "macOS13") == parse(None, "macOS13") == []
    with pytest.raises(InputError, match="no compression 'int3'"):
        load(["export.compress=[int3]"])
    with pytest.raises(InputError, match="macOS13 cannot run that") as caught:
        load(["export.compress=[w8a8]", "target=macos13"])
    assert "target=macos14" in str(caught.value)


def test_rounded_activations_and_a_state_do_not_go_together():
    network = torch.nn.Conv2d(3, 3, 1)
    network.state_channels = 4
    with pytest.raises(InputError, match="state between frames"):
        Smaller([METHODS["w8a8"]], network).check()


def test_a_network_in_simulated_8_bits_gives_packages_without_rounding(tmp_path):
    rounding = quantized.quantize(to_deploy(lively(CONFIGS["quicksrnet"])), [torch.rand(1, 3, 16, 16)])
    made = build(rounding, CONTRACTS[1:], tmp_path, deployment="macOS13", title="t", metadata={})
    [package] = [open_package(path) for _, path in made]
    assert "quantize" not in census(package.main)
    assert worst(package, quantized.plain(rounding)) > parity.MIN_PSNR_DB
