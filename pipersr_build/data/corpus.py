"""Which pictures a network learns from and which are held out to judge it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from pipersr_build.data.contents import Family, Packs, families, open_packs, recipe_for
from pipersr_build.data.fly import SmallOnTheFly
from pipersr_build.data.holdout import Holdout
from pipersr_build.data.making import Job, Recipe, do
from pipersr_build.data.members import Member, Terms, broken_images, factors, fingerprint_of, usable
from pipersr_build.data.packed import digest_of
from pipersr_build.data.pictures import Pair, Picture
from pipersr_build.data.resize import crop_to_multiple, downscale
from pipersr_build.data.sources import Sources, folder_sources, photos_sources
from pipersr_build.errors import InputError
from pipersr_build.progress import track
from pipersr_build.scales import to_lr

Progress = Callable[[int, int, str], None]  # pictures done, pictures in all, the one just done

_MANY = 100  # small pictures that take long enough to show a bar


@dataclass(frozen=True, eq=False)
class Small:
    """Ready LR pictures of one scale, by the names of their HR pictures."""

    scale: float
    by_name: Mapping[str, NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class Corpus:
    """Pictures to train on and pictures held out, none of them in both.

    Args:
        name: for records.
        train: to learn from, reduced copies (`name@0.8`) behind their originals.
        holdout: to judge by.
        fingerprint: SHA-256 of the names, sizes and pixels of both lists in their order.
        emphasis: of each training picture, how much more often it is sampled; by default 1.
        small: LR pictures that are ready.
        fly: LR pictures that are not ready are made for each patch when it is cut, not kept.
    """

    name: str
    train: list[Picture]
    holdout: list[Picture]
    fingerprint: str
    emphasis: list[float] = field(default_factory=list)
    small: Small | None = None
    fly: bool = False

    def __post_init__(self) -> None:
        if not self.emphasis:
            object.__setattr__(self, "emphasis", [1.0] * len(self.train))

    def training_pairs(self, scale: float) -> list[Pair]:
        """The training pictures with their small versions: packed ones where there are, else made.

        HR is the picture without the rows and columns beyond a multiple of `scale`, not copied. With
        `fly` the LR pictures are `SmallOnTheFly`, of which one can take shape, parts and `numpy.asarray`.

        Raises:
            InputError: a picture is smaller than `scale` pixels.
        """
        if self.fly:
            return [_pair_on_the_fly(picture, scale, self._ready(picture, scale)) for picture in self.train]
        return self._pairs(self.train, scale)

    def holdout_pairs(self, scale: float) -> list[Pair]:
        """The held-out pictures with their small versions, packed or made; these can be written to.

        Raises:
            InputError: a picture is smaller than `scale` pixels.
        """
        pairs = self._pairs(self.holdout, scale)
        return [Pair(pair.name, pair.lr.copy(), pair.hr) for pair in pairs]

    def _pairs(self, pictures: Sequence[Picture], scale: float) -> list[Pair]:
        ready = [self._ready(picture, scale) for picture in pictures]
        many = sum(lr is None for lr in ready) >= _MANY
        both = list(zip(pictures, ready, strict=True))
        shown = track("making LR pictures", both, len(both)) if many else both
        return [_pair(picture, scale, lr) for picture, lr in shown]

    def _ready(self, picture: Picture, scale: float) -> NDArray[np.uint8] | None:
        if self.small is None or self.small.scale != scale:
            return None
        return self.small.by_name.get(picture.name)


def photos_corpus(*, minimum: int = 1) -> Corpus:
    """The photographs inside scikit-image (`data.photos`), split as their table says.

    Raises:
        InputError: one is smaller than `minimum` pixels in height or width, or is not installed.
    """
    return read_corpus(photos_sources(), terms=Terms(minimum))


def folder_corpus(
    folder: Path, holdout: Holdout, *, minimum: int = 1, progress: Progress | None = None
) -> Corpus:
    """Every image below `folder`, named by its path relative to `folder`, with `/` between the parts.

    Args:
        folder: a tree of images.
        holdout: see `holdout.held_out`.
        minimum: the least height and width that a picture may have, in pixels.
        progress: called after each picture.

    Raises:
        InputError: see `read_corpus` and `sources.folder_sources`.
    """
    return read_corpus(folder_sources(folder, holdout), terms=Terms(minimum), progress=progress)


def read_corpus(
    sources: Sources,
    recipe: Recipe | None = None,
    terms: Terms | None = None,
    *,
    fly: bool = False,
    progress: Progress | None = None,
) -> Corpus:
    """A corpus read from its image files, all of it into memory.

    Args:
        sources: the image files.
        recipe: the reduced copies to make of training pictures.
        terms: which of the pictures are taken.
        fly: see `Corpus`.
        progress: called after each image.

    Raises:
        InputError: images cannot be read (all are named), nothing would be left to train on or to hold
            out, a picture is too small, a held-out picture is also trained on, or `terms.emphasis`
            names a folder that is not there.
    """
    recipe, terms = replace(recipe or Recipe(), scale=None), terms or Terms()
    members: list[Member] = []
    broken: dict[str, str] = {}
    for done, source in enumerate(sources.images, 1):
        result = do(Job(source.name, "", source.path, recipe_for(source, recipe)))
        members += [
            Member(Picture(made.name, made.rgb), made.sha256, source.held, made.name != source.name)
            for made in result.made
        ]
        broken |= {source.name: result.broken} if result.broken else {}
        if progress is not None:
            progress(done, len(sources.images), source.name)
    if broken and not terms.skip_broken:
        raise broken_images(broken, sources.where)
    return replace(_assemble(sources, members, terms), fly=fly)


def packed_corpus(
    sources: Sources, folder: Path, recipe: Recipe, terms: Terms | None = None
) -> Corpus | None:
    """A corpus opened from its packs, its pictures read-only views of the memory maps.

    Args:
        sources: the image files; official ones need not be on the disk any more.
        folder: of the packs.
        recipe: what was to be prepared; without a scale LR pictures are made on the fly.
        terms: which of the pictures are taken.

    Returns:
        The corpus, or None where it is not prepared, or not as wanted, or its images have changed since.

    Raises:
        InputError: the index is damaged, or see `read_corpus`.
    """
    packs, terms = open_packs(folder, recipe), terms or Terms()
    found = families(sources, packs, recipe)
    if any(family.lacks(terms.skip_broken) for family in found):
        return None
    members = [member for family in found for member in _members(family, packs)]
    corpus = _assemble(sources, members, terms)
    if packs.small is None or recipe.scale is None:
        return replace(corpus, fly=True)
    small = {name: packs.small.rgb(entry) for family in found for name, entry in family.small.items()}
    _check_small([*corpus.train, *corpus.holdout], small, recipe.scale, folder)
    return replace(corpus, small=Small(recipe.scale, small))


def fingerprint(train: Sequence[Picture], holdout: Sequence[Picture]) -> str:
    """SHA-256 over both lists: names, sizes and pixels (by their own digests) in order."""
    lists = ((False, train), (True, holdout))
    return fingerprint_of(
        [Member(picture, digest_of(picture.rgb), held) for held, pictures in lists for picture in pictures]
    )


def _assemble(sources: Sources, members: list[Member], terms: Terms) -> Corpus:
    taken = usable(members, terms, sources.where)
    return Corpus(
        sources.name,
        [member.picture for member in taken if not member.held],
        [member.picture for member in taken if member.held],
        fingerprint_of(taken),
        factors(members, taken, terms.emphasis),
    )


def _members(family: Family, packs: Packs) -> Iterator[Member]:
    for entry in family.pictures:
        picture = Picture(entry.name, packs.hr.rgb(entry))
        yield Member(picture, entry.sha256, family.source.held, entry.name != family.source.name)


def _check_small(
    pictures: Sequence[Picture], small: Mapping[str, NDArray[np.uint8]], scale: float, where: Path
) -> None:
    for picture in pictures:
        lr, (height, width) = small.get(picture.name), picture.rgb.shape[:2]
        if lr is not None and lr.shape[:2] != (to_lr(height, scale), to_lr(width, scale)):
            what = f"{picture.name} has {picture.size} pixels, its LR picture {lr.shape[1]}x{lr.shape[0]}"
            fix = "delete the folder and prepare the corpus again"
            raise InputError(what, where=where, fix=fix)


def _pair(picture: Picture, scale: float, lr: NDArray[np.uint8] | None) -> Pair:
    hr = crop_to_multiple(picture.rgb, scale)
    return Pair(picture.name, downscale(hr, scale) if lr is None else lr, hr)


def _pair_on_the_fly(picture: Picture, scale: float, lr: NDArray[np.uint8] | None) -> Pair:
    hr = crop_to_multiple(picture.rgb, scale)
    made = cast(NDArray[np.uint8], SmallOnTheFly(hr, scale))
    return Pair(picture.name, made if lr is None else lr, hr)
