from dataclasses import fields

import pytest

from pipersr_build import models
from pipersr_build.models.third_party import ThirdPartyConfig

KNOWN = ThirdPartyConfig(
    architecture="SwinIR", scale=4, size_multiple=8, receptive_radius=21, file="some.pth",
    file_sha256="0123456789abcdef" * 4, stored="float16",
)  # fmt: skip


def test_the_facts_are_what_the_file_and_a_measurement_say():
    facts = models.facts(KNOWN)
    assert (facts.scale, facts.size_multiple, facts.receptive_radius, facts.channels) == (4, 8, 21, 3)
    assert facts.title == "SwinIR 4x, some.pth, SHA-256 0123456789abcdef"
    assert facts.source == f"weights by others: some.pth, SHA-256 {KNOWN.file_sha256}"
    assert facts.licence == "as the weights' authors say"
    assert facts.values == "RGB in [0, 1], returned not clipped"


def test_a_description_survives_the_way_through_plain_data():
    assert ThirdPartyConfig(**models.describe(KNOWN)) == KNOWN
    assert models.describe(KNOWN).keys() == {field.name for field in fields(ThirdPartyConfig)}


@pytest.mark.parametrize("scale", [2, 16])
@pytest.mark.parametrize("multiple", [1, 64])
def test_all_scales_and_sizes_that_others_have_are_taken(scale, multiple):
    assert models.facts(ThirdPartyConfig(scale=scale, size_multiple=multiple)).scale == scale


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("scale", 1, "between 2 and 16"), ("scale", 17, "between 2 and 16"),
        ("size_multiple", 0, "at least 1"),
        ("receptive_radius", -1, "at least 0"), ("scale", 2.0, "of type int"), ("scale", True, "of type int"),
        ("receptive_radius", "far", "of type int or nothing"), ("file", None, "of type str"),
        ("architecture", 3, "of type str"), ("size_multiple", 1.5, "of type int"),
    ],
)  # fmt: skip
def test_values_that_name_no_network_are_refused_by_name(key, value, allowed):
    with pytest.raises(ValueError, match=rf"model\.{key} is {value!r}; it must .*{allowed}"):
        ThirdPartyConfig(**{key: value})


def test_there_is_no_network_without_weights():
    with pytest.raises(ValueError, match="SwinIR comes with weights only: give weights=FILE"):
        models.build(KNOWN)
