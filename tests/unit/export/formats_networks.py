"""Small networks with random weights, whose results are not all alike, for the tests of formats."""

import torch
from torch import nn

from pipersr_build import models
from pipersr_build.export.formats import onnx
from pipersr_build.export.metadata import SCALE, About
from pipersr_build.models.facts import Facts

ABOUT = About("someone", "Apache-2.0", "1.0", {"pipersr_build.toolkit": "1"})


def random(network, seed=0):
    """The network with noise on its weights, in evaluation mode."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network.eval()


def built(config, seed=0):
    return random(models.build(config), seed)


class Halved(nn.Module):
    """Works at half the size: takes even heights and widths."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(12, 48, 3, padding=1)

    def forward(self, x):
        return nn.functional.pixel_shuffle(self.conv(nn.functional.pixel_unshuffle(x, 2)), 4)


def facts(multiple=1, scale=2):
    return Facts("small", scale, 8, multiple, "none")


def writer(kind=onnx, about=ABOUT, **known):
    return kind.Writer(facts(**known), {SCALE: f"{known.get('scale', 2):g}"}, about)
