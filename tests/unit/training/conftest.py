import copy
import functools

import numpy as np
import pytest

from pipersr_build.config import load
from pipersr_build.data.corpus import Corpus
from pipersr_build.data.pictures import Picture
from pipersr_build.training.run import train

TINY = [
    "experiment=debug",
    "model.blocks=1",
    "model.channels=8",
    "training.patch=8",
    "training.batch=4",
    "training.precision=fp32",
]


def pytest_collection_modifyitems(items):
    """Lightning 2.6 meets torch 2.13: a deprecation inside it that no user of it can mend."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"))


def noise(name, height=40, width=48):
    rgb = np.random.default_rng(list(name.encode())).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Picture(name, rgb)


@pytest.fixture(scope="session")
def corpus():
    return Corpus("noise", [noise(name) for name in "abc"], [noise("held")], "f" * 64)


@functools.cache
def composed(*overrides):
    return load([*TINY, *overrides])


@pytest.fixture
def configured(tmp_path):
    """configured(override, …): a configuration that trains in a moment, in a folder of this test."""

    def make(*overrides):
        config = copy.deepcopy(composed(*(word for word in overrides if not word.startswith("runs="))))
        runs = [word.removeprefix("runs=") for word in overrides if word.startswith("runs=")]
        config.runs = runs[0] if runs else f"{tmp_path}/runs"
        return config

    return make


def score(network):
    """A figure that goes up and down with the weights, at no cost."""
    return 30 + sum(float(p.detach().double().sum()) for p in network.parameters())


@pytest.fixture
def trained(corpus):
    """trained(config, *callbacks): train it in this process; the result."""
    return lambda config, *callbacks: train(config, corpus, score, None, callbacks)
