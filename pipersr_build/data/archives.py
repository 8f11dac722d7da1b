"""The archives of the public corpora, as data: addresses, digests, and the images in them."""

import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipersr_build.errors import InputError

_TABLE = Path(__file__).with_name("archives.toml")

Name = Annotated[str, Field(pattern=re.compile(r"^[A-Za-z0-9][\w.-]*$"))]


class Archive(BaseModel):
    """One archive of images, called first.png … last.png; see `archives.toml` for the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Name
    corpora: list[str]
    url: Annotated[str, Field(pattern=r"^https?://")]
    bytes: Annotated[int, Field(gt=0)] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    folder: Name
    first: Annotated[int, Field(ge=0)]
    last: int
    digits: Annotated[int, Field(ge=1)]
    use: Literal["train", "holdout"]
    licence: str
    source: str

    @cached_property
    def images(self) -> list[str]:
        """The images' file names, in order."""
        return [f"{number:0{self.digits}}.png" for number in range(self.first, self.last + 1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    archive: list[Archive]


def archives_of(corpus: str, table: Path | None = None, mirror: str | None = None) -> list[Archive]:
    """The archives that make up a corpus.

    Args:
        corpus: its name in the table.
        table: another table than the one that comes with the program.
        mirror: an http(s) folder that holds all archives, instead of their own addresses.

    Raises:
        InputError: the table cannot be read or knows no such corpus.
    """
    file = table or _TABLE
    try:
        with file.open("rb") as opened:
            known = _Table.model_validate(tomllib.load(opened)).archive
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        why = "; ".join(str(error).split("\n")[:3])
        fix = "see the form of the table in docs/how_to/data.md"
        raise InputError(f"the table of archives cannot be read: {why}", where=file, fix=fix) from error
    found = [archive for archive in known if corpus in archive.corpora]
    if not {"train", "holdout"} <= {archive.use for archive in found}:
        what = f"the table has no archives to train on and to hold out for {corpus}"
        raise InputError(what, where=file, fix="add them or leave data.archives out")
    return [_mirrored(archive, mirror) for archive in found]


def _mirrored(archive: Archive, mirror: str | None) -> Archive:
    if mirror is None:
        return archive
    return archive.model_copy(update={"url": f"{mirror.rstrip('/')}/{archive.file}"})
