"""Chip profiles: the rates as data, and the estimates that follow from them."""

import pytest
from placement_programs import const, conv, function, one, operation, subject, tensor, weight

from pipersr_build.errors import InputError
from pipersr_build.mil.graph import Function
from pipersr_build.placement import profile, rules
from pipersr_build.placement.profile import Estimate, Profile, parse

M4 = profile.named("m4_macos27")


def estimate(program: Function, of: Profile = M4) -> Estimate:
    found = of.estimate(subject(program))
    assert found is not None
    return found


def concat() -> Function:
    half = tensor(1, 64, 32, 32)
    return function(
        [operation("concat", tensor(1, 128, 32, 32), values=("a", "b"), axis=const(1))], a=half, b=half
    )


def conv_transpose() -> Function:
    return one("conv_transpose", tensor(1, 64, 64, 64), weight=weight(64, 64, 2, 2))


@pytest.mark.parametrize(
    ("program", "engine_us", "cpu_us"),
    [
        (conv(), 4.674, 100.06),
        (conv((1, 1)), 1.171, 21.62),
        (conv(groups=64), 2.504, 43.55),
        (conv_transpose(), 8.83, 2125.6),
        (one("relu"), 2.62144, 2.62144),
        (one("silu"), 3.590, 4.308),
        (one("add", y=tensor(1, 64, 32, 32)), 7.286, 12.41),
        (concat(), 2.621, 22.79),
        (one("upsample_bilinear", tensor(1, 64, 64, 64)), 3.305, 499.6),
    ],
    ids=lambda p: p.operations[0].type if isinstance(p, Function) else "",
)
def test_estimates_are_those_that_core_ml_made_on_an_m4(
    program: Function, engine_us: float, cpu_us: float
) -> None:
    found = estimate(program)
    assert 1e3 * found.ane == pytest.approx(engine_us, rel=0.002)
    assert 1e3 * found.cpu == pytest.approx(cpu_us, rel=0.002)
    assert not found.assumed


def test_a_dilated_convolution_is_charged_for_less() -> None:
    """A quarter of the FLOP, which also puts it into the tier of lower intensity."""
    flop = 2 * 64 * 64 * 9 * 32 * 32 / 4
    assert estimate(conv(dilations=[2, 2])).ane == pytest.approx(flop / 7160.8e6, rel=1e-6)


def test_only_the_first_of_several_arguments_counts_without_a_model() -> None:
    """The first is smaller here than the second, to tell them apart."""
    first, second = tensor(1, 16, 32, 32), tensor(1, 64, 32, 32)
    joined = operation("stack", tensor(1, 80, 32, 32), values=("a", "b"))
    found = estimate(function([joined], a=first, b=second))
    assert 1e3 * found.ane == pytest.approx((16 + 80) * 2048 / 73.0144e3, rel=1e-6)


def test_what_another_chip_does_not_say_is_assumed_and_marked() -> None:
    m5 = profile.for_family("H17")
    assert m5 is not None
    assert not estimate(conv(), m5).assumed
    assert estimate(conv(), m5).ane > estimate(conv()).ane
    assert estimate(one("silu"), m5).assumed
    assert estimate(one("silu"), m5).ane == estimate(one("silu")).ane


def test_every_family_has_one_profile_or_none() -> None:
    families = [family for p in profile.shipped().values() for family in p.families]
    assert len(families) == len(set(families))
    assert set(families) <= set(rules.load().families)
    assert profile.for_family("H15") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("format = ", "is not TOML"),
        ("format = 1\nrates = 3\n", "families: Field required"),
        (
            'format=1\nfamilies=["H16"]\nchips=""\nos=""\nsource=""\ncosts={engine_launch=0,switch=0,engine_output=0}\n'
            'rate=[{operations=["*"],measure="nothing",ane=1,bnns=1}]',
            "no measure is called 'nothing'",
        ),
        (
            'format=1\nfamilies=["H16"]\nchips=""\nos=""\nsource=""\ncosts={engine_launch=0,switch=0,engine_output=0}\n'
            'rate=[{operations=["*"],measure="bytes",ane=0,bnns=1}]',
            "rate.0.ane",
        ),
    ],
)
def test_a_bad_profile_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(text)


def test_a_profile_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(InputError, match="m4_macos27"):
        profile.named("m99")
