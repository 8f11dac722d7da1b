"""Enlarge pictures and frames with a package."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from PIL import Image

from pipersr_build.errors import InputError
from pipersr_build.mil import dtypes
from pipersr_build.mil.package import Package, open_package
from pipersr_build.mil.values import Semantics
from pipersr_build.runtime import samples as sampled
from pipersr_build.runtime import transparency
from pipersr_build.runtime.backends import Backend, Choice, open_backend
from pipersr_build.runtime.frames import HALO_KEY as HALO_KEY
from pipersr_build.runtime.frames import declared_halo, enlargement
from pipersr_build.runtime.recurrent import RecurrentUpscaler
from pipersr_build.runtime.tiling import count_tiles, upscale_tiled
from pipersr_build.scales import to_hr

if TYPE_CHECKING:
    from pipersr_build.runtime.pipeline import FrameSession

Picture = TypeVar("Picture", np.ndarray, Image.Image)


class Upscaler:
    """A package that enlarges pictures of any size, and frames of a video.

    Made by `from_package`. May be used from several threads where its back end may.

    Args:
        package: of either contract.
        backend: what runs it.
        function: of a package with several; the default one if None.

    Attributes:
        backend: what runs it.
        scale: HR pixels per LR pixel; an int where it is whole.
        kind: `image`: takes 8-bit RGB tiles; `video`: a tensor of one locked frame size.
        tile: height and width of what the package takes, in LR pixels.

    Raises:
        InputError: the package does not enlarge pictures or frames.
    """

    def __init__(self, package: Package, backend: Backend, function: str | None = None) -> None:
        self.backend, self._package = backend, package
        self._what = what = enlargement(package, function)
        self.scale, self.tile = what.scale, what.size
        self.kind: Literal["image", "video"] = what.kind
        self._halo = declared_halo(package, what.size[0]), declared_halo(package, what.size[1])
        self._zeros = _zero_state(package, function, what.state)
        run_8_bits = sampled.through_8_bits(self._run_image)
        self._run = run_8_bits if what.kind == "image" else sampled.through_unit(self.run_tensor, what.dtype)

    @classmethod
    def from_package(
        cls,
        path: str | Path,
        *,
        backend: Choice = "auto",
        compute_units: str = "cpuAndNeuralEngine",
        function: str | None = None,
        semantics: Semantics = "fp16",
    ) -> "Upscaler":
        """Open the package at `path` and what runs it; see `backends.open_backend`.

        Raises:
            InputError: the package cannot be opened or run, or it does not enlarge pictures or frames.
            MachineError: Core ML is asked for off a Mac.
        """
        package = open_package(path)
        enlargement(package, function)  # before anything is loaded
        opened = open_backend(
            package, choice=backend, compute_units=compute_units, function=function, semantics=semantics
        )
        return cls(package, opened, function)

    @property
    def path(self) -> Path:
        """The package's folder."""
        return self._package.path

    @property
    def bits(self) -> int:
        """The bits of a sample that get through: 8, or the 11 of Float16 (which holds every 8-bit level)."""
        return {"uint8": 8, "float16": 11}.get(self._what.dtype.name, 24)

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """Height and width of the frames that the package is locked to; None where it takes tiles."""
        return self.tile if self.kind == "video" else None

    def __call__(self, image: Picture) -> Picture:
        """The picture enlarged, as the kind of object that it is.

        Args:
            image: an array as `upscale` takes it, or a Pillow image of any mode and orientation. A palette
                becomes RGB or RGBA, CMYK becomes RGB; gray stays gray.

        Raises:
            InputError: a Pillow image whose samples have no defined white, or a tile without room for the
                halo that the network needs.
            ValueError: an array that is no picture.
            TypeError: neither; a file's name, for example.
        """
        if isinstance(image, np.ndarray):
            return self.upscale(image)
        if not isinstance(image, Image.Image):
            what = f"expected a NumPy array or a Pillow image, got {type(image).__name__}"
            raise TypeError(f"{what}; of a file: Image.open(name) of PIL")
        from pipersr_build.runtime.modes import from_image, to_image

        return to_image(self.upscale(from_image(image)))

    def upscale(
        self, samples: np.ndarray, *, out: np.ndarray | None = None, after: Callable[[], None] | None = None
    ) -> np.ndarray:
        """Enlarge a picture tile by tile.

        Gray is enlarged as RGB with equal channels, of which the luma is kept; alpha apart from the colours:
        see `transparency`. An image package takes 8 bits: deeper samples are rounded to them before and
        spread over their range after it. A video package takes them as Float16 in [0, 1].

        Args:
            samples: uint8, uint16 or floating point in [0, 1]; height, width (gray) or height, width, 2
                (gray and alpha), 3 (RGB) or 4 (RGB and alpha).
            out: where the result goes, of its type and shape; new if None.
            after: called after each of `tiles(samples)` tiles; what it raises ends the work.

        Returns:
            The same type and channels; scale height and scale width, rounded down.

        Raises:
            InputError: the package's tile has no room for the halo that the network needs.
            ValueError: not such an array, or `out` is of another type or shape than the result.
        """
        sampled.check_samples(samples)
        size = (to_hr(length, self.scale) for length in samples.shape[:2])
        shape = (*size, *samples.shape[2:])
        if out is None:
            out = np.empty(shape, samples.dtype)
        elif out.shape != shape or out.dtype != samples.dtype:
            made = f"{samples.dtype} of shape {shape}"
            raise ValueError(f"the result is {made}; out is {out.dtype} of shape {out.shape}")
        colour, alpha = sampled.split(samples)
        result, mask = sampled.split(out)
        if alpha is not None and mask is not None:
            colour = transparency.fill(colour, alpha, max(self._halo) + 1)
            self._upscale_alpha(alpha, mask, after)
        self._tiles(colour, result, after)
        return out

    def tiles(self, samples: np.ndarray) -> int:
        """How many tiles `upscale` runs for such a picture; none for alpha that is the same everywhere."""
        count = self._count(samples.shape[0], samples.shape[1])
        alpha = sampled.split(samples)[1]
        return count if alpha is None or _constant(alpha) else 2 * count

    def frames_session(self, height: int, width: int) -> "FrameSession":
        """A session for frames of one size: the locked package itself, or tiles of any other size.

        Raises:
            InputError: the size has no pixels; the package remembers the frame before and is locked to
                another size; or its tile has no room for the halo that the network needs.
        """
        from pipersr_build.runtime.pipeline import FrameSession

        if min(height, width) < 1:
            raise InputError(
                f"there are no frames of {width}x{height}", fix="give a height and a width above 0"
            )
        if (height, width) != self.frame_size:
            if self._what.state is not None:
                raise self._locked(height, width)
            self._count(height, width)
            return FrameSession(predict_rgb=self._write, height=height, width=width, scale=self.scale)
        predict: Callable[[np.ndarray], np.ndarray] = self.run_tensor
        reset: Callable[[], None] | None = None
        if self._what.state is not None:
            recurrent = RecurrentUpscaler(self._package, backend=self.backend)
            predict, reset = recurrent, recurrent.forget
        dtype = self._what.dtype.type
        return FrameSession(predict, height=height, width=width, scale=self.scale, dtype=dtype, reset=reset)

    @contextmanager
    def video(self, size: tuple[int, int] | None = None) -> "Iterator[FrameSession]":
        """A session for frames of `size` (height, width); of the package's own size where it is locked.

        Raises:
            InputError: the package takes tiles and no size is given; see `frames_session` too.
        """
        size = size or self.frame_size
        if size is None:
            fix = "say video((height, width))"
            raise InputError("the package takes frames of every size", where=self.path, fix=fix)
        with self.frames_session(*size) as session:
            yield session

    def run_tensor(self, tensor: np.ndarray) -> np.ndarray:
        """One frame of the locked size, 1, 3, H, W in [0, 1], through a video package; no frame before it."""
        result: np.ndarray = self.backend.run({self._what.source: tensor, **self._zeros})[self._what.result]
        return result

    def _write(self, frame: np.ndarray, out: np.ndarray) -> None:
        self.upscale(frame, out=out)

    def _run_image(self, tile: np.ndarray) -> np.ndarray:
        result: np.ndarray = self.backend.run({self._what.source: tile})[self._what.result]
        return result

    def _upscale_alpha(self, alpha: np.ndarray, out: np.ndarray, after: Callable[[], None] | None) -> None:
        if _constant(alpha):
            out[...] = alpha.flat[0]
            return
        self._tiles(alpha, out, after)
        transparency.limit(out, alpha, self.scale)

    def _tiles(self, samples: np.ndarray, out: np.ndarray, after: Callable[[], None] | None) -> None:
        run = self._run if samples.ndim == 3 else sampled.through_colour(self._run)
        if samples.shape[:2] == self.tile:  # nothing is cut, so no halo is needed
            out[...] = run(samples)
            if after is not None:
                after()
            return
        self._check_halo()
        upscale_tiled(samples, run, tile=self.tile, halo=self._halo, scale=self.scale, out=out, after=after)

    def _count(self, height: int, width: int) -> int:
        if (height, width) == self.tile:
            return 1
        self._check_halo()
        return count_tiles((height, width), self.tile, self._halo, self.scale)

    def _check_halo(self) -> None:
        for length in self.tile:
            halo(self._package, length)

    def _locked(self, height: int, width: int) -> InputError:
        mine = f"{self.tile[1]}x{self.tile[0]}"
        return InputError(
            f"the package remembers the frame before and takes frames of {mine}, not {width}x{height}",
            where=self.path,
            fix=f"export one of this size: pipersr-build export export.video.size={width}x{height}",
        )


def _constant(alpha: np.ndarray) -> bool:
    return bool(alpha.min() == alpha.max())


def _zero_state(
    package: Package, function: str | None, state: tuple[str, str] | None
) -> Mapping[str, np.ndarray]:
    """The state that says that there is no frame before, of a package that takes one."""
    if state is None:
        return {}
    declared = package.functions[function or package.default].types()[state[0]]
    return {state[0]: np.zeros(declared.extents, dtypes.NUMPY[declared.dtype])}


def halo(package: Package, length: int) -> int:
    """The halo in LR pixels that the package says it needs; an eighth of the tile where it says nothing.

    Args:
        package: of any contract.
        length: of the tile along one axis, in LR pixels.

    Raises:
        InputError: it leaves nothing of the tile.
    """
    halo = declared_halo(package, length)
    if length <= 2 * halo:
        what = f"its tile of {length} pixels is too small for the overlap of {halo} that it needs"
        raise InputError(
            what, where=package.path, fix=f"use a package with a tile of at least {2 * halo + 1} pixels"
        )
    return halo
