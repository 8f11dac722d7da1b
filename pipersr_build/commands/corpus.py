"""The corpus that a configuration means: opened where it is prepared, else read from its images."""

from collections.abc import Callable
from pathlib import Path

from pipersr_build.config import Config, DataConfig
from pipersr_build.data.archives import Archive, archives_of
from pipersr_build.data.corpus import Corpus, packed_corpus, read_corpus
from pipersr_build.data.making import Recipe
from pipersr_build.data.members import Terms
from pipersr_build.data.sources import (
    Sources,
    archive_sources,
    folder_sources,
    photos_sources,
    reference_sources,
)
from pipersr_build.errors import InputError
from pipersr_build.progress import Bar, bar, say
from pipersr_build.scales import to_hr

OFFICIAL = ("div2k", "df2k")


def corpus_of(config: Config) -> Corpus:
    """The configured corpus; every picture is at least as large as an HR patch.

    A prepared one is opened. Photographs and folders can also be read from their images, which takes
    longer and keeps them in memory; official corpora must be prepared.

    Raises:
        InputError: it is not prepared, or see `data.corpus.read_corpus`.
    """
    data, sources, recipe = config.data, sources_of(config), recipe_of(config)
    folder = pack_folder(config, sources)
    corpus = packed_corpus(sources, folder, recipe, terms_of(config))
    if corpus is not None:
        return corpus
    if sources.fixed:
        small = f", with LR pictures of 1/{recipe.scale:g} size" if recipe.scale else ""
        what = f"{data.corpus} is not prepared as this configuration wants it{small}"
        raise InputError(what, where=folder, fix=f"prepare it first with: {prepare_command(config)}")
    if folder.exists():
        say(f"{folder} does not hold all of {sources.where} any more; reading the images themselves")
        say(f"prepare it again with: {prepare_command(config)}")
    with bar("reading pictures", total=0) as shown:
        return read_corpus(sources, recipe, terms_of(config), fly=data.lr == "fly", progress=moving(shown))


def sources_of(config: Config) -> Sources:
    """The configured corpus' image files.

    Raises:
        InputError: a folder or list cannot be read, or see `data.sources`.
    """
    data = config.data
    if data.corpus == "photos":
        return photos_sources()
    if data.corpus in OFFICIAL:
        return archive_sources(data.corpus, archives(config), images_folder(config), data.holdout)
    read = reference_sources if data.corpus == "reference" else folder_sources
    return read(Path(str(data.folder)), data.holdout)


def recipe_of(config: Config) -> Recipe:
    """What is made of the corpus' pictures."""
    data = config.data
    scale = config.model.scale if data.lr == "once" else None
    return Recipe(tuple(data.reductions), data.reductions_least, scale)


def terms_of(config: Config) -> Terms:
    """Which pictures are taken: those that hold the largest HR patch of the training."""
    data, stages = config.data, config.training.stages or {}
    patch = max([config.training.patch, *(stage[0] for stage in stages.values())])
    return Terms(to_hr(patch, config.model.scale), data.skip_small, data.skip_broken, data.emphasis or {})


def archives(config: Config) -> list[Archive]:
    """The archives that an official corpus is made of."""
    table = None if config.data.archives is None else Path(config.data.archives)
    return archives_of(config.data.corpus, table, config.data.mirror)


def images_folder(config: Config) -> Path:
    """Where an official corpus' images are or will be."""
    return Path(config.data.folder) if config.data.folder else Path(config.data.root) / "images"


def pack_folder(config: Config, sources: Sources) -> Path:
    """Where the corpus is or will be packed."""
    return Path(config.data.root) / "packed" / sources.key


def prepare_command(config: Config) -> str:
    """The command that prepares the configured corpus, with the settings that say where things are."""
    data = config.data
    folder = f" data.folder={data.folder}" if data.folder else ""
    root = f" data.root={data.root}" if data.root != DataConfig.root else ""
    return f"pipersr-build data prepare data={data.corpus}{folder}{root}"


def moving(shown: Bar) -> Callable[[int, int, str], None]:
    """What moves a bar whose total is known only then: call it with (done, total, name)."""

    def progress(done: int, total: int, name: str) -> None:
        del done
        shown.set_total(total)
        shown.advance(note=name)

    return progress
