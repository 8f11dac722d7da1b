"""What `compare` says of one network: counted on, or predicted for, the package of one locked frame.

Conversions are slow, so that rows are kept in a folder under the hash of everything that they depend on, this
toolkit's own files included.
"""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from torch import nn

import pipersr_build
from pipersr_build import files, models
from pipersr_build.commands import variants
from pipersr_build.config import Config
from pipersr_build.errors import BuildError, InputError
from pipersr_build.evaluation.parameters import count_parameters
from pipersr_build.evaluation.published_family import published_of
from pipersr_build.export.build import build, build_for_census
from pipersr_build.export.contracts import Contract
from pipersr_build.export.sizes import parse_sizes
from pipersr_build.fusion import collapse_branches, count_batch_norms, to_deploy
from pipersr_build.mil.census import census
from pipersr_build.mil.package import Package, open_package
from pipersr_build.models.weights import load_weights
from pipersr_build.placement import chips
from pipersr_build.placement.chips import Chip
from pipersr_build.report.compare_record import Kind, Latency, PublishedScore, Row
from pipersr_build.runtime.frames import enlargement

CACHE = "compare"  # in `runs`


@dataclass(frozen=True)
class Subject:
    """Something to compare.

    Attributes:
        name: what tables call it.
        kind: a network as it begins, one with trained weights, or a package.
        model: its configuration; None for a package.
        path: of weights or package.
        variant: its name in `conf/model`, empty where it has none.
    """

    name: str
    kind: Kind
    model: Any = None
    path: Path | None = None
    variant: str = ""


def chips_of(config: Config) -> list[Chip]:
    """The chips that `placement.chip` names, those with the most measured rates first.

    Raises:
        InputError: no such chip.
    """
    found = chips.load().named(config.placement.chip)
    return sorted(found, key=lambda chip: (not chip.known, len(chip.inferred)))


def frame_of(config: Config) -> Contract:
    """The locked frame that `compare.size` names.

    Raises:
        InputError: it is not one size.
    """
    sizes = parse_sizes(config.compare.size, "compare.size")
    if len(sizes) != 1:
        fix = "give one size, for example 360p or 640x360"
        raise InputError(f"compare.size is {config.compare.size!r}", where="configuration key compare.size",
                         fix=fix)  # fmt: skip
    return Contract("video", sizes[0].label, sizes[0].height, sizes[0].width)


def row_of(subject: Subject, config: Config, among: Sequence[Chip]) -> Row:
    """The row of a subject, from the cache if nothing that it depends on has changed.

    A network that cannot be made a package has a row that says why; scores are not looked up here.
    """
    place = Path(config.runs) / CACHE / f"{_key(subject, config, among)}.json"
    row = _kept(place)
    if row is None:
        row = _measured(subject, config, among)
        files.write_text(place, row.model_dump_json(indent=2) + "\n")
    published = published_of(subject.variant, row.scale) if subject.variant and row.scale else []
    found = [PublishedScore(dataset=p.dataset, protocol=p.protocol, psnr=p.psnr, parameters=p.parameters,
                            source=p.source) for p in published]  # fmt: skip
    return row.model_copy(update={"name": subject.name, "published": found})


def _kept(place: Path) -> Row | None:
    """A row of an earlier run, if it can be read."""
    try:
        return Row.model_validate_json(place.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _key(subject: Subject, config: Config, among: Sequence[Chip]) -> str:
    parts = {
        "model": None if subject.model is None else models.describe(subject.model),
        "file": files.sha256(subject.path) if subject.path is not None else "",
        "frame": config.compare.size,
        "target": config.target.deployment,
        "rewrite": config.export.rewrite,
        "chips": [chip.name for chip in among],
        "toolkit": _toolkit(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


@cache
def _toolkit() -> str:
    """The hash of this toolkit's code and tables."""
    root = Path(pipersr_build.__file__).parent
    own = sorted(p for p in root.rglob("*") if p.suffix in (".py", ".toml") and p.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in own)).hexdigest()


def _measured(subject: Subject, config: Config, among: Sequence[Chip]) -> Row:
    try:
        if subject.kind == "package":
            assert subject.path is not None
            return _package_row(subject, subject.path, among)
        return _network_row(subject, config, among)
    except BuildError as error:
        facts = _facts(subject.model) if subject.model is not None else {}
        return Row(name=subject.name, kind=subject.kind, error=error.what, **facts)


def _network_row(subject: Subject, config: Config, among: Sequence[Chip]) -> Row:
    frame, title = frame_of(config), models.facts(subject.model).title
    _check_size(subject.model, frame)
    network = load_weights(subject.path).network if subject.path else models.build(subject.model).eval()
    deployed, deployment = to_deploy(network), config.target.deployment
    with tempfile.TemporaryDirectory(prefix="pipersr-build-") as folder:
        [(_, path)] = build(deployed, [frame], Path(folder), deployment=deployment, title=title,
                            metadata={}, rewrite=config.export.rewrite)  # fmt: skip
        trained = _operations_trained(network, Path(folder), deployment)
        found = _of_package(open_package(path), frame, among, models.facts(subject.model).scale)
    return Row(
        name=subject.name,
        kind=subject.kind,
        **_facts(subject.model),
        parameters_trained=models.parameters(network),
        parameters=models.parameters(deployed),
        operations_trained=trained or sum(found["census"].values()),
        **found,
    )


def _operations_trained(network: nn.Module, folder: Path, deployment: str) -> int:
    """Operations before batch norms are folded; 0 where there are none, and nothing is folded."""
    if not count_batch_norms(network):
        return 0
    path = build_for_census(collapse_branches(network), folder, deployment, np.float16)
    return sum(census(open_package(path).main).values())


def _package_row(subject: Subject, path: Path, among: Sequence[Chip]) -> Row:
    package = open_package(path)
    does = enlargement(package)
    frame = Contract(does.kind, path.stem, *does.size)
    return Row(
        name=subject.name,
        kind="package",
        scale=does.scale,
        parameters=count_parameters(package.main),
        **_of_package(package, frame, among, does.scale),
    )


def _of_package(package: Package, frame: Contract, among: Sequence[Chip], scale: float) -> dict[str, Any]:
    """What a package on disk says, and what is predicted of it."""
    known: dict[str, Any] = {"varied": {}, "scale": scale, "parameters": 0}
    estimate = variants.of_package(frame, package, among, None, known)
    shown = set(Latency.model_fields)
    return {
        "width": frame.width,
        "height": frame.height,
        "census": census(package.main),
        "gflop": estimate.gflop,
        "bytes": files.size_bytes(package.path),
        "verdicts": estimate.verdicts,
        "resident": estimate.resident,
        "disputed": estimate.disputed,
        "latencies": [Latency(**one.model_dump(include=shown)) for one in estimate.latencies],
    }


def _facts(model: Any) -> dict[str, Any]:
    facts = models.facts(model)
    return {
        "family": model.family,
        "title": facts.title,
        "source": facts.source,
        "licence": facts.licence,
        "values": facts.values,
        "scale": facts.scale,
    }


def _check_size(model: Any, frame: Contract) -> None:
    facts = models.facts(model)
    if frame.height % facts.size_multiple or frame.width % facts.size_multiple:
        raise InputError(
            f"{facts.title} does not take {frame.width}x{frame.height}",
            where="configuration key compare.size",
            fix=f"give multiples of {facts.size_multiple}",
        )
