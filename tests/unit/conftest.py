"""What the tests of several rooms need."""

from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A small network with random weights on disk: `weights`, `image` (24x24) and `video` (34x20) packages.

    `network` is it as it is trained, `deployed` without batch norms. Read only.
    """
    import torch

    from pipersr_build import models
    from pipersr_build.export.build import build
    from pipersr_build.export.contracts import Contract
    from pipersr_build.fusion import fold_batch_norms
    from pipersr_build.models.pipersr import PiperSRConfig
    from pipersr_build.models.weights import save_weights

    torch.manual_seed(0)
    config = PiperSRConfig(blocks=1, channels=6, activation="relu")
    network = models.build(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
    folder = tmp_path_factory.mktemp("tiny")
    save_weights(folder / "weights.safetensors", network, config, "tiny")
    deployed = fold_batch_norms(network.double())[0].float()
    wanted = [Contract("image", "24", 24, 24), Contract("video", "v", 20, 34)]
    metadata = {"pipersr_build.halo": "4"}
    made = build(deployed, wanted, folder, deployment="macOS13", title="t", metadata=metadata)
    image, video = (path for _, path in made)
    return SimpleNamespace(
        network=network.float(),
        deployed=deployed,
        weights=folder / "weights.safetensors",
        image=image,
        video=video,
    )


@pytest.fixture(scope="session")
def remembering(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A small network that has a form with a state: `weights`, and its `video` (22x16) package. Read only.

    `network` is it as it is trained.
    """
    import torch

    from pipersr_build import models
    from pipersr_build.export.build import build
    from pipersr_build.export.contracts import Contract
    from pipersr_build.fusion import to_deploy
    from pipersr_build.models.paragonsr2 import ParagonSR2Config
    from pipersr_build.models.weights import save_weights

    torch.manual_seed(0)
    config = ParagonSR2Config(channels=8, blocks=1, gain=0.5)
    network = models.build(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    folder = tmp_path_factory.mktemp("remembering")
    save_weights(folder / "weights.safetensors", network, config, "remembering")
    deployed, wanted = to_deploy(network), [Contract("video", "v_state", 16, 22, state=True)]
    metadata = {"pipersr_build.halo": "5"}
    ((_, path),) = build(deployed, wanted, folder, deployment="macOS13", title="t", metadata=metadata)
    return SimpleNamespace(network=network, weights=folder / "weights.safetensors", video=path)
