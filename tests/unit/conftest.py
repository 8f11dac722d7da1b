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
