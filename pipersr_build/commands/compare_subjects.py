"""What the words after `compare` name: networks of `conf/model`, weights, packages, exports."""

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from pipersr_build import models
from pipersr_build.commands.compare_rows import Subject
from pipersr_build.commands.placing import EVIDENCE, WEIGHTS
from pipersr_build.errors import InputError
from pipersr_build.evaluation.names import distinct
from pipersr_build.models.weights import load_weights
from pipersr_build.shipped import conf_dir
from pipersr_build.zoo.contents import SUFFIXES

ALL = "all"
_ENDINGS = (*SUFFIXES, ".ckpt")


@cache
def networks() -> dict[str, Any]:
    """The configuration of every variant in `conf/model`, by name."""
    return {path.stem: _config(path) for path in sorted((conf_dir() / "model").glob("*.yaml"))}


def _config(path: Path) -> Any:
    """A variant: its family's defaults and the values of its file."""
    values: Any = OmegaConf.to_container(OmegaConf.load(path))
    [schema] = values.pop("defaults")
    return models.FAMILIES[schema.removesuffix("_schema")].config(**values)


def subjects(paths: Sequence[Path]) -> list[Subject]:
    """What the words name, each once, in their order; an export stands for its weights.

    Raises:
        InputError: nothing is named, or a word is neither a network nor a file that can be compared.
    """
    if not paths:
        raise InputError(
            "nothing to compare is given",
            where="command line",
            fix="say: pipersr-build compare pipersr_2x quicksrnet_medium_2x",
        )
    on_disk = list(dict.fromkeys(path for path in paths if not _named(path)))
    called = dict(zip(on_disk, distinct(on_disk), strict=True))
    found = [one for path in paths for one in (_named(path) or [_from_disk(path, called[path])])]
    return list({one.name: one for one in found}.values())


def is_export(path: Path) -> bool:
    """Whether this is the folder of an export."""
    return (path / EVIDENCE).is_file()


def _named(path: Path) -> list[Subject]:
    """The networks that a name, a pattern or `all` stands for; none where a file is called so."""
    word = str(path)
    if _comparable(path):
        return []
    names = [name for name in networks() if word == ALL or fnmatchcase(name, word)]
    return [Subject(name, "network", networks()[name], variant=name) for name in names]


def _comparable(path: Path) -> bool:
    """Whether something on disk is called so that can be compared; a run's folder, for one, cannot."""
    return path.is_file() or _is_package(path) or is_export(path)


def _is_package(path: Path) -> bool:
    return path.exists() and (path.suffix == ".mlpackage" or (path / "Manifest.json").is_file())


def _from_disk(path: Path, name: str) -> Subject:
    if not path.exists():
        near = difflib.get_close_matches(str(path), networks(), 4)
        fix = f"one of {', '.join(near)}?" if near else "pipersr-build config lists the networks"
        raise InputError(f"no network and no file is called {str(path)!r}", where="command line", fix=fix)
    if _is_package(path):
        return Subject(name, "package", path=path)
    if is_export(path):
        return _weights(path / WEIGHTS, name)
    if path.suffix in _ENDINGS:
        return _weights(path, name)
    fix = "give a network's name, weights, a package or an export's folder"
    raise InputError("this cannot be compared", where=path, fix=fix)


def _weights(path: Path, name: str) -> Subject:
    model = load_weights(path).config
    same = (variant for variant, config in networks().items() if config == model)
    return Subject(name, "weights", model, path, next(same, ""))
