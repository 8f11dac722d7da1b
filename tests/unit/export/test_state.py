"""Packages that remember the frame before: which ones are made, and what is refused."""

import pytest
import torch

from pipersr_build import models
from pipersr_build.config import ExportConfig, ImageExport, VideoExport
from pipersr_build.config.wanted import contracts
from pipersr_build.errors import InputError
from pipersr_build.export.build import build, check_state
from pipersr_build.export.compression.methods import METHODS
from pipersr_build.export.compression.variants import Smaller
from pipersr_build.export.contracts import Contract
from pipersr_build.mil.package import open_package
from pipersr_build.mil.recurrence import recurrence
from pipersr_build.models.paragonsr2 import ParagonSR2Config, ParagonSR2Video
from pipersr_build.models.pipersr import PiperSRConfig

SMALL = ParagonSR2Config(channels=4, blocks=1)


def made(network, wanted, folder, **more):
    named = build(network, wanted, folder, deployment="macOS13", title="t", metadata={}, **more)
    return {contract.name: open_package(path) for contract, path in named}


def test_the_key_gives_every_locked_size_a_state_and_leaves_the_tiles_alone():
    config = ExportConfig(image=ImageExport(tile=16), video=VideoExport(size="240p,24x16", state=True))
    assert [(c.name, c.height, c.width, c.state) for c in contracts(config)] == [
        ("image_16", 16, 16, False),
        ("video_240p_state", 240, 426, True),
        ("video_24x16_state", 16, 24, True),
    ]


def test_one_build_makes_tiles_frames_and_frames_with_a_state(tmp_path):
    wanted = [
        Contract("image", "16", 16, 16),
        Contract("video", "v", 12, 16),
        Contract("video", "v_state", 12, 16, state=True),
        Contract("video", "w_state", 16, 12, state=True),
    ]
    packages = made(models.build(SMALL).eval(), wanted, tmp_path)
    shapes = {
        name: [f.shape for f in (*package.interface.inputs, *package.interface.outputs)]
        for name, package in packages.items()
    }
    assert shapes == {
        "image_16": [(16, 16, 3), (32, 32, 3)],
        "video_v": [(1, 3, 12, 16), (1, 3, 24, 32)],
        "video_v_state": [(1, 3, 12, 16), (1, 5, 12, 16), (1, 3, 24, 32), (1, 5, 12, 16)],
        "video_w_state": [(1, 3, 16, 12), (1, 5, 16, 12), (1, 3, 32, 24), (1, 5, 16, 12)],
    }
    assert [name for name, one in packages.items() if recurrence(one)] == ["video_v_state", "video_w_state"]


@pytest.mark.parametrize("block", ["photo", "pro"])
def test_every_variant_has_a_form_with_a_state(block, tmp_path):
    network = models.build(ParagonSR2Config(block=block, channels=16, blocks=1, window=4)).eval()
    packages = made(network, [Contract("video", "v_state", 8, 12, state=True)], tmp_path)
    assert recurrence(packages["video_v_state"]).before.shape == (1, 17, 8, 12)


def test_the_form_with_a_state_comes_from_the_networks_own_description():
    assert isinstance(models.recurrent(models.build(SMALL)), ParagonSR2Video)


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (models.build(PiperSRConfig(blocks=1, channels=4)), "PiperSR 2x"),
        (torch.nn.Identity(), "this network"),
    ],
)
def test_a_network_without_one_is_refused_by_name_and_leaves_nothing(network, named, tmp_path):
    with pytest.raises(InputError, match=f"^{named}.* remembers the frame before") as caught:
        made(network.eval(), [Contract("video", "v_state", 8, 8, state=True)], tmp_path)
    assert caught.value.where == "configuration key export.video.state"
    assert "paragonsr2" in caught.value.fix
    assert not list(tmp_path.iterdir())


def test_activations_of_a_package_with_a_state_are_not_rounded(tmp_path):
    wanted, method = [Contract("video", "v_state", 8, 8, state=True)], METHODS["w8a8"]
    with pytest.raises(InputError, match="keep a state") as caught:
        made(models.build(SMALL).eval(), wanted, tmp_path, smaller=Smaller([method]))
    assert caught.value.where == "configuration key export.compress"
    assert not list(tmp_path.iterdir())
    check_state(wanted, [METHODS["int8"]])
    check_state([Contract("video", "v", 8, 8)], [method])


def test_smaller_weights_keep_the_state(tmp_path):
    wanted = [Contract("video", "v_state", 8, 8, state=True)]
    packages = made(models.build(SMALL).eval(), wanted, tmp_path, smaller=Smaller([METHODS["int8"]]))
    assert sorted(packages) == ["video_v_state", "video_v_state_int8"]
    assert all(recurrence(package) for package in packages.values())
