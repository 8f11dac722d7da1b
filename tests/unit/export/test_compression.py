import copy
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
from pipersr_build.models.abpn import ABPNConfig
from pipersr_build.models.ecbsr import ECBSRConfig
from pipersr_build.models.fsrcnn import FSRCNNConfig
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.quicksrnet import QuickSRNetConfig
from pipersr_build.validation import parity, runners

CONTRACTS = [Contract("image", "16", 16, 16), Contract("video", "v", 16, 20)]
PICTURE = [("ramp", np.linspace(60, 190, 16 * 20 * 3).reshape(16, 20, 3).astype(np.uint8))]
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
        records, gates = checks.check_parity(packages[kind + end], network, PICTURE)
        judged = [gate for gate in gates if "interpreter" in gate.name]
        assert [gate.name.split(",")[0] for gate in judged] == ["parity", "fidelity"][: 1 + bool(end)]
        assert all(gate.verdict == "pass" for gate in judged), (kind + end, judged)
        assert [one.input for one in records] == ["random", "ramp"] * len(judged)


def test_noise_is_judged_by_what_is_declared_and_not_by_what_it_costs(made):
    network, _, packages = made
    records, [declared, cost, *_] = checks.check_parity(packages["video_v_palette4"], network, PICTURE)
    strict, picture = records[:2], records[3]
    assert declared.value == min(one.psnr_db for one in strict)
    assert declared.threshold == parity.MIN_PSNR_DB
    assert (cost.value, cost.threshold) == (picture.psnr_db, METHODS["palette4"].least_db)
    assert cost.note == f"random {records[2].psnr_db:.1f} dB, not judged"
    assert declared.note == ""


@pytest.mark.parametrize("end", ["_int8", "_palette4", "_w8a8"])
def test_kernels_that_are_not_the_declared_ones_fail(made, end):
    network, _, packages = made
    other = copy.deepcopy(network)
    kernels = [module.weight for module in other.modules() if isinstance(module, torch.nn.Conv2d)]
    with torch.no_grad():
        for kernel in kernels:
            kernel += 0.02 * kernel.abs().max() * torch.randn_like(kernel)
    declared = checks.check_parity(packages["video_v" + end], other, PICTURE)[1][0]
    assert declared.verdict == "fail", declared.value


@pytest.mark.parametrize("keep", ["none", "first", "ends"])
def test_the_ends_of_a_network_can_stay_in_fp16(tmp_path, keep):
    network = to_deploy(lively(CONFIGS["quicksrnet"]))
    rounding = quantized.quantize(network, [torch.rand(1, 3, 16, 16)], keep)
    made = build(network, CONTRACTS[1:], tmp_path, deployment="macOS14", title="t", metadata={},
                 smaller=Smaller([METHODS["w8a8"]], rounding))  # fmt: skip
    package = open_package([path for _, path in made][-1])
    counts = census(package.main)
    left = counts["conv"] - {"none": 0, "first": 1, "ends": 2}[keep]
    assert counts["quantize"] == counts["constexpr_affine_dequantize"] == left > 0
    assert checks.check_parity(package, network, PICTURE)[1][0].verdict == "pass"
    with pytest.raises(InputError, match="no such choice 'last'"):
        load(["export.keep_fp16=last"])


@pytest.mark.parametrize("deployment", ["macOS14", "macOS15"])
def test_tables_of_groups_and_kernels_of_transposed_convolutions_are_known(tmp_path, deployment):
    network = to_deploy(lively(FSRCNNConfig(channels=28)))
    made = build(network, CONTRACTS[1:], tmp_path, deployment=deployment, title="t", metadata={},
                 smaller=Smaller([METHODS["int8"], METHODS["palette6"]]))  # fmt: skip
    for path in [path for _, path in made][1:]:
        gate = checks.check_parity(open_package(path), network, [])[1][0]
        assert (gate.verdict, gate.note) == ("pass", ""), path


def test_kernels_that_a_pass_split_are_not_judged(made):
    network, _, packages = made
    other = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 1), torch.nn.Conv2d(8, 12, 1), torch.nn.PixelShuffle(2))
    other.config = network.config
    gate = checks.check_parity(packages["video_v_int8"], other, PICTURE)[1][0]
    assert (gate.verdict, gate.note) == ("not measured", checks.NOT_ALIKE)
    assert gate.name == "parity, interpreter fp16"


@pytest.mark.parametrize("config", [ABPNConfig(channels=8, blocks=1), ECBSRConfig(channels=8, blocks=1)])
def test_a_fixed_anchor_among_the_convolutions_is_passed_over(tmp_path, config):
    network = to_deploy(lively(config))
    rounding = quantized.quantize(network, [torch.rand(1, 3, 16, 16)], "ends")
    made = build(network, CONTRACTS[1:], tmp_path, deployment="macOS14", title="t", metadata={},
                 smaller=Smaller([METHODS["w8a8"]], rounding))  # fmt: skip
    gate = checks.check_parity(open_package([path for _, path in made][-1]), network, PICTURE)[1][0]
    assert (gate.name, gate.verdict, gate.note) == ("parity, interpreter fp16", "pass", "")


def test_the_package_computes_what_was_trained_in_8_bits(made):
    network, rounding, packages = made
    package = packages["video_v_w8a8"]
    assert worst(package, rounding) > checks.ROUNDED_DB
    assert worst(package, rounding) > worst(package, network) + 3
    [expected] = checks.expected_of(package, rounding)
    assert expected.name == checks.ROUNDED_REFERENCE
    assert expected.least_db == checks.ROUNDED_DB
    assert not quantized.is_quantized(checks.expected_of(packages["video_v"], rounding)[0].network)


def test_another_network_fails(made):
    network, _, packages = made
    other = lively(replace(network.config, channels=8))
    for end in ("_int8", "_w8a8"):
        gates = checks.check_parity(packages["video_v" + end], other, PICTURE)[1]
        assert "fail" in [gate.verdict for gate in gates], end


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
