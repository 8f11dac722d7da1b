"""What an export's smaller packages need: the methods, and the network in simulated 8 bits."""

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from pipersr_build import models
from pipersr_build.config import Config
from pipersr_build.data.corpus import photos_corpus
from pipersr_build.data.crops import busiest
from pipersr_build.data.images import list_images, load_rgb
from pipersr_build.data.pictures import make_pair
from pipersr_build.export.compression.methods import parse
from pipersr_build.export.compression.variants import Smaller
from pipersr_build.models import quantized
from pipersr_build.models.upscaler import to_tensor
from pipersr_build.models.weights import Weights

CROP = 128  # pixels, the edge of what a picture gives to the calibration
MOST = 64  # pictures


def smaller_versions(config: Config, weights: Weights, deployed: nn.Module) -> Smaller:
    """What `export.compress` asks for, of the network as it is deployed.

    Weights that were trained in simulated 8 bits bring the ranges of their activations; for others they are
    measured on `export.calibration`, or on the training photographs that are shipped. That is done in
    float64: processors add in different orders, and in float32 now and then one would get another step.
    """
    methods = parse(config.export.compress, config.target.deployment)
    if not any(method.activations for method in methods):
        return Smaller(methods)
    network = weights.network
    if not quantized.is_quantized(network):
        pictures = batches(config.export.calibration, weights.config)
        exact = copy.deepcopy(deployed).double()
        network = quantized.quantize(exact, pictures, config.export.keep_fp16).float()
    smaller = Smaller(methods, network)
    smaller.check()
    return smaller


def batches(folder: str | None, config: object) -> Iterator[Tensor]:
    """Pictures to measure ranges on, one by one: 1, 3, H, W in [0, 1], the part of each with most detail.

    Args:
        folder: pictures as the package will get them; None takes the shipped ones, reduced by its scale.
        config: of the network.

    Raises:
        InputError: the folder holds no picture, or one that cannot be read.
    """
    facts = models.facts(config)
    for rgb in _shipped(facts.scale) if folder is None else _in(Path(folder)):
        top, left = busiest(rgb, CROP)
        crop = rgb[top : top + CROP, left : left + CROP]
        height, width = (length - length % facts.size_multiple for length in crop.shape[:2])
        yield to_tensor(crop[:height, :width])


def _shipped(scale: float) -> Iterator[np.ndarray]:
    return (make_pair(picture, scale).lr for picture in photos_corpus().train)


def _in(folder: Path) -> Iterator[np.ndarray]:
    """Of more than enough pictures, some, evenly over their sorted names."""
    found = list_images(folder)
    chosen = found[:: -(-len(found) // MOST)]
    return (load_rgb(path) for path in chosen)
