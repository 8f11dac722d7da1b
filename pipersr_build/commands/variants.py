"""What a configuration would cost, before anything is trained: the network with random weights, converted."""

import csv
import io
import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipersr_build import files, models
from pipersr_build.config import Config
from pipersr_build.config.wanted import contracts
from pipersr_build.evidence import RESIDENT, Placement, PlacementVerdict, Record
from pipersr_build.export.build import build
from pipersr_build.export.contracts import Contract
from pipersr_build.fusion import to_deploy
from pipersr_build.mil.census import census
from pipersr_build.mil.package import Package, open_package
from pipersr_build.placement import advice, latency, package_cost, rules
from pipersr_build.placement.chips import Chip
from pipersr_build.placement.latency import Band
from pipersr_build.placement.predict import predict
from pipersr_build.placement.quantities import Graph

Reaches = Literal["yes", "within the band", "no", "unknown"]


class Latency(Record):
    """A predicted band in ms on one chip; None where the chip's rates are not known."""

    chip: str
    low: float | None
    expected: float | None
    high: float | None
    bound: str | None
    regime: str | None
    resident: bool | None = Field(description="all on this chip's engine; None where that is not known")
    inferred: list[str] = Field(description="the quantities that nobody measured on this chip")
    placement_basis: str = Field(default="", description="on what the placement on this chip rests")
    reaches: Reaches | None = Field(default=None, description="the frame-rate target, of a video package")


class Estimate(Record):
    """One package of one variant; everything predicted."""

    source: Literal["predicted"] = "predicted"
    varied: dict[str, str]
    package: str
    width: int
    height: int
    scale: int | float
    operations: int
    parameters: int
    gflop: float
    megabytes: float = Field(description="read, written and constant, of all operations, 10^6 bytes")
    verdicts: dict[PlacementVerdict, int]
    resident: bool | None = Field(description="all on the first chip's engine; None where not known")
    placement_basis: str
    disputed: list[str] = Field(
        default=[], description="what others report of such operations and the prediction does not reproduce"
    )
    latencies: list[Latency]

    @property
    def intensity(self) -> float:
        """FLOP per byte of the whole package, every operation's bytes counted."""
        return self.gflop * 1e3 / self.megabytes

    @property
    def name(self) -> str:
        """The package, and what varies."""
        return ", ".join([self.package, *(f"{key.rpartition('.')[2]}={v}" for key, v in self.varied.items())])


def estimates(
    config: Config, chips: Sequence[Chip], varied: dict[str, str], fps: float | None
) -> Iterator[Estimate]:
    """The packages that a configuration asks for, one after the other.

    Args:
        config: with a network, sizes and a deployment target.
        chips: to estimate the latency for; the placement that is shown is the first one's.
        varied: the settings by which this variant differs from others.
        fps: frames per second that a video package is to reach.

    Raises:
        InputError: a size that cannot be used.
    """
    network = models.build(config.model).eval()
    with tempfile.TemporaryDirectory(prefix="pipersr-build-") as folder:
        made = build(
            to_deploy(network),
            contracts(config.export),
            Path(folder),
            deployment=config.target.deployment,
            title=models.facts(config.model).title,
            metadata={},
        )
        for contract, path in made:
            known = {
                "varied": varied,
                "scale": models.facts(config.model).scale,
                "parameters": models.parameters(network),
            }
            yield of_package(contract, open_package(path), chips, fps, known)


def of_package(
    contract: Contract, package: Package, chips: Sequence[Chip], fps: float | None, known: dict[str, Any]
) -> Estimate:
    """The estimate of one package; `known` holds what the package itself does not say."""
    families = dict.fromkeys(chip.family for chip in chips)
    placed = {family: predict(package, chip=family, function=package.main.name)[0] for family in families}
    parts = {family: package_cost.segments(package.main, placed[family]) for family in families}
    placement = placed[chips[0].family]
    costs = [op.estimates for op in placement.operations if op.estimates is not None]
    target = fps if contract.kind == "video" else None
    return Estimate(
        **known,
        package=contract.name,
        width=contract.width,
        height=contract.height,
        operations=sum(census(package.main).values()),
        gflop=sum(cost.flop for cost in costs) / 1e9,
        megabytes=sum(cost.bytes for cost in costs) / 1e6,
        verdicts=dict(Counter(op.verdict for op in placement.operations)),
        resident=_resident(placement),
        placement_basis=placement.basis,
        disputed=_disputed(package, chips[0]),
        latencies=[
            _latency(latency.band(parts[chip.family], chip), chip, placed[chip.family], target)
            for chip in chips
        ],
    )


def _disputed(package: Package, chip: Chip) -> list[str]:
    """The notes of `verify` on what is reported of the package's operations and not predicted."""
    function, table = package.main, rules.load()
    interface = package.interfaces.get(function.name)
    return advice.disputed(Graph(function), interface, table, table.family(chip.family))


def _resident(placement: Placement) -> bool | None:
    found = {op.verdict for op in placement.operations}
    if found <= RESIDENT:
        return True
    return None if found <= {*RESIDENT, "unknown", "dynamic"} else False


def _latency(band: Band, chip: Chip, placement: Placement, fps: float | None) -> Latency:
    low, expected, high = (None if math.isnan(v) else v for v in (band.low, band.expected, band.high))
    return Latency(
        chip=band.chip,
        low=low,
        expected=expected,
        high=high,
        bound=band.bound,
        regime=band.regime,
        resident=_resident(placement),
        placement_basis=placement.basis,
        inferred=[rate.quantity for rate in chip.inferred],
        reaches=None if fps is None else reaches(band, fps),
    )


def reaches(band: Band, fps: float) -> Reaches:
    """Whether a band keeps a frame rate: wholly, in part, or not."""
    if not band.known:
        return "unknown"
    limit = 1e3 / fps
    return "yes" if band.high <= limit else "no" if band.low > limit else "within the band"


def write(rows: Sequence[Estimate], folder: Path) -> None:
    """The rows as `estimate.json` and, a line for each chip, as `estimate.csv`."""
    text = "[\n" + ",\n".join(row.model_dump_json(indent=2) for row in rows) + "\n]\n"
    files.write_text(folder / "estimate.json", text)
    flat = [
        {**row.varied, **_flat(row), **one.model_dump(exclude={"inferred"})}
        for row in rows
        for one in row.latencies
    ]
    table = io.StringIO()
    writer = csv.DictWriter(table, list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    files.write_text(folder / "estimate.csv", table.getvalue())


def _flat(row: Estimate) -> dict[str, object]:
    left_out = {"varied", "verdicts", "latencies", "placement_basis", "resident", "disputed"}
    return row.model_dump(exclude=left_out)
