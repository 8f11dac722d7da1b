"""How much work the engine must get before Core ML sends it there, from a predicted placement.

Core ML charges a segment on the engine for its launch, its switches and its results, whatever its size,
while the operations' own estimates grow with the picture: from some size on the engine is cheaper.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from pipersr_build.evidence import OperationPlacement, Placement
from pipersr_build.placement.profile import Costs
from pipersr_build.placement.quantities import COMPILE_TIME

LARGEST_GROWTH = 1000  # beyond it nobody is helped by knowing
STEP = 32  # sizes are rounded up to it: rows of 64 bytes


@dataclass(frozen=True, slots=True)
class Growth:
    """What a function lacks: it must have `times` its work, `gflop` in all, for the engine to be cheaper."""

    times: float
    gflop: float

    def size(self, width: int, height: int) -> tuple[int, int]:
        """A width and height with that much more work, in multiples of 32 pixels."""
        side = math.sqrt(self.times)
        return tuple(STEP * math.ceil(n * side / STEP) for n in (width, height))  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Operations in a row that could run on the engine and are expected elsewhere; times in ms.

    Attributes:
        operations: the stretch, in program order.
        saved: by how much the engine's own estimates are lower; negative if they are higher.
        needed: how much must be saved for the engine to be chosen.
        barriers: the operations before and after it that cannot run on the engine.
    """

    operations: tuple[OperationPlacement, ...]
    saved: float
    needed: float
    barriers: tuple[OperationPlacement, ...]


def growth(placement: Placement) -> Growth | None:
    """How much a function must grow whose operations are all left off the engine; None if it does not help.

    None as well where some are on the engine, or nothing is estimated. The weights' bytes are taken to
    grow along, which for the convolutions of a picture's network matters little.
    """
    placed = _placed(placement)
    times = [_times(op) for op in placed]
    verdicts = {op.verdict for op in placed}
    if placement.totals is None or "soft" not in verdicts or "ane" in verdicts or None in times:
        return None
    pairs = [pair for pair in times if pair is not None]
    engine = sum(ane if op.verdict in ("soft", "tie") else cpu
                 for op, (ane, cpu) in zip(placed, pairs, strict=True))  # fmt: skip
    fixed, gain = placement.totals.engine - engine, sum(cpu for _, cpu in pairs) - engine
    if gain <= 0 or fixed > LARGEST_GROWTH * gain:
        return None
    flop = sum(op.estimates.flop for op in placed if op.estimates is not None)
    return Growth(fixed / gain, fixed / gain * flop / 1e9)


def stretches(placement: Placement, costs: Costs, outputs: Sequence[str]) -> list[Stretch]:
    """The stretches of `soft` operations, in program order.

    Args:
        placement: the predicted placement.
        costs: what the segmenter adds.
        outputs: names of the function's results.
    """
    placed, found, start = _placed(placement), [], 0
    for soft, group in groupby(placed, key=lambda op: op.verdict == "soft"):
        run = tuple(group)
        before = placed[start - 1] if start else None
        start += len(run)
        after = placed[start] if start < len(placed) else None
        if soft:
            found.append(_stretch(run, before, after, costs, outputs))
    return found


def _stretch(
    run: tuple[OperationPlacement, ...],
    before: OperationPlacement | None,
    after: OperationPlacement | None,
    costs: Costs,
    outputs: Sequence[str],
) -> Stretch:
    times = [pair for op in run if (pair := _times(op)) is not None]
    made = sum(op.output_name in outputs for op in run) * costs.engine_output
    sides = [op for op in (before, after) if op is not None]
    there = sum(op.verdict == "ane" for op in sides)
    elsewhere = len(sides) - there
    launches = costs.engine_launch * (1 - there)  # two engine segments around it become one with it
    return Stretch(
        operations=run,
        saved=sum(cpu - ane for ane, cpu in times),
        needed=launches + costs.switch * (elsewhere - there) + made,
        barriers=tuple(op for op in sides if op.verdict in ("hard", "unknown")),
    )


def _placed(placement: Placement) -> list[OperationPlacement]:
    return [op for op in placement.operations if not op.operator.startswith(COMPILE_TIME)]


def _times(op: OperationPlacement) -> tuple[float, float] | None:
    """The estimates on the engine and on the CPU; None where one is not known."""
    own = op.estimates
    return None if own is None or own.ane_ms is None or own.cpu_ms is None else (own.ane_ms, own.cpu_ms)
