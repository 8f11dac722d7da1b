"""What a placement says, in counts and sentences, so that every form of report says the same."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from pipersr_build.evidence import RESIDENT, OperationPlacement, Placement, PlacementVerdict

MEANINGS: dict[PlacementVerdict, str] = {
    "ane": "on the ANE",
    "tie": "on the ANE, or for the same estimate on another device",
    "soft": "the ANE can run it, another device is chosen",
    "hard": "the ANE cannot run it",
    "dynamic": "shapes known only at run time: no estimate decides",
    "unknown": "no evidence",
}
ORDER: tuple[PlacementVerdict, ...] = tuple(MEANINGS)
# the reverse of good news: which verdict stands for several operations that are drawn as one
GRAVITY: tuple[PlacementVerdict, ...] = ("ane", "tie", "unknown", "dynamic", "soft", "hard")
assert set(ORDER) == set(GRAVITY) == set(get_args(PlacementVerdict))


@dataclass(frozen=True)
class Residency:
    """How much of a function is on the ANE.

    Attributes:
        operations: how many there are.
        verdicts: how many operations have each verdict that occurs.
        flop: floating-point operations of all of them; None where the placement has no estimates.
        resident_flop: of those on the ANE.
    """

    operations: int
    verdicts: dict[PlacementVerdict, int]
    flop: float | None
    resident_flop: float | None

    @property
    def resident(self) -> int:
        """Operations with a verdict that counts as on the ANE."""
        return sum(n for verdict, n in self.verdicts.items() if verdict in RESIDENT)

    @property
    def all_resident(self) -> bool:
        """Whether there are operations and every one is on the ANE."""
        return self.operations > 0 and self.resident == self.operations

    @property
    def flop_share(self) -> float | None:
        """Share of the floating-point operations that are on the ANE; None where nothing is computed."""
        return self.resident_flop / self.flop if self.flop and self.resident_flop is not None else None

    @property
    def others(self) -> dict[PlacementVerdict, int]:
        """The verdicts that stand in the way, with their counts."""
        return {verdict: n for verdict, n in self.verdicts.items() if verdict not in RESIDENT}


def residency(placement: Placement) -> Residency:
    """Count a placement's operations and their floating-point operations."""
    counts = Counter(operation.verdict for operation in placement.operations)
    work = [(op.estimates.flop, op.verdict in RESIDENT) for op in placement.operations if op.estimates]
    return Residency(
        operations=len(placement.operations),
        verdicts={verdict: counts[verdict] for verdict in ORDER if counts[verdict]},
        flop=sum(f for f, _ in work) if work else None,
        resident_flop=sum(f for f, resident in work if resident) if work else None,
    )


def placement_summary(placement: Placement) -> str:
    """One sentence: `27 of 30 operations predicted on the ANE, 99.8 % of the FLOP; 2 hard, 1 unknown`.

    A prediction says so in itself.
    """
    counts = residency(placement)
    how = " predicted" if placement.source == "predicted" else ""
    text = f"{counts.resident} of {counts.operations} operations{how} on the ANE"
    share = counts.flop_share
    text += "" if share is None else f", {percent(share)} of the FLOP"
    if ties := counts.verdicts.get("tie"):
        text += f", {ties} of them tied"
    others = ", ".join(f"{n} {verdict}" for verdict, n in counts.others.items())
    return f"{text}; {others}" if others else text


def percent(share: float) -> str:
    """A share in per cent with one decimal; only 1 is written as 100 % and only 0 as 0 %."""
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    return f"{min(max(100 * share, 0.1), 99.9):.1f} %"


def worst(verdicts: Iterable[PlacementVerdict]) -> PlacementVerdict:
    """The gravest of some verdicts."""
    return max(verdicts, key=GRAVITY.index)


def flop(amount: float) -> str:
    """Floating-point operations with a prefix: `14.8 GFLOP`."""
    return _prefixed(amount, "FLOP")


def volume(amount: float) -> str:
    """Bytes with a decimal prefix: `1.2 MB`."""
    return _prefixed(amount, "B")


def milliseconds(time: float | None) -> str:
    """An estimate with three significant digits: `0.0047 ms`; a dash where there is none."""
    return "–" if time is None else f"{time:.3g} ms"


def estimates_line(operation: OperationPlacement) -> str:
    """What an operation costs, in one line; empty where nothing is estimated."""
    known = operation.estimates
    if known is None:
        return ""
    parts = [flop(known.flop), volume(known.bytes)]
    if known.ane_ms is not None or known.cpu_ms is not None:
        parts.append(f"estimate {milliseconds(known.ane_ms)} ANE, {milliseconds(known.cpu_ms)} CPU")
    parts += [] if known.share is None else [f"{percent(known.share)} of the estimate"]
    return ", ".join(parts)


def totals_line(placement: Placement) -> str:
    """The estimates that decide a whole function's placement; empty where there are none."""
    totals = placement.totals
    if totals is None:
        return ""
    return (
        f"Core ML's estimates, no latencies: {milliseconds(totals.expected)} as expected, "
        f"{milliseconds(totals.engine)} with all it can on the ANE, {milliseconds(totals.cpu)} on the CPU"
    )


def latency_line(placement: Placement) -> str:
    """The predicted latency as a band; empty where there is none."""
    band = placement.latency
    if band is None:
        return ""
    rest = "" if band.whole else "; its part on the CPU is Core ML's estimate, which is no latency"
    return (
        f"latency of a call on {band.chip}, predicted: {milliseconds(band.expected)} "
        f"({milliseconds(band.low)} to {milliseconds(band.high)}){rest}"
    )


def _prefixed(amount: float, unit: str) -> str:
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if amount >= factor:
            return f"{amount / factor:,.3g} {prefix}{unit}"
    return f"{amount:.3g} {unit}"
