"""Files that come with the toolkit: inside an installed package, or beside it in a checkout."""

from pathlib import Path

from pipersr_build.errors import InputError


def shipped(folder: str, file: str) -> Path | None:
    """The folder of that name which holds `file`; None if there is none."""
    package = Path(__file__).resolve().parent
    for place in (package / folder, package.parent / folder):
        if (place / file).is_file():
            return place
    return None


def conf_dir() -> Path:
    """The folder with the YAML files.

    Raises:
        InputError: it is missing.
    """
    found = shipped("conf", "config.yaml")
    if found is None:
        raise InputError(
            "the configuration folder is missing", where=__package__, fix="reinstall pipersr-build"
        )
    return found
