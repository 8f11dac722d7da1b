"""Promises about the packages as they lie on disk."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from pipersr_build import files, models
from pipersr_build.commands.checks import check_parity
from pipersr_build.config import ExportConfig, ImageExport, VideoExport
from pipersr_build.config.wanted import contracts
from pipersr_build.data.corpus import photos_corpus
from pipersr_build.export.build import build, build_for_census
from pipersr_build.export.bundle import bundle, function_name, ratio
from pipersr_build.export.targets import MACOS
from pipersr_build.fusion import fold_batch_norms
from pipersr_build.mil.census import census
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import open_package
from pipersr_build.models.pipersr import PiperSRConfig

SMALL = ExportConfig(image=ImageExport(tile=16), video=VideoExport(size="24x16"))
BODY = {"conv": 14, "add": 7, "silu": 6, "pixel_shuffle": 1}
NORMS = {"batch_norm": 12}
CASTS = {"cast": 2}


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    return models.build(PiperSRConfig()).eval()


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    deploy, _ = fold_batch_norms(trained)
    folder = tmp_path_factory.mktemp("exported")
    list(build(deploy, contracts(SMALL), folder, deployment="macOS13", title="t", metadata={"a.key": "7"}))
    return folder


@pytest.mark.parametrize(
    ("folded", "io", "total", "expected"),
    [
        (False, np.float32, 42, BODY | NORMS | CASTS),
        (True, np.float32, 30, BODY | CASTS),
        (False, np.float16, 40, BODY | NORMS),
        (True, np.float16, 28, BODY),
    ],
)
def test_the_operation_census_of_the_written_package(trained, tmp_path, folded, io, total, expected):
    network = fold_batch_norms(trained)[0] if folded else trained
    counted = census(open_package(build_for_census(network, tmp_path, "macOS13", io)).main)
    assert counted == expected
    assert sum(counted.values()) == total


@pytest.mark.parametrize("deployment", MACOS)  # an iOS has the package of the macOS of its year
def test_the_census_is_the_same_for_every_deployment_target(trained, tmp_path, deployment):
    deploy, _ = fold_batch_norms(trained)
    assert census(open_package(build_for_census(deploy, tmp_path, deployment, np.float16)).main) == BODY


def test_the_default_export_is_one_tile_and_three_locked_frames():
    found = [(c.name, c.width, c.height) for c in contracts(ExportConfig())]
    assert found == [
        ("image_128", 128, 128), ("video_360p", 640, 360), ("video_480p", 854, 480), ("video_540p", 960, 540)
    ]  # fmt: skip


def test_a_bundle_of_the_three_locked_frames_is_little_larger_than_one_of_them(trained, tmp_path):
    deploy, _ = fold_batch_norms(trained)
    wanted = contracts(ExportConfig(image=ImageExport(enabled=False)))
    made = build(deploy, wanted, tmp_path, deployment="macOS15", title="t", metadata={})
    parts = {function_name(contract): path for contract, path in made}
    joined = bundle(parts, tmp_path / "bundle.mlpackage", "d", {})
    assert ratio(joined, parts.values()) < 1.05
    counted = {name: census(function) for name, function in open_package(joined).functions.items()}
    assert counted == dict.fromkeys(["upscale_360p", "upscale_480p", "upscale_540p"], BODY)


def test_the_video_package_takes_and_returns_float16_tensors_without_casts(exported):
    package = open_package(exported / "video_24x16.mlpackage")
    (source,), (result,) = package.interface.inputs, package.interface.outputs
    assert (source.kind, source.dtype, source.shape) == ("tensor", "fp16", (1, 3, 16, 24))
    assert (result.kind, result.dtype, result.shape) == ("tensor", "fp16", (1, 3, 32, 48))
    assert [source.flexible, result.flexible] == [False, False]
    assert census(package.main) == BODY


def test_the_image_package_takes_and_returns_8_bit_rgb(exported):
    package = open_package(exported / "image_16.mlpackage")
    (source,), (result,) = package.interface.inputs, package.interface.outputs
    assert (source.kind, source.layout, source.shape) == ("image", "RGB", (16, 16, 3))
    assert (result.kind, result.layout, result.shape) == ("image", "RGB", (32, 32, 3))
    assert census(package.main) == BODY | CASTS | {"mul": 2, "clip": 1}


BARS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255], [255, 0, 255],
                 [255, 255, 255], [0, 0, 0]], np.uint8)  # fmt: skip


def test_colour_bars_come_back_with_the_right_colours_in_the_right_order(exported):
    # a new network is the nearest-neighbour upscaler: what comes back is known exactly
    bars = np.repeat(BARS, 2, axis=0)[None].repeat(16, axis=0)
    package = open_package(exported / "image_16.mlpackage")
    upscaled = Interpreter(package).run({"lr": bars})["sr"]
    assert np.array_equal(upscaled, bars.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(("offset", "level"), [(0.75, 255), (-0.75, 0)])
def test_the_images_output_is_clamped(trained, tmp_path, offset, level):
    deploy, _ = fold_batch_norms(trained)
    with torch.no_grad():
        deploy.tail.bias += offset
    only_image = ExportConfig(image=ImageExport(tile=16), video=VideoExport(enabled=False))
    ((_, path),) = build(
        deploy, contracts(only_image), tmp_path, deployment="macOS13", title="t", metadata={}
    )
    grey = np.full((16, 16, 3), 128, np.uint8)
    assert (Interpreter(open_package(path)).run({"lr": grey})["sr"] == level).all()


def test_the_package_says_what_it_is_and_nothing_of_the_day(exported):
    metadata = open_package(exported / "image_16.mlpackage").spec.description.metadata
    assert metadata.userDefined["a.key"] == "7"
    assert metadata.shortDescription == "t, image 16x16"
    assert not [key for key in metadata.userDefined if "date" in key]


PROGRAM = """
import sys, torch
from pathlib import Path
from pipersr_build import models
from pipersr_build.commands.checks import check_parity
from pipersr_build.config import ExportConfig, ImageExport, VideoExport
from pipersr_build.data.corpus import photos_corpus
from pipersr_build.config.wanted import contracts
from pipersr_build.export.build import build
from pipersr_build.fusion import fold_batch_norms
from pipersr_build.models.pipersr import PiperSRConfig
torch.manual_seed(0)
deploy, _ = fold_batch_norms(models.build(PiperSRConfig()))
wanted = contracts(ExportConfig(image=ImageExport(tile=16), video=VideoExport(size="24x16")))
list(build(deploy, wanted, Path(sys.argv[1]), deployment="macOS13", title="t", metadata={"a.key": "7"}))
"""


def test_another_process_with_another_hash_seed_writes_the_same_bytes(exported, tmp_path):
    subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], check=True, env={"PYTHONHASHSEED": "77"})
    names = sorted(path.name for path in exported.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert files.sha256(tmp_path / name) == files.sha256(exported / name), name


VARIANTS = [
    PiperSRConfig(blocks=2, channels=16),
    PiperSRConfig(blocks=1, channels=12, scale=3, activation="relu"),
    PiperSRConfig(blocks=1, channels=12, scale=4, activation="gelu"),
    PiperSRConfig(blocks=2, channels=8, activation="prelu", norm="none"),
    PiperSRConfig(blocks=1, channels=5, scale=3, norm="none"),
]


def lively(config):
    """A network whose blocks do something: in a new one the last norm's gain is zero."""
    torch.manual_seed(1)
    network = models.build(config).eval()
    with torch.no_grad():
        network.tail.weight += torch.randn_like(network.tail.weight) * 0.05
        for block in network.body:
            for norm in (block.norm1, block.norm2):
                if config.norm == "batch":
                    norm.weight.uniform_(0.5, 1)
                    norm.running_mean.uniform_(-0.1, 0.1)
                    norm.running_var.uniform_(0.2, 0.4)
            if config.norm == "none":
                torch.nn.init.normal_(block.conv2.weight, std=0.1)
    return network


