"""Scores that others published, from `published.csv` beside this file, each with its source."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipersr_build.evaluation.record import Difference
from pipersr_build.evidence import Quality

REFERENCE = "PiperSR"  # the network that results are held against
BICUBIC = "bicubic"
# Bicubic leaves nothing to choice: on the same pictures it gives the published figure to its last digit.
SAME_PICTURES_DB = 0.002

_TABLE = Path(__file__).with_name("published.csv")


@dataclass(frozen=True)
class Published:
    """A network's score on one test set.

    `parameters` are those of the network at this scale, None where they are not known; `protocol` is a
    name in `protocol.PROTOCOLS` or says how the publication scored; `psnr` is in dB.
    """

    network: str
    parameters: int | None
    scale: int | float
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


def measured(network: str, dataset: str, scale: float, protocol: str) -> Published | None:
    """A network's score under one of our protocols, if the table has it."""
    for row in load_published(dataset):
        if (row.network, row.scale, row.protocol) == (network, scale, protocol):
            return row
    return None


def other_pictures(row: Quality) -> bool:
    """Whether this is a row of bicubic, and shows that the pictures are not those of the set's name."""
    known = measured(BICUBIC, row.dataset, row.scale, row.protocol) if row.subject == BICUBIC else None
    return known is not None and abs(known.psnr - row.mean_psnr) > SAME_PICTURES_DB


def against_published(rows: Sequence[Quality]) -> list[Difference]:
    """Every method's mean less the published PiperSR network's, where that was measured alike.

    Alike means the same test set, scale and protocol. Where `rows` hold bicubic too, it must give the
    figure that it is known to give: a set of other pictures under a known name is not compared.

    Returns:
        one difference per row in their order, bicubic itself left out.
    """
    others = {_key(row) for row in rows if other_pictures(row)}
    found = (_difference(row) for row in rows if row.subject != BICUBIC and _key(row) not in others)
    return [difference for difference in found if difference is not None]


def _key(row: Quality) -> tuple[str, float, str]:
    return row.dataset, row.scale, row.protocol


def _difference(row: Quality) -> Difference | None:
    known = measured(REFERENCE, *_key(row))
    if known is None:
        return None
    return Difference(
        subject=row.subject,
        dataset=row.dataset,
        protocol=row.protocol,
        network=known.network,
        published_psnr=known.psnr,
        published_ssim=known.ssim,
        psnr=row.mean_psnr - known.psnr,
        ssim=None if known.ssim is None else row.mean_ssim - known.ssim,
        source=known.source,
    )


def best(rows: Iterable[Published], protocol: str) -> list[Published]:
    """One row per network, in the table's order: the one under `protocol`, else as it was published."""
    chosen: dict[str, Published] = {}
    for row in rows:
        if row.network not in chosen or row.protocol == protocol:
            chosen[row.network] = row
    return list(chosen.values())
