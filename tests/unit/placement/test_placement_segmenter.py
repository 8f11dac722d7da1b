"""The simulation of Core ML's segmenter, against trying every way through the back ends."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build.placement.profile import BackEnd, Costs
from pipersr_build.placement.segmenter import Step, segment

COSTS = Costs(engine_launch=0.125, switch=0.125, engine_output=0.125)


def brute_force(steps: list[Step], ends: tuple[BackEnd, ...]) -> float:
    total, before = 0.0, None
    for step, end in zip(steps, ends, strict=True):
        total += step.times[end]
        if end == "ane":
            total += COSTS.engine_output * step.outputs
        if end != before:
            total += (COSTS.switch if before else 0) + (COSTS.engine_launch if end == "ane" else 0)
        before = end
    return total


TIMES = st.integers(0, 40).map(lambda n: n / 64)  # exact in binary, so that ties are exact
STEPS = st.builds(
    lambda ane, bnns, classic, outputs: Step(
        {end: t for end, t in (("ane", ane), ("bnns", bnns), ("classic", classic)) if t is not None}, outputs
    ),
    st.none() | TIMES,
    TIMES,
    st.none() | TIMES,
    st.integers(0, 1),
)


@given(st.lists(STEPS, min_size=1, max_size=6))
def test_the_cheapest_way_and_every_alternative_are_those_of_trying_all(steps: list[Step]) -> None:
    found = segment(steps, COSTS)
    ways = {ends: brute_force(steps, ends) for ends in itertools.product(*(s.times for s in steps))}
    assert found.expected == pytest.approx(min(ways.values()))
    for i, decision in enumerate(found.decisions):
        engine = [cost for ends, cost in ways.items() if ends[i] == "ane"]
        cpu = min(cost for ends, cost in ways.items() if ends[i] != "ane")
        assert decision.cpu == pytest.approx(cpu)
        assert (decision.engine is None) == (not engine)
        if engine:
            assert decision.engine == pytest.approx(min(engine))
            better = "tie" if min(engine) == cpu else "ane" if min(engine) < cpu else "cpu"
            assert decision.choice == better


def test_the_engine_must_save_its_launch_and_its_output() -> None:
    """0.25 ms for a whole program: the measured break-even."""
    for saving, choice in ((0.24, "cpu"), (0.25, "tie"), (0.26, "ane")):
        steps = [Step({"ane": 0.1, "bnns": 0.1 + saving}, outputs=1)]
        assert segment(steps, COSTS).decisions[0].choice == choice


def test_a_segment_between_cpu_operations_must_save_more() -> None:
    """0.375 ms: two switches and a launch."""
    fence = Step({"bnns": 0.01})
    for saving, choice in ((0.37, "cpu"), (0.375, "tie"), (0.38, "ane")):
        steps = [fence, Step({"ane": 0.0, "bnns": saving}), fence]
        assert segment(steps, COSTS).decisions[1].choice == choice


def test_a_last_operation_that_costs_the_same_everywhere_is_a_tie() -> None:
    steps = [Step({"ane": 0.1, "bnns": 2.0}), Step({"ane": 0.003, "bnns": 0.003}, outputs=1)]
    found = segment(steps, COSTS)
    assert [d.choice for d in found.decisions] == ["ane", "tie"]
    assert found.engine == pytest.approx(0.353)
    assert found.cpu == pytest.approx(2.003)


def test_an_empty_program_costs_nothing() -> None:
    found = segment([], COSTS)
    assert (found.decisions, found.expected, found.engine, found.cpu) == ([], 0, 0, 0)
