"""Spoil packages at random and check that `verify` answers or refuses: no traceback, no hang.

    python -m tests.fuzz.fuzz_packages --cases 2000 --seed 1

Every case is made of its own seed, so that `--seed S --first N --cases 1` makes case N again.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console

from pipersr_build.errors import BuildError
from pipersr_build.placement import pin
from pipersr_build.placement.analysis import Analysis, Verification, analyse
from pipersr_build.progress import track
from pipersr_build.report.placement_github import annotations
from pipersr_build.report.placement_html import to_html
from pipersr_build.report.placement_json import from_json, to_json
from pipersr_build.report.placement_junit import to_junit
from pipersr_build.report.placement_terminal import conclusion, package_view
from tests.fuzz.mutations import MUTATIONS
from tests.fuzz.strange_packages import NAMES, write

LIMIT_S = 10.0  # a case of a sound package takes less than one


class CaseTimeoutError(Exception):
    """A case took longer than its limit."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case: `analysed`, `refused`, `failed` (a traceback) or `hung`."""

    kind: str
    label: str
    seconds: float
    message: str = ""


def sound_packages(folder: Path, names: Sequence[str] = NAMES) -> list[Path]:
    """The packages that are spoilt."""
    return [write(name, folder) for name in names]


def run_case(
    sources: Sequence[Path], seed: int, number: int, scratch: Path, limit_s: float = LIMIT_S
) -> Outcome:
    """Make case `number` and judge it, with all forms of report."""
    rng = random.Random(f"{seed}/{number}")
    source = rng.choice(list(sources))
    package = scratch / "spoilt.mlpackage"
    shutil.copytree(source, package)
    chosen = rng.sample(MUTATIONS, rng.choice((1, 1, 1, 2)))
    label = f"{source.stem}: {', '.join(mutation.__name__ for mutation in chosen)}"
    try:
        for mutation in chosen:
            try:
                mutation(rng, package)
            except Exception:  # a second mutation of what the first has destroyed
                continue
        return _judged(package, label, limit_s)
    finally:
        shutil.rmtree(package, ignore_errors=True)


def _judged(package: Path, label: str, limit_s: float) -> Outcome:
    start = time.perf_counter()
    try:
        with time_limit(limit_s):
            kind, message = _answer(package)
    except CaseTimeoutError:
        kind, message = "hung", f"more than {limit_s:g} s: {traceback.format_exc(limit=-4)}"
    except Exception:  # whatever it is, a user would see it as a traceback
        kind, message = "failed", traceback.format_exc()
    return Outcome(kind, label, time.perf_counter() - start, message)


def _answer(package: Path) -> tuple[str, str]:
    """Judge the package as the command does, and write every form of report."""
    try:
        analysis = analyse(package)
        kind, message = "analysed", ""
    except BuildError as error:
        analysis = Analysis(package, error=error)
        kind, message = "refused", error.what
    found = Verification([analysis], [package.name], "M4 (h16)", changes=["x"])
    assert from_json(to_json(found))[0].package == str(package)
    for form in (to_html, to_junit):
        form(found)
    list(annotations(found))
    pin.snapshot({"x": [f.answer for f in analysis.functions]}, "M4")
    console = Console(file=_Nowhere(), width=100)
    for part in (
        *package_view(analysis, package.name, "M4 (h16)"),
        conclusion(analysis, package.name, found),
    ):
        console.print(part)
    return kind, message


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text.encode())  # what a terminal could not be sent is an error here too

    def flush(self) -> None:
        pass


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `CaseTimeoutError` in what takes longer."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise CaseTimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases, print a summary; 1 if any failed or hung."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds a case may take")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        sources = sound_packages(Path(folder))
        numbers = range(options.first, options.first + options.cases)
        outcomes = {
            number: run_case(sources, options.seed, number, Path(folder), options.limit)
            for number in track("fuzzing", numbers, options.cases)
        }
    return summarise(outcomes, options.seed)


def summarise(outcomes: dict[int, Outcome], seed: int) -> int:
    """Print what came of the cases, those in full that must not be."""
    bad = {number: outcome for number, outcome in outcomes.items() if outcome.kind in ("failed", "hung")}
    alike: dict[str, list[int]] = {}
    for number, outcome in bad.items():
        alike.setdefault(outcome.message[-400:], []).append(number)
    for numbers in alike.values():
        first = outcomes[numbers[0]]
        print(f"cases {numbers[:10]} of seed {seed} {first.kind} ({first.label}):\n{first.message}")
    counts = Counter(outcome.kind for outcome in outcomes.values())
    slowest = max((outcome.seconds for outcome in outcomes.values()), default=0.0)
    told = ", ".join(f"{n} {kind}" for kind, n in counts.most_common())
    print(f"{len(outcomes)} cases of seed {seed}: {told}; slowest {slowest:.2f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
