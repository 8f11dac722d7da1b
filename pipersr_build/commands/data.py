"""`data`: prepare a corpus, check a prepared one, look for test pictures in it."""

import importlib
from pathlib import Path

from pipersr_build.commands import arguments
from pipersr_build.commands.corpus import (
    archives,
    corpus_of,
    images_folder,
    moving,
    pack_folder,
    prepare_command,
    recipe_of,
    sources_of,
    terms_of,
)
from pipersr_build.config import Config, load
from pipersr_build.data.contents import open_packs, wants_images
from pipersr_build.data.corpus import Corpus
from pipersr_build.data.obtain import check_images, obtain
from pipersr_build.data.prepare import Outcome, is_prepared, prepare
from pipersr_build.data.sources import Sources
from pipersr_build.errors import InputError
from pipersr_build.files import size_bytes
from pipersr_build.progress import bar, say

ACTIONS = ("prepare", "check", "duplicates")


def main(words: list[str]) -> int:
    """Do what the first word says; 0 if that went well."""
    action, rest = (words[0], words[1:]) if words else ("", [])
    if action not in ACTIONS:
        what = f"no action {action!r}" if action else "the action is missing"
        raise InputError(what, where="command line", fix=f"say data {', data '.join(ACTIONS)}")
    named = [f"data={word.removeprefix('corpus=')}" if word.startswith("corpus=") else word for word in rest]
    if action == "duplicates":
        return int(importlib.import_module("pipersr_build.commands.duplicates").main(named))
    config = load(arguments.overrides_only(named))
    return prepare_corpus(config) if action == "prepare" else check_corpus(config)


def prepare_corpus(config: Config) -> int:
    """Bring official images to the disk if they are needed, pack what is not packed, open the result."""
    sources = sources_of(config)
    folder = pack_folder(config, sources)
    if sources.fixed and wants_images(sources, folder, recipe_of(config)):
        _obtain(config)
        sources = sources_of(config)
    outcome = _pack(config, sources, folder)
    if outcome.broken:
        lines = [f"  {name}: {why}" for name, why in outcome.broken.items()]
        say("\n".join([f"left out, {len(lines)} that cannot be read:", *lines]))
    corpus = corpus_of(config)
    did = f"{outcome.packed} images packed" if outcome.packed else "up to date"
    say(f"{folder}: {did}; {_describe(corpus)}; {size_bytes(folder) / 1e9:,.2f} GB")
    return 0


def check_corpus(config: Config) -> int:
    """Read every packed picture back and compare it with its digest.

    Raises:
        InputError: some are damaged, or nothing is packed.
    """
    folder = pack_folder(config, sources_of(config))
    packs = open_packs(folder, recipe_of(config))
    count, command = sum(len(pack.entries) for pack in packs), prepare_command(config)
    if count == 0:
        raise InputError("nothing is packed", where=folder, fix=f"prepare it: {command}")
    with bar("checking", count) as shown:
        found = [(pack, pack.damaged(lambda name: shown.advance(note=name))) for pack in packs]
    damaged = [f"{pack.pixels.name}: {name}" for pack, names in found for name in names]
    if damaged:
        what = "\n    ".join([f"{len(damaged)} of {count} packed pictures are damaged:", *damaged])
        raise InputError(what, where=folder, fix=f"make them again: {command} data.verify=true")
    say(f"{folder}: {count} packed pictures, all as they were packed")
    return 0


def _obtain(config: Config) -> None:
    if config.data.folder:
        check_images(archives(config), Path(config.data.folder))
    else:
        obtain(archives(config), images_folder(config), Path(config.data.root) / "downloads")


def _pack(config: Config, sources: Sources, folder: Path) -> Outcome:
    data, recipe, terms = config.data, recipe_of(config), terms_of(config)
    if not data.verify and is_prepared(sources, folder, recipe, terms):
        return prepare(sources, folder, recipe, terms)
    with bar("packing", total=0) as shown:
        return prepare(
            sources,
            folder,
            recipe,
            terms,
            workers=data.workers,
            verify=data.verify,
            progress=moving(shown),
            checked=lambda name: shown.advance(0, f"checking {name}"),
        )


def _describe(corpus: Corpus) -> str:
    pixels = sum(picture.rgb.shape[0] * picture.rgb.shape[1] for picture in corpus.train)
    train = f"{len(corpus.train)} pictures to train on ({pixels / 1e6:,.1f} megapixels)"
    return f"{train}, {len(corpus.holdout)} held out"
