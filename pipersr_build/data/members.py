"""The pictures of a corpus as it is put together: on what terms, and what tells it from another."""

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pipersr_build.data.pictures import Picture
from pipersr_build.errors import InputError

_SHOWN = 5  # pictures that are too small


@dataclass(frozen=True)
class Terms:
    """On what terms image files become pictures of a corpus.

    Args:
        minimum: the least height and width, in pixels.
        skip_small: leave out smaller pictures to train on, and let held-out ones be smaller.
        skip_broken: leave out images that cannot be read.
        emphasis: how much more often pictures are sampled, by folder; a picture gets the factor of the
            innermost folder named.
    """

    minimum: int = 1
    skip_small: bool = False
    skip_broken: bool = False
    emphasis: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Member:
    """A picture of a corpus, the digest of its pixels, whether it is held out, whether a reduced copy."""

    picture: Picture
    sha256: str
    held: bool
    reduced: bool = False

    @property
    def pixels(self) -> tuple[str, str]:
        """The same for pictures that are the same, whatever their names."""
        return self.picture.size, self.sha256


def usable(members: Sequence[Member], terms: Terms, where: str) -> list[Member]:
    """The pictures that meet the terms, those to train on before those held out, checked.

    Reduced copies below `terms.minimum` are left out.

    Raises:
        InputError: nothing is left to train on or to hold out, a picture is too small (but see
            `terms.skip_small`), or a held-out picture is also trained on.
    """
    kept = [
        member for member in members if _edge(member.picture) >= terms.minimum or not _extra(member, terms)
    ]
    train = [member for member in kept if not member.held]
    held = [member for member in kept if member.held]
    _check_some(train, held, where)
    _check_sizes(train if terms.skip_small else kept, terms.minimum, where)
    _check_apart(train, held, where)
    return [*train, *held]


def _extra(member: Member, terms: Terms) -> bool:
    """Whether the corpus can do without this picture where it is too small."""
    return member.reduced or (terms.skip_small and not member.held)


def fingerprint_of(members: Sequence[Member]) -> str:
    """SHA-256 over pictures in order: in which list they are, names, sizes and their pixels' digests."""
    digest = hashlib.sha256()
    for member in members:
        split = "holdout" if member.held else "train"
        digest.update(f"{split}\0{member.picture.name}\0{member.picture.size}\0{member.sha256}\n".encode())
    return digest.hexdigest()


def factors(members: Sequence[Member], taken: Sequence[Member], emphasis: Mapping[str, float]) -> list[float]:
    """Of each training picture taken, the factor of the innermost of its folders that has one, else 1.

    Raises:
        InputError: `emphasis` names a folder that none of the corpus' `members` is in.
    """
    folders = {folder for member in members for folder in _folders(member.picture.name)}
    for name in emphasis:
        if name not in folders:
            close = difflib.get_close_matches(name, folders, n=1)
            fix = f"did you mean {close[0]}?" if close else "correct it, or leave it out: data.emphasis=null"
            raise InputError(f"no folder of the corpus is called {name}", where="data.emphasis", fix=fix)
    return [
        next((float(emphasis[folder]) for folder in _folders(member.picture.name) if folder in emphasis), 1.0)
        for member in taken
        if not member.held
    ]


def broken_images(broken: dict[str, str], where: object) -> InputError:
    """The error that lists images which cannot be read."""
    lines = [f"{name}: {why}" for name, why in broken.items()]
    count = "1 image" if len(lines) == 1 else f"{len(lines)} images"
    what = "\n    ".join([f"{count} cannot be read:", *lines])
    fix = "mend or remove them, or go on without them: data.skip_broken=true"
    return InputError(what, where=where, fix=fix)


def too_small(named: list[str], minimum: int, where: object) -> InputError:
    """The error that lists pictures which are smaller than a patch."""
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    what = f"smaller than the {minimum}x{minimum} pixels needed: {', '.join(named[:_SHOWN])}{more}"
    fix = "remove them, choose a smaller patch, or go on without them: data.skip_small=true"
    return InputError(what, where=where, fix=fix)


def _check_some(train: list[Member], held: list[Member], where: str) -> None:
    """Images that cannot be read may have been all there were."""
    for members, purpose in ((train, "train on"), (held, "hold out")):
        if not members:
            raise InputError(f"no picture is left to {purpose}", where=where, fix="add pictures")


def _check_sizes(members: list[Member], minimum: int, where: str) -> None:
    small = [member.picture for member in members if _edge(member.picture) < minimum]
    if small:
        raise too_small([f"{picture.name} ({picture.size})" for picture in small], minimum, where)


def _check_apart(train: list[Member], held: list[Member], where: str) -> None:
    """A picture that is trained on says nothing when it is held out, whatever its name."""
    trained = {member.pixels: member.picture.name for member in train}
    for member in held:
        twin = trained.get(member.pixels)
        if twin is not None:
            name = member.picture.name
            what = f"{name} is held out, but {twin}, which is trained on, is the same picture"
            raise InputError(what, where=where, fix="remove one of them or hold out both")


def _folders(name: str) -> list[str]:
    """The folders that a picture is in, the innermost first, each from the corpus' own folder on."""
    return [str(folder) for folder in PurePosixPath(name).parents if folder != PurePosixPath()]


def _edge(picture: Picture) -> int:
    return int(min(picture.rgb.shape[:2]))
