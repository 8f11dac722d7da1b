"""Which package enlarges what: pictures, pictures of 16 bits, frames of a size."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pipersr_build.commands import packages
from pipersr_build.commands.reference_packages import reference_packages
from pipersr_build.config.upscale import UpscaleConfig
from pipersr_build.errors import InputError
from pipersr_build.export.compression.methods import METHOD_KEY
from pipersr_build.export.sizes import NAMED
from pipersr_build.mil.package import Package, open_package
from pipersr_build.runtime.backends import Choice, open_backend
from pipersr_build.runtime.frames import Enlargement, declared_halo, enlargement
from pipersr_build.runtime.tiling import count_tiles
from pipersr_build.runtime.upscaler import Upscaler

if TYPE_CHECKING:
    from pipersr_build.runtime.pipeline import FrameSession

EXPORT = "pipersr_2x"  # the export that is used where no package is named
IMAGE, DEEP = "image_128", "video_128x128"  # of the reference weights: for 8 bits, and for more
LOCKED = {NAMED[name]: f"video_{name}" for name in ("360p", "480p", "540p")}


@dataclass(frozen=True)
class Candidate:
    """A package that is there, and what it enlarges."""

    package: Package
    what: Enlargement

    @property
    def compressed(self) -> bool:
        """Whether it computes with fewer bits than the network."""
        return METHOD_KEY in self.package.spec.description.metadata.userDefined

    def effort(self, height: int, width: int) -> int:
        """The pixels that it computes for a picture of this size."""
        tile = self.what.size
        if (height, width) == tile:
            return height * width
        halo = declared_halo(self.package, tile[0]), declared_halo(self.package, tile[1])
        if tile[0] <= 2 * halo[0] or tile[1] <= 2 * halo[1]:
            return 1 << 62  # not in tiles
        return count_tiles((height, width), tile, halo, self.what.scale) * tile[0] * tile[1]


class Upscalers:
    """The packages that the settings name, each opened when it is first needed and then kept.

    Args:
        settings: of `upscale`.
        exports: the folder of exports.

    Attributes:
        scale: of one pass.

    Raises:
        InputError: `upscale.package` names no package that enlarges.
    """

    def __init__(self, settings: UpscaleConfig, exports: str | Path = "exports") -> None:
        self._settings, self._opened = settings, dict[tuple[Path, str], Upscaler]()
        self._given = _given(settings, Path(exports))
        self.scale = self._given[0].what.scale if self._given else 2

    @cached_property
    def pictures(self) -> Upscaler:
        """What enlarges pictures: an image package, else a video package by tiles."""
        return self._open(self._best(128, 128, "image", IMAGE))

    def deep(self) -> Upscaler | None:
        """What enlarges pictures of 16 bits: a tensor package, None where there is none."""
        found = self._of_kind("video")
        if self._given and not found:
            return None
        return self._open(self._best(128, 128, "video", DEEP))

    def frames(self, height: int, width: int) -> Upscaler:
        """What enlarges frames of a size: the package locked to it, else tiles."""
        if not self._given:
            name = LOCKED.get((height, width))
            return self._open(_reference(name)) if name else self.pictures
        exact = [c for c in self._given if c.what.kind == "video" and c.what.size == (height, width)]
        return self._open(exact[0] if exact else self._best(height, width, "image", IMAGE))

    def session(self, height: int, width: int) -> "FrameSession":
        """A session for frames of a size."""
        return self.frames(height, width).frames_session(height, width)

    def _of_kind(self, kind: str) -> list[Candidate]:
        return [c for c in self._given if c.what.kind == kind and c.what.state is None]

    def _best(self, height: int, width: int, kind: str, reference: str) -> Candidate:
        """Of the kind if there is one, uncompressed if there is one, with the least effort."""
        if not self._given:
            return _reference(reference)
        among = self._of_kind(kind) or [c for c in self._given if c.what.state is None] or self._given
        return min(among, key=lambda c: (c.compressed, c.effort(height, width)))

    def _open(self, chosen: Candidate) -> Upscaler:
        key = chosen.package.path, chosen.package.default
        if key not in self._opened:
            backend = open_backend(
                chosen.package,
                choice=cast(Choice, self._settings.backend),
                compute_units=self._settings.compute_units,
            )
            self._opened[key] = Upscaler(chosen.package, backend)
        return self._opened[key]


def _reference(name: str) -> Candidate:
    package = open_package(reference_packages([name])[name])
    return Candidate(package, enlargement(package))


def _given(settings: UpscaleConfig, exports: Path) -> list[Candidate]:
    """The packages that are named, or those of the export of the reference weights; uncompressed first."""
    named = Path(settings.package) if settings.package else exports / EXPORT
    if not settings.package and not named.is_dir():
        return []
    found: list[Candidate] = []
    for path in packages.find([named], "upscale"):
        found += [Candidate(one, enlargement(one)) for one in open_package(path).each()]
    found.sort(key=lambda candidate: candidate.compressed)
    scales = {candidate.what.scale for candidate in found}
    if len(scales) > 1:
        fix = "give one package, or a folder of packages of one scale"
        raise InputError("the packages enlarge by different scales", where=named, fix=fix)
    return found
