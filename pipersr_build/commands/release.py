"""`release`: the export that is given to others: packages, bundle, smaller versions, with one record."""

import shutil
from pathlib import Path

from pipersr_build import files
from pipersr_build.commands import arguments, placing, release_parts, reproduce
from pipersr_build.commands.render import render, show
from pipersr_build.commands.upscalers import EXPORT
from pipersr_build.config import Config, command_line, load
from pipersr_build.config.wanted import contracts
from pipersr_build.errors import InputError
from pipersr_build.evaluation.peers import with_peers
from pipersr_build.evaluation.protocol import validation_protocol
from pipersr_build.evidence import Evidence
from pipersr_build.export.reproduce import Comparison
from pipersr_build.export.targets import NEWEST
from pipersr_build.models.reference import reference_weights
from pipersr_build.models.weights import load_weights
from pipersr_build.progress import say
from pipersr_build.report import release_record, swift
from pipersr_build.report.release_record import LeftOut, Release

_DECIDED = ("target", "export.video.bundle", "bundle", "export.formats")  # by the parts of a release


def main(words: list[str]) -> int:
    """Release `weights=…`, or the shipped ones; 0 if all gates passed, 1 if one failed that must not.

    With `--check`, make the packages of a release again and compare: 1 if one differs.
    """
    others = [word for word in words if word not in (*reproduce.WORDS, "check=false")]
    paths, overrides = arguments.split(others)
    if any(word in reproduce.WORDS for word in words):
        return _check_named(paths, overrides)
    overrides = arguments.overrides_only(others)
    _refuse_decided(overrides)
    config = load([*overrides, f"target={NEWEST.lower()}"])  # which every method of export.compress can have
    wanted = release_parts.parts(config.export.compress)
    overrides = [word for word in overrides if not word.startswith("export.compress=")]
    weights = load_weights(
        config.weights or reference_weights(config.model),
        config.model if arguments.names_group(overrides, "model") else None,
    )
    if not arguments.names_group(overrides, "name"):
        overrides, config.name = [*overrides, f"name={weights.name}"], weights.name
    work = Path(config.runs) / "release" / config.name
    command = command_line("release", words)
    with placing.place(Path(config.exports), config.name) as where:
        _refuse_foreign(where)
        made = list(release_parts.make(wanted, overrides, weights, work, command))
        record, left_out = release_parts.join(made)
        record = with_peers(record, validation_protocol(config.evaluation.protocol))
        folder = _put(where, config, made, record, left_out)
    if not record.failed:
        shutil.rmtree(work, ignore_errors=True)
    show(record, folder)
    _tell(record, left_out, folder)
    return 1 if record.failed else 0


def _put(
    where: placing.Place,
    config: Config,
    made: list[release_parts.MadePart],
    record: Evidence,
    left_out: list[LeftOut],
) -> Path:
    """Put the release together in its stage and then, all at once, in its place."""
    release_parts.collect(made, record, where.stage)
    render(record, where.stage)
    if not record.failed:
        swift.write_programs(record, where.stage)
        about = Release(
            name=config.name,
            provenance=record.provenance,
            weights_sha256=record.weights_sha256,
            parts=[one.released({out.file for out in left_out}) for one in made],
            left_out=left_out,
        )
        release_record.save(about, where.stage / placing.RELEASE)
        files.write_text(where.stage / placing.INDEX, release_record.render(about))
    return placing.finish(where, record)


def check(folder: Path) -> int:
    """Make the packages of a release again and compare; see that no file was changed, lost or added.

    Returns:
        0 if all is the same, else 1. Nothing in the folder is changed.

    Raises:
        InputError: there is no release.
    """
    record = release_record.load(folder / placing.RELEASE)
    changed = placing.changed(folder) | placing.unlisted(folder)
    weights = load_weights(folder / placing.WEIGHTS)
    found: dict[str, Comparison | None] = {}
    for part in record.parts:
        config = release_parts.configured(
            [f"name={record.name}", *reproduce.as_words(part.settings)], weights
        )
        names = {package.file for package in part.packages}
        found |= reproduce.compared(config, weights, contracts(config.export), folder, names)
    return reproduce.answer(found, changed)


def _check_named(paths: list[Path], overrides: list[str]) -> int:
    """Check the folder that is given, or the one that the settings, or none, name."""
    if len(paths) > 1:
        raise InputError("more than one release is given", where="command line", fix="check them one by one")
    if paths and overrides:
        what = f"{overrides[0]!r}: a release is checked with the settings that it holds"
        raise InputError(what, where="command line", fix="leave it out")
    config = load(overrides)
    name = config.name if arguments.names_group(overrides, "name") else EXPORT
    return check(paths[0] if paths else Path(config.exports) / name)


def _refuse_decided(overrides: list[str]) -> None:
    for word in overrides:
        key = word.partition("=")[0]
        if key in (*_DECIDED, "export") or key.startswith("target."):
            fix = "leave it out, or make a single export with: pipersr-build export"
            raise InputError(f"{word!r}: each part of a release has its own", where="command line", fix=fix)


def _refuse_foreign(where: placing.Place) -> None:
    """A release is what it made and nothing else, and must not throw away what it does not know."""
    found = sorted(placing.foreign(where))
    if found:
        what = f"the folder holds what no export made: {', '.join(found[:3])}"
        raise InputError(what, where=where.target, fix="move it elsewhere, or choose another name=…")


def _tell(record: Evidence, left_out: list[LeftOut], folder: Path) -> None:
    for one in left_out:
        say(f"left out, because a gate failed: {one.file} ({one.gate.name})")
    if not record.failed:
        say(f"the release: {folder / placing.INDEX}")
        say(f"to upload it: pipersr-build publish {folder} repo=USER/NAME")
