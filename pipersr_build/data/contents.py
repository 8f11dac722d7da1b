"""What a packed corpus holds of each image file, and what it lacks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipersr_build.data.making import (
    Job,
    Packed,
    Recipe,
    fitting,
    has_small,
    reduced_name,
    reduced_origin,
    small_origin,
)
from pipersr_build.data.packed import Entry, Pack
from pipersr_build.data.sources import Source, Sources


@dataclass(frozen=True)
class Packs:
    """The packs of a corpus: its pictures, and their small versions if those are wanted."""

    hr: Pack
    small: Pack | None

    def __iter__(self) -> Iterator[Pack]:
        return iter([self.hr] if self.small is None else [self.hr, self.small])


@dataclass(frozen=True)
class Family:
    """What is packed of one image file.

    Args:
        source: the image file.
        origin: of the picture, to find it by.
        recipe: what is wanted of it.
        pictures: the picture and its reduced copies, as far as they are there.
        small: their small versions, by name.
        whole: nothing is lacking.
        broken: why the image cannot be read, else empty.
    """

    source: Source
    origin: str
    recipe: Recipe
    pictures: list[Entry]
    small: dict[str, Entry]
    whole: bool
    broken: str = ""

    def lacks(self, skip_broken: bool) -> bool:
        """Whether there is something to do; with `skip_broken` broken images are done with."""
        return not self.whole and not (self.broken and skip_broken)


def pack_names(recipe: Recipe) -> list[str]:
    """The names of the packs of `Packs`, in its order."""
    return ["hr"] if recipe.scale is None else ["hr", f"lr_x{recipe.scale:g}"]


def open_packs(folder: Path, recipe: Recipe) -> Packs:
    """The packs in a folder, which need not exist; see `Pack`."""
    hr, *small = (Pack(folder, name) for name in pack_names(recipe))
    return Packs(hr, small[0] if small else None)


def wants_images(sources: Sources, folder: Path, recipe: Recipe) -> bool:
    """Whether image files are needed to pack what is not packed yet."""
    found = families(sources, open_packs(folder, recipe), recipe)
    return any(not family.pictures and not family.broken for family in found)


def families(sources: Sources, packs: Packs, recipe: Recipe) -> list[Family]:
    """What is packed of each image of a corpus; held-out ones are wanted without reduced copies."""
    return [
        _family(source, _origin(source, sources.fixed, packs.hr), packs, recipe_for(source, recipe))
        for source in sources.images
    ]


def recipe_for(source: Source, recipe: Recipe) -> Recipe:
    """The recipe as it holds for one image: of held-out pictures no reduced copies are made."""
    return replace(recipe, reductions=()) if source.held else recipe


def job_for(family: Family, packs: Packs) -> Job:
    """The job that makes what a family lacks, from the packed picture where there is one."""
    if not family.pictures:
        return Job(family.source.name, family.origin, family.source.path, family.recipe)
    entry = family.pictures[0]
    packed = Packed(packs.hr.pixels, entry.offset, entry.height, entry.width)
    return Job(entry.name, entry.origin, packed, family.recipe)


def _origin(source: Source, fixed: bool, hr: Pack) -> str:
    """An image file, as far as one can tell it from another without reading it.

    An official image is known by its size; unpacked again it has another time. Where its file is gone,
    which it may be once it is packed, what is packed is taken for it.
    """
    try:
        found = source.path.stat()
    except OSError:
        known = hr.entries.get(source.name)
        return known.origin if fixed and known is not None else "missing"
    return f"file of {found.st_size} bytes" + ("" if fixed else f", time {found.st_mtime_ns}")


def _family(source: Source, origin: str, packs: Packs, recipe: Recipe) -> Family:
    original = packs.hr.find(source.name, origin)
    if original is None or original.broken:
        why = "" if original is None else original.broken
        return Family(source, origin, recipe, [], {}, False, why)
    copies = [
        packs.hr.find(reduced_name(source.name, factor), reduced_origin(original.sha256, factor))
        for factor in fitting(recipe, original.height, original.width)
    ]
    pictures = [original, *(copy for copy in copies if copy is not None)]
    small = _small(pictures, packs.small, recipe)
    whole = None not in copies and None not in small.values()
    return Family(
        source, origin, recipe, pictures, {name: lr for name, lr in small.items() if lr is not None}, whole
    )


def _small(pictures: list[Entry], pack: Pack | None, recipe: Recipe) -> dict[str, Entry | None]:
    if pack is None or recipe.scale is None:
        return {}
    return {
        entry.name: pack.find(entry.name, small_origin(entry.sha256, recipe.scale))
        for entry in pictures
        if has_small(recipe.scale, entry.height, entry.width)
    }
