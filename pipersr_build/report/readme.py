"""Render the README's tables from records: `python -m pipersr_build.report.readme`.

A table stands between `<!-- record: NAME -->` and `<!-- end -->`; nothing between them is written by hand.
"""

import re
from collections.abc import Callable
from pathlib import Path

from pipersr_build import files
from pipersr_build.benchmark import record

ROOT = Path(__file__).resolve().parent.parent.parent
README = ROOT / "README.md"
BENCH = ROOT / "pipersr_build" / "benchmark" / "records" / "bench.json"


def render(text: str) -> str:
    """Return the README with every record's table as the records say."""

    def replace(match: re.Match[str]) -> str:
        return f"{match[1]}\n{TABLES[match[2]]()}\n{match[3]}"

    return re.sub(r"(<!-- record: (\w+) -->)\n.*?(<!-- end -->)", replace, text, flags=re.DOTALL)


def bench_table() -> str:
    """The latest benchmark record as a Markdown table."""
    found = record.load(BENCH)
    where = found.provenance
    rows = [
        f"| {f.name} | {f.value:.3f} {f.unit} | {f.bound} | {f.detail} |" for f in found.figures
    ]
    machine = f"{where.machine.processor}, {where.machine.cores} cores, {where.machine.system}"
    versions = f"Python {where.python}, torch {where.torch}, coremltools {where.coremltools}"
    commit = (where.git_commit or "unknown")[:10]
    return "\n".join([
        "| figure | measured | limit | detail |", "|---|---:|---:|---|", *rows, "",
        f"{where.created[:10]}, {machine}; {versions}; commit {commit}.",
    ])  # fmt: skip


TABLES: dict[str, Callable[[], str]] = {"bench": bench_table}

if __name__ == "__main__":
    files.write_text(README, render(README.read_text()))
