"""`inspect`: what a package says of itself, its graph, its weights, and how far it is from overflow."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from pipersr_build import files
from pipersr_build.commands import arguments, packages
from pipersr_build.data.corpus import photos_corpus
from pipersr_build.data.images import list_images, load_rgb
from pipersr_build.errors import InputError
from pipersr_build.inspection.inspect import Pictures, inspect
from pipersr_build.inspection.record import PackageReport
from pipersr_build.mil.package import check_weights, open_package
from pipersr_build.progress import track
from pipersr_build.report.inspection import view

STDOUT = "-"
NONE = "none"
MOST = 8  # pictures of a folder


@dataclass(frozen=True)
class Options:
    """What the user asks for.

    Attributes:
        paths: packages, and folders of them.
        json: the file to write JSON to; `-` is the standard output; None writes none.
        function: of packages with several, the one that runs on the pictures.
        pictures: a folder; `none` runs nothing; None takes two photographs that are shipped.
    """

    paths: list[Path]
    json: str | None = None
    function: str | None = None
    pictures: str | None = None


def main(words: list[str]) -> int:
    """Inspect every package that is named; 0 if all could be read."""
    options = parse(words)
    found, pictures = packages.find(options.paths, "inspect"), _pictures(options.pictures)
    reports = [_inspect(path, options.function, pictures) for path in track("inspecting", found, len(found))]
    if options.json is not None:
        _write(reports, options.json)
    if options.json != STDOUT:
        console = Console()
        for report in reports:
            console.print(view(report))
    return 0


def parse(words: list[str]) -> Options:
    """Read the command's words: `--json` (alone, or with a file that ends in `.json`) and `key=value`.

    Raises:
        InputError: a word is not known.
    """
    rest, json = list(words), None
    for word in words:
        if word.startswith("--json="):
            rest.remove(word)
            json = word.partition("=")[2]
    if "--json" in rest:
        at = rest.index("--json")
        named = at + 1 < len(rest) and rest[at + 1].endswith(".json")
        json = rest[at + 1] if named else STDOUT
        del rest[at : at + 1 + named]
    paths, settings = arguments.split(rest)
    given = {key: value for key, _, value in (word.partition("=") for word in settings)}
    if unknown := given.keys() - {"function", "pictures"}:
        fix = "settings are function=NAME and pictures=FOLDER"
        raise InputError(f"{min(unknown)!r} is no setting of inspect", where="command line", fix=fix)
    return Options(paths, json, **given)


def _inspect(path: Path, function: str | None, pictures: Pictures) -> PackageReport:
    package = open_package(path)
    check_weights(package)
    return inspect(package if function is None else package.at(function), pictures)


def _pictures(folder: str | None) -> Pictures:
    if folder == NONE:
        return []
    if folder is None:
        return [(photo.name, photo.rgb) for photo in photos_corpus().holdout[:2]]
    found = list_images(Path(folder))
    return [(path.name, load_rgb(path)) for path in found[:: -(-len(found) // MOST)]]


def _write(reports: list[PackageReport], target: str) -> None:
    text = "[\n" + ",\n".join(report.model_dump_json(indent=2) for report in reports) + "\n]\n"
    if target == STDOUT:
        print(text, end="")
    else:
        files.write_text(Path(target), text)
