import numpy as np
import pytest
import torch
from network_checks import randomised

from pipersr_build import models
from pipersr_build.export.build import build
from pipersr_build.export.contracts import Contract
from pipersr_build.fusion import to_deploy
from pipersr_build.mil.package import open_package
from pipersr_build.models.paragonsr2 import ParagonSR2Config
from pipersr_build.models.paragonsr2.video import ParagonSR2Video
from pipersr_build.runtime.recurrent import RecurrentUpscaler

SIZE = (16, 22)


@pytest.fixture(scope="module")
def network():
    config = ParagonSR2Config(channels=8, blocks=1, gain=0.5)
    return to_deploy(randomised(models.build(config), spread=0.2).double()).float()


def frames(count, brightness=0.0):
    generator = torch.Generator().manual_seed(int(100 * brightness))
    return [0.4 * torch.rand(1, 3, *SIZE, generator=generator) + brightness for _ in range(count)]


def zeros(video):
    return torch.zeros(1, video.state_channels, *SIZE)


@torch.inference_mode()
def test_with_a_state_of_zeros_a_frame_is_a_picture(network):
    video, (frame,) = ParagonSR2Video(network), frames(1)
    sr, _ = video(frame, zeros(video))
    assert torch.equal(sr, network(frame))


@torch.inference_mode()
def test_features_are_blended_with_blended_features(network):
    video, shown = ParagonSR2Video(network), frames(3)
    state, features = zeros(video), network.head(shown[0])
    for index, frame in enumerate(shown):
        if index:
            features = 0.8 * network.head(frame) + 0.2 * features
        sr, state = video(frame, state)
        torch.testing.assert_close(sr, network.upscale(frame, features))
        torch.testing.assert_close(state[:, :-1], features)
        torch.testing.assert_close(state[:, -1:], torch.full((1, 1, *SIZE), 0.2))


def test_the_network_is_not_changed(network):
    before = network.head.weight.clone()
    ParagonSR2Video(network)
    assert torch.equal(network.head.weight, before)
    assert network.head.out_channels == 8


@pytest.fixture(scope="module")
def package(network, tmp_path_factory):
    wanted = [Contract("video", "v", *SIZE)]
    folder = tmp_path_factory.mktemp("video")
    ((_, path),) = build(
        ParagonSR2Video(network), wanted, folder, deployment="macOS13", title="t", metadata={}
    )
    return open_package(path)


def test_the_package_takes_and_returns_frame_and_state(package):
    interface = package.interface
    assert {f.name: (f.dtype, f.shape) for f in (*interface.inputs, *interface.outputs)} == {
        "lr": ("fp16", (1, 3, *SIZE)),
        "previous": ("fp16", (1, 9, *SIZE)),
        "sr": ("fp16", (1, 3, 32, 44)),
        "next": ("fp16", (1, 9, *SIZE)),
    }
    assert [f.name for f in interface.inputs] == ["lr", "previous"]


@torch.inference_mode()
def test_a_sequence_with_a_cut_through_the_package(network, package):
    shown = [frame.half() for frame in (*frames(2), *frames(2, brightness=0.5))]
    video, upscale = ParagonSR2Video(network), RecurrentUpscaler(package)
    state, blended = zeros(video), []
    for index, frame in enumerate(shown):
        if index == 2:  # the cut
            state = zeros(video)
        expected, state = video(frame.float(), state)
        found = torch.from_numpy(upscale(frame.numpy()).astype(np.float32))
        assert -10 * torch.log10((found - expected).square().mean()) > 50
        blended.append((expected - network(frame.float())).square().mean().sqrt() > 1e-2)
    assert blended == [False, True, False, True]
