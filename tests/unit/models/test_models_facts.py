"""What every variant in conf/model says of itself, held against what it does."""

from dataclasses import replace

import pytest
import torch
from family_checks import lively

from pipersr_build import models
from pipersr_build.commands.compare_subjects import networks
from pipersr_build.models.ecbsr import ECBSRConfig
from pipersr_build.models.espcn import ESPCNConfig
from pipersr_build.models.facts import Facts
from pipersr_build.models.quicksrnet import QuickSRNetConfig
from pipersr_build.models.sesr import SESRConfig
from pipersr_build.zoo.radius import receptive_radius

SMALL = {"channels": 16, "blocks": 1, "groups": 1, "expansion": 8}  # enough to see what comes out


def small(config):
    """A variant with few channels and blocks, as far as its family has them."""
    return replace(config, **{key: value for key, value in SMALL.items() if hasattr(config, key)})


# one of each family, scales aside, and the forms that no file of conf/model has
KINDS = {name.removesuffix("_2x"): config for name, config in networks().items() if config.scale == 2}
KINDS |= {
    "quicksrnet_relu": QuickSRNetConfig(activation="relu"),
    "quicksrnet_1.5x": QuickSRNetConfig(scale=1.5),
    "sesr_luma": SESRConfig(form="luma"),
    "espcn_luma": ESPCNConfig(colours=1),
    "ecbsr_luma": ECBSRConfig(colours=1),
}


@pytest.mark.parametrize("name", networks())
def test_every_variant_says_where_it_comes_from_and_under_what_licence(name):
    facts = models.facts(networks()[name])
    assert facts.source.startswith("https://")
    assert "no weights of others" in facts.licence or "no code or weights of others" in facts.licence
    assert facts.values.startswith("RGB in [0, 1], returned ")


@pytest.mark.parametrize("name", KINDS)
def test_colours_scale_and_range_are_what_the_facts_say(name):
    config = small(KINDS[name])
    facts = models.facts(config)
    network = lively(config)
    with torch.inference_mode():
        # far outside of pictures, so that values leave the range wherever nothing keeps them in
        sr = network(40 * torch.rand(1, facts.channels, 16, 16) - 20)
    assert sr.shape == (1, facts.channels, 16 * facts.scale, 16 * facts.scale)
    assert facts.clipped == bool(sr.min() >= 0 and sr.max() <= 1)


@pytest.mark.parametrize("name", [name for name in KINDS if not name.endswith("luma")])
def test_the_network_looks_as_far_as_the_facts_say(name):
    config = small(KINDS[name])
    facts = models.facts(config)
    # one pixel made NaN, in three places: None where it reaches far, or not equally far from all
    assert receptive_radius(lively(config), facts.scale) == facts.receptive_radius


def test_values_in_words():
    facts = Facts("t", 2, 1, 1, "s")
    assert facts.values == "RGB in [0, 1], returned not clipped"
    assert replace(facts, channels=1, clipped=True).values == "luma in [0, 1], returned in [0, 1]"
    assert replace(facts, channels=4).values.startswith("4 channels")
