from pathlib import Path

import torch

from pipersr_build import models
from pipersr_build.commands import calibration
from pipersr_build.config import load
from pipersr_build.models import quantized
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.weights import Weights

CONFIG = PiperSRConfig(blocks=1, channels=64, norm="none")


def shuffled(network):
    """The same function, which adds up the channels of its block in another order."""
    state, order = dict(network.state_dict()), torch.randperm(64, generator=torch.Generator().manual_seed(1))
    state["body.0.conv1.weight"] = state["body.0.conv1.weight"][order]
    state["body.0.conv1.bias"] = state["body.0.conv1.bias"][order]
    state["body.0.conv2.weight"] = state["body.0.conv2.weight"][:, order]
    other = models.build(CONFIG).eval()
    other.load_state_dict(state)
    return other


def test_ranges_do_not_depend_on_the_order_in_which_a_processor_adds(monkeypatch):
    pictures = [torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    monkeypatch.setattr(calibration, "batches", lambda *_: iter(pictures))
    config = load(["target=macos14", "export.compress=[w8a8]", "export.keep_fp16=none"])
    torch.manual_seed(0)
    network = models.build(CONFIG).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    weights = Weights(network, CONFIG, "n", Path("n"), "")
    found = [
        calibration.smaller_versions(config, weights, one).quantized for one in (network, shuffled(network))
    ]
    ranges = [{key: value for key, value in one.state_dict().items() if key.endswith(quantized.RANGE)}
              for one in found]  # fmt: skip
    assert ranges[0].keys() == ranges[1].keys()
    assert len(ranges[0]) == 4
    assert all(torch.equal(ranges[0][key], ranges[1][key]) for key in ranges[0])
    assert next(found[0].parameters()).dtype == torch.float32
