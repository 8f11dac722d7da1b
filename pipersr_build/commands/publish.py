"""`publish`: upload an export to a repository of the Hugging Face Hub."""

import re
from pathlib import Path

from rich.console import Console

from pipersr_build import evidence, files
from pipersr_build.commands import arguments, hub, placing
from pipersr_build.commands.upscalers import EXPORT
from pipersr_build.config import Config, load
from pipersr_build.errors import BuildError, InputError
from pipersr_build.evidence import Evidence
from pipersr_build.progress import say
from pipersr_build.report import format as fmt

SHORT = {key: f"publish.{key}" for key in ("repo", "private", "revision", "message")}
FRONT_PAGE = "README.md"  # where the Hub looks for the card
_DRY_RUN = ("--dry-run", "dry_run=true")
_REPO = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


def main(words: list[str]) -> int:
    """Upload the export that is named, or the release, to `repo=USER/NAME`; 0 when it is there.

    With `--dry-run` only list what would be sent.
    """
    given = [arguments.in_full(word, SHORT) for word in words if word not in _DRY_RUN]
    paths, overrides = arguments.split(given)
    if len(paths) > 1:
        raise InputError("more than one folder is given", where="command line", fix="publish them one by one")
    config = load(overrides)
    folder = paths[0] if paths else Path(config.exports) / EXPORT
    record, dry = check(folder), any(word in _DRY_RUN for word in words)
    _check_repo(config, needed=not dry)
    sent = to_send(folder)
    size = fmt.megabytes(sum(map(files.size_bytes, sent.values())))
    if dry:
        for name, path in sent.items():
            Console().print(f"{path.stat().st_size:>12,}  {name}", highlight=False, markup=False)
        say(f"{len(sent)} files, {size}; nothing was sent")
        return 0
    settings = config.publish
    settings.message = settings.message or f"{record.name}, weights {fmt.short_hash(record.weights_sha256)}"
    say(f"sending {len(sent)} files, {size}, to {settings.repo}")
    Console().print(hub.upload(settings, sent), highlight=False, markup=False, soft_wrap=True)
    return 0


def check(folder: Path) -> Evidence:
    """See that an export is whole, as it was made, and passed its gates.

    Raises:
        InputError: it is no export, has no card or no sums, or a file is not as the sums or the evidence say.
        BuildError: a gate failed.
    """
    record = evidence.load(folder / placing.EVIDENCE)
    if record.failed:
        failed = record.failed[0]
        raise BuildError(f"a gate failed: {failed.name}, {failed.subject}", where=folder / placing.EVIDENCE)
    for name in (placing.CARD, placing.SUMS):
        if not (folder / name).is_file():
            fix = f"write it with: pipersr-build report {folder}"
            raise InputError(f"the export has no {name}", where=folder, fix=fix)
    differing = placing.changed(folder) | placing.unlisted(folder)
    for name, how in differing.items():
        what = f"{len(differing)} file(s) are not as {placing.SUMS} says: {name} {how}"
        raise InputError(what, where=folder, fix="export again, or put the files back")
    if not record.packages:
        raise InputError("the export has no package", where=folder, fix="export one")
    for name in placing.unproved(folder, record):  # `report` writes the sums anew
        what = f"{name} is not what the gates of {placing.EVIDENCE} were asked of"
        raise InputError(what, where=folder, fix="export again, or put the file back")
    return record


def to_send(folder: Path) -> dict[str, Path]:
    """What is uploaded, by its name there: what the sums list, the sums, and the card once more."""
    listed = {name: folder / name for name in (*placing.sums(folder), placing.SUMS)}
    return {FRONT_PAGE: folder / placing.CARD, **listed}


def _check_repo(config: Config, *, needed: bool) -> None:
    repo = config.publish.repo
    if (needed and repo is None) or (repo is not None and not _REPO.fullmatch(repo)):
        what = "no repository is given" if repo is None else f"{repo!r} is no repository"
        raise InputError(what, where="configuration key publish.repo", fix="say repo=USER/NAME")
