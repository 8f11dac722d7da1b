"""What others published of the networks in `conf/model`: the main table's rows, and more of fewer of them.

`published_variants.csv` says under which name a variant was published, `published_family.csv` holds figures
that do not belong in the main table because they were not scored like its rows: other scales, 8-bit weights,
re-implementations, metrics of one project's own. Each says how it was scored, and its source.
"""

import csv
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pipersr_build.evaluation.published import Published, load_published

_FOLDER = Path(__file__).parent
_SCALE = re.compile(r"_[\d.]+x$")


def published_of(variant: str, scale: float) -> list[Published]:
    """The published figures of a variant at its scale; of each test set the most comparable one first.

    Args:
        variant: a name in `conf/model`, for example `sesr_m5_2x`.
        scale: of the network.

    Returns:
        The main table's rows before the others; empty where nothing was published.
    """
    called = names().get(_SCALE.sub("", variant), [])
    return [row for row in (*load_published(), *_more()) if row.network in called and row.scale == scale]


@cache
def names() -> dict[str, list[str]]:
    """The published networks' names for each variant's name without its scale: a paper's, a release's."""
    found: dict[str, list[str]] = {}
    for row in _rows("published_variants.csv"):
        found.setdefault(row["variant"], []).append(row["network"])
    return found


@cache
def _more() -> tuple[Published, ...]:
    return tuple(
        Published(
            network=row["network"],
            parameters=int(row["parameters"]),
            scale=float(row["scale"]),
            dataset=row["dataset"],
            protocol=row["protocol"],
            psnr=float(row["psnr"]),
            ssim=float(row["ssim"]) if row["ssim"] else None,
            source=row["source"],
        )
        for row in _rows("published_family.csv")
    )


def _rows(file: str) -> Iterator[dict[str, str]]:
    with (_FOLDER / file).open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)
