from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import settings
from numpy.typing import NDArray

from pipersr_build import models
from pipersr_build.export.build import build
from pipersr_build.export.contracts import Contract
from pipersr_build.fusion import fold_batch_norms
from pipersr_build.models.pipersr import PiperSRConfig

settings.register_profile("no deadline", deadline=None)  # a busy machine is no failure
settings.load_profile("no deadline")


@pytest.fixture
def noise() -> NDArray[np.uint8]:
    """A picture in which every patch is different: 30 high, 44 wide."""
    return np.random.default_rng(0).integers(0, 256, (30, 44, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A small network with random weights and its packages: `network`, `image` (24x24), `video` (34x20)."""
    torch.manual_seed(0)
    network = models.build(PiperSRConfig(blocks=1, channels=6, activation="relu")).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
    deployed = fold_batch_norms(network.double())[0].float()
    wanted = [Contract("image", "24", 24, 24), Contract("video", "v", 20, 34)]
    metadata = {"pipersr_build.halo": "4"}
    folder = tmp_path_factory.mktemp("tiny")
    made = build(deployed, wanted, folder, deployment="macOS13", title="t", metadata=metadata)
    image, video = (path for _, path in made)
    return SimpleNamespace(network=network.float(), deployed=deployed, image=image, video=video)
