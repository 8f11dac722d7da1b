"""Make a chip profile of what Core ML's compiler estimates on your own Mac.

`python -m pipersr_build.placement.refresh PACKAGE ANALYTICS.mil M4 "macOS 27.0.1" > mine.toml`

A profile shipped here is of one chip and one OS. On another, the compiler's analytics file of any package
holds its own estimates; each operation's work divided by them gives rates. Rows and conditions are those
of the shipped profile of the chip's family, or of the one it is `like`; rows that no operation of the package
falls under stay as they are. The result replaces the family's file in `profiles/`, and every prediction
for the family then uses it.
"""

import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipersr_build.errors import BuildError, InputError
from pipersr_build.mil.graph import Function
from pipersr_build.mil.package import open_package
from pipersr_build.placement import profile, rules
from pipersr_build.placement.analytics import Analysed, Analytics, read
from pipersr_build.placement.measured import BACK_ENDS, costs
from pipersr_build.placement.profile import MEASURES, BackEnd, Profile, RateRow
from pipersr_build.placement.quantities import Graph, Subject

Rates = dict[BackEnd, float]
MS_PER_S, GIGA = 1e3, 1e9
SPREAD = 0.05  # relative; a row whose operations differ by more in rate is not one row on this machine


def refresh(function: Function, notes: Analytics, chip: str, system: str) -> tuple[Profile, list[str]]:
    """A profile of measured rates over the shipped profile of the chip's family, and what to mind.

    Args:
        function: the function that was compiled.
        notes: the compiler's about it.
        chip: the chip's name (`M4`) or family.
        system: the OS that compiled it, for the record.

    Raises:
        InputError: no such chip, or the notes say nothing of this function.
    """
    family = rules.load().family(chip)
    own = profile.for_family(family)
    like = _whole() if own is None else own.like
    base = own if own is not None and like is None else profile.named(str(like))
    found = _measured(base, function, notes)
    if not found:
        what = "the analytics file has no estimates for this package's operations"
        raise InputError(what, fix="give the file that Core ML made of this very package")
    rates = [row for row, _ in found.values()] + list(own.rate if own else ())
    if like is None:
        rates = [found[i][0] if i in found else row for i, row in enumerate(base.rate)]
    fresh = base.model_copy(
        update={
            "families": (family,) if own is None else own.families,
            "chips": chip,
            "os": system,
            "like": like,
            "source": f"the compiler's analytics of one package, {chip}, {system}; other rows as before",
            "costs": costs(notes) or base.costs,
            "rate": tuple(rates),
            "other_path": () if like else base.other_path,
        }
    )
    return fresh, [problem for _, problem in found.values() if problem]


def _whole() -> str:
    """A shipped profile that leaves nothing to another, for chips of which nothing is known."""
    return next(name for name, one in profile.shipped().items() if one.like is None)


def _measured(base: Profile, function: Function, notes: Analytics) -> dict[int, tuple[RateRow, str]]:
    """The base's rows that operations fall under, by index: their median rates, and what to mind."""
    graph, samples = Graph(function), [list[Rates]() for _ in base.rate]
    for op in function.walk():
        noted, subject = notes.operations.get(op.name), Subject(op, graph)
        index = next((i for i, row in enumerate(base.rate) if row.fits(subject)), None)
        if noted is not None and index is not None:
            samples[index].append(_rates(noted, MEASURES[base.rate[index].measure](subject)))
    complete = {i: [one for one in taken if {"ane", "bnns"} <= one.keys()] for i, taken in enumerate(samples)}
    return {
        i: (_row(base.rate[i], taken), _spread(base.rate[i], taken)) for i, taken in complete.items() if taken
    }


def _row(row: RateRow, taken: Sequence[Rates]) -> RateRow:
    """The row with the median rate of every back end; a back end that was not seen has none."""
    seen: dict[BackEnd, list[float]] = {
        end: [one[end] for one in taken if end in one] for end in BACK_ENDS.values()
    }
    median = {end: statistics.median(rates) if rates else None for end, rates in seen.items()}
    return row.model_copy(update={str(end): rate for end, rate in median.items()})


def _rates(noted: Analysed, amount: float) -> Rates:
    """GFLOP/s or GB/s, to six digits; none where the compiler estimates no time or there is no work."""
    times = {end: noted.times_ms[name] for name, end in BACK_ENDS.items() if name in noted.times_ms}
    return {
        end: float(f"{amount / ms * MS_PER_S / GIGA:.6g}")
        for end, ms in times.items()
        if ms > 0 and amount > 0
    }


def _spread(row: RateRow, taken: Sequence[Rates]) -> str:
    rates = [one["ane"] for one in taken]
    if max(rates) - min(rates) <= SPREAD * statistics.median(rates):
        return ""
    kinds = ", ".join(row.operations[:3])
    return f"{kinds}: {min(rates):g} to {max(rates):g} on the ANE, so its conditions do not fit this machine"


def to_toml(fresh: Profile) -> str:
    """The profile as a file of `profiles/`."""
    whole = fresh.model_dump(mode="json", exclude_none=True)
    first = {key: whole[key] for key in whole if key not in ("costs", "rate", "other_path")}
    tables = [("[costs]", whole["costs"])]
    for head, rows in (("[[rate]]", fresh.rate), ("[[other_path]]", fresh.other_path)):
        tables += [(head, row.model_dump(mode="json", exclude_unset=True, exclude_none=True)) for row in rows]
    texts = [_lines(first), *(f"{head}\n{_lines(table)}" for head, table in tables)]
    return "\n\n".join(texts) + "\n"


def _lines(table: Mapping[str, Any]) -> str:
    return "\n".join(f"{key} = {_value(value)}" for key, value in table.items())


def _value(value: Any) -> str:
    """A TOML value; tables are written inline."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def main(arguments: Sequence[str]) -> int:
    """Print the profile of a package and its analytics file; problems go to stderr."""
    if len(arguments) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    package, notes, chip, system = arguments
    try:
        fresh, problems = refresh(open_package(package).main, read(Path(notes)), chip, system)
    except BuildError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    for problem in problems:
        print(f"note: {problem}", file=sys.stderr)
    print(to_toml(fresh), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
