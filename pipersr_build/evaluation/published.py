"""Scores that others published, from `published.csv` beside this file, each with its source."""

import csv
from dataclasses import dataclass
from pathlib import Path

_TABLE = Path(__file__).with_name("published.csv")


@dataclass(frozen=True)
class Published:
    """A network's score on one test set.

    `parameters` are those of the network at this scale, None where they are not known; `protocol` is a
    name in `protocol.PROTOCOLS` or says how the publication scored; `psnr` is in dB.
    """

    network: str
    parameters: int | None
    scale: int
    dataset: str
    protocol: str
    psnr: float
    ssim: float | None
    source: str


def load_published(dataset: str | None = None) -> list[Published]:
    """The rows of the table in its order, of one test set or of all."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = [_row(row) for row in csv.DictReader(file)]
    return [row for row in rows if dataset in (None, row.dataset)]


def _row(row: dict[str, str]) -> Published:
    return Published(
        network=row["network"],
        parameters=int(row["parameters"]) if row["parameters"] else None,
        scale=int(row["scale"]),
        dataset=row["dataset"],
        protocol=row["protocol"],
        psnr=float(row["psnr"]),
        ssim=float(row["ssim"]) if row["ssim"] else None,
        source=row["source"],
    )