def test_parity_sees_one_convolution_of_the_body(tmp_path):
    network = lively(PiperSRConfig(blocks=2, channels=16))
    deploy, _ = fold_batch_norms(network)
    with torch.no_grad():
        deploy.body[1].conv2.weight.zero_()
    wanted = contracts(ExportConfig(image=ImageExport(enabled=False), video=VideoExport(size="32x24")))
    ((_, path),) = build(deploy, wanted, tmp_path, deployment="macOS13", title="t", metadata={})
    photograph = [("chelsea", photos_corpus().holdout[0].rgb)]
    assert check_parity(open_package(path), network, photograph)[1][0].verdict == "fail"


@pytest.mark.parametrize("config", VARIANTS, ids=lambda c: f"{c.scale}x-{c.activation}-{c.norm}")
@pytest.mark.parametrize("kind", ["image", "video"])
def test_every_variant_exports_and_passes_parity(config, kind, tmp_path):
    network = lively(config)
    deploy, _ = fold_batch_norms(network)
    wanted = ExportConfig(
        image=ImageExport(enabled=kind == "image", tile=24),
        video=VideoExport(enabled=kind == "video", size="32x24"),
    )
    ((_, path),) = build(deploy, contracts(wanted), tmp_path, deployment="macOS13", title="t", metadata={})
    package = open_package(path)
    photograph = [("chelsea", photos_corpus().holdout[0].rgb)]
    _, gates = check_parity(package, network, photograph)
    assert gates[0].verdict == "pass", gates[0]
