"""The parts of a release: each made with settings of its own, kept until all are there, and put together."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipersr_build import evidence, files, machine
from pipersr_build.commands import compare_exports, export, placing
from pipersr_build.config import Config, load
from pipersr_build.config import plain as settings_of
from pipersr_build.errors import InputError
from pipersr_build.evidence import Evidence, Gate
from pipersr_build.export.bundle import NAME as BUNDLE
from pipersr_build.export.compression.methods import Method, parse
from pipersr_build.export.targets import NEWEST
from pipersr_build.models.weights import Weights
from pipersr_build.progress import say
from pipersr_build.report.release_record import LeftOut, ReleasedPart, released

METHODS = ("int8", "palette8", "palette6", "w8a8")  # of the image tile, unless export.compress says others
DECISIVE = ("export", "target")  # of the configuration: those that decide what is in a package
NETWORK = "network"  # the subject of gates that are of no package


@dataclass(frozen=True)
class Part:
    """Packages that are made together.

    Attributes:
        title: names its folder.
        words: the settings that differ from the release's own.
        methods: by which packages are made smaller; then the package that they are made of is not kept.
    """

    title: str
    words: tuple[str, ...]
    methods: tuple[Method, ...] = ()

    def keeps(self, file: str) -> bool:
        """Whether a package that the part makes is released."""
        return not self.methods or self.method(file) != ""

    def method(self, file: str) -> str:
        """How a package of the part was made smaller; empty if it was not."""
        keys = [method.key for method in self.methods if Path(file).stem.endswith(f"_{method.key}")]
        return keys[0] if keys else ""


@dataclass(frozen=True)
class MadePart:
    """A part as it lies on disk: packages, weights and samples in `folder`, and what is known of them."""

    part: Part
    folder: Path
    record: Evidence

    @property
    def failing(self) -> dict[str, Gate]:
        """The first failed gate of each package that has one."""
        failed = [(gate.subject.partition(":")[0], gate) for gate in reversed(self.record.failed)]
        return dict(failed)

    def released(self, left_out: set[str]) -> ReleasedPart:
        """The part for the release's record."""
        records = [p for p in self.record.packages if self.part.keeps(p.file) and p.file not in left_out]
        decisive = {key: self.record.config[key] for key in DECISIVE}
        return ReleasedPart(
            title=self.part.title,
            settings=compare_exports.flat(decisive),
            packages=released(records, {p.file: self.part.method(p.file) for p in records}),
        )


def parts(compress: object) -> list[Part]:
    """What a release is made of: the image tile and the video packages, the bundle, and the smaller tiles.

    Each is for the oldest system that it can be made for.

    Args:
        compress: `export.compress`; nothing stands for `METHODS`.

    Raises:
        InputError: no such method.
    """
    found = [
        Part("packages", ("export=all", "target=macos13", "export.compress=[]")),
        Part(BUNDLE, (*export.bundled(["bundle=video"]), "export.compress=[]")),
    ]
    methods = parse(compress or list(METHODS), NEWEST)
    for target in dict.fromkeys(method.oldest for method in methods):
        chosen = tuple(method for method in methods if method.oldest == target)
        keys = ",".join(method.key for method in chosen)
        words = ("export=image", f"target={target.lower()}", f"export.compress=[{keys}]")
        found.append(Part(f"smaller_{target.lower()}", words, chosen))
    return found


def make(
    wanted: list[Part], words: list[str], weights: Weights, work: Path, command: str
) -> Iterator[MadePart]:
    """Make the parts in `work`, but for those that an interrupted release has left there.

    Args:
        wanted: see `parts`.
        words: the settings that all share.
        weights: what is exported.
        work: a folder of the release's own.
        command: what the user typed, for the records.

    Raises:
        InputError: settings that cannot be used, before anything is made; or the toolkit's files were changed
            while a part was made, which is then not kept.
    """
    configs = [configured([*words, *part.words], weights) for part in wanted]
    for config in configs:
        export.preflight(config, writes=False)
    keep, revision = work / _key(words, weights), _revision()
    _tidy(work, keep)
    for part, config in zip(wanted, configs, strict=True):
        folder = keep / part.title
        if not _is_whole(folder):
            say(f"release: {part.title}")
            with files.staging(keep) as stage:
                record = export.make(config, weights, export.preflight(config, writes=False), stage, command)
                evidence.save(record, stage / placing.EVIDENCE)
                if _revision() != revision:
                    what = "the toolkit was changed while the release was made"
                    raise InputError(what, where=part.title, fix="commit the changes and say it again")
                files.replace(stage, folder)
        yield MadePart(part, folder, evidence.load(folder / placing.EVIDENCE))


def configured(words: list[str], weights: Weights) -> Config:
    """The configuration of words, for the network that the weights are of."""
    config = load(words)
    config.model = weights.config
    return config


def join(made: list[MadePart]) -> tuple[Evidence, list[LeftOut]]:
    """The evidence of the whole release, and the smaller packages that are left out of it.

    A failed gate of any other package stays in the evidence, and so fails the release.
    """
    left_out = [
        LeftOut(file=file, gate=gate)
        for one in made
        if one.part.methods
        for file, gate in one.failing.items()
        if one.part.keeps(file)
    ]
    out = {one.file for one in left_out}
    first, packages, quality, gates = made[0].record, [], list(made[0].record.quality), []
    for one in made:
        kept = {p.file for p in one.record.packages if one.part.keeps(p.file)} - out
        packages += [p for p in one.record.packages if p.file in kept]
        quality += [row for row in one.record.quality if row.subject in kept and one is not made[0]]
        known = kept | {NETWORK} if one is made[0] else kept
        gates += [gate for gate in one.record.gates if gate.subject.partition(":")[0] in known]
    return first.model_copy(update={"packages": packages, "quality": quality, "gates": gates}), left_out


def collect(made: list[MadePart], record: Evidence, stage: Path) -> None:
    """Copy the packages of `record`, the weights and the samples into `stage`."""
    names = {package.file for package in record.packages}
    for one in made:
        for file in sorted({p.file for p in one.record.packages if one.part.keeps(p.file)} & names):
            placing.copy(one.folder / file, stage / file)
    for name in (placing.WEIGHTS, placing.SAMPLES):
        if (made[0].folder / name).exists():
            placing.copy(made[0].folder / name, stage / name)


def _revision() -> tuple[str | None, bool | None]:
    """The toolkit's commit, and whether files are not as committed."""
    made = machine.provenance("")
    return made.git_commit, made.git_dirty


def _key(words: list[str], weights: Weights) -> str:
    """Sixteen digits that are others where the settings, the weights or the toolkit are others."""
    made = machine.provenance("")
    versions = [made.toolkit, made.git_commit, made.torch, made.coremltools, made.numpy, made.python]
    settings = settings_of(configured(words, weights))
    text = json.dumps([words, settings, weights.sha256, versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _tidy(work: Path, keep: Path) -> None:
    """Remove what earlier releases left, unless it is part of this one; of a changed toolkit nothing is."""
    _, dirty = _revision()
    for folder in work.iterdir() if work.is_dir() else []:
        if folder != keep or dirty:
            shutil.rmtree(folder, ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    """Whether a part lies there as its evidence says."""
    if not (folder / placing.EVIDENCE).is_file():
        return False
    record = evidence.load(folder / placing.EVIDENCE)
    whole = all(
        (folder / p.file).is_dir() and files.sha256(folder / p.file) == p.sha256 for p in record.packages
    )
    if whole:
        say(f"release: {folder.name} is there already")
    return whole
