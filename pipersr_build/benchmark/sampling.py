"""Patches per second from a packed corpus, against opening and decoding the same PNG for every patch."""

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipersr_build.benchmark.record import Figure
from pipersr_build.data.images import save_png
from pipersr_build.data.photos import load_photos
from pipersr_build.data.pictures import Pair
from pipersr_build.data.resize import downscale
from pipersr_build.data.sampler import PatchSampler

SIZE = 1356, 2040  # height and width of most DIV2K pictures
PICTURES = 4
SCALE, PATCH, BATCH = 2, 32, 16
ROUNDS = 5
STEPS = 40  # batches of the packed sampler in a round; the PNGs give one
LIMIT = 20.0


def measure() -> list[Figure]:
    """Median ratio, round by round, of patches per second of one core; LR and HR count as one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = [_prepare(folder, index) for index in range(PICTURES)]
        packed = PatchSampler(pairs, PATCH, SCALE, BATCH, seed=0)
        decoding = DecodingSampler(folder, PICTURES)
        packed.batch(0)
        decoding.batch()
        rates = [(_rate(packed.batch, STEPS), _rate(lambda _: decoding.batch(), 1)) for _ in range(ROUNDS)]
    ratios = [ours / theirs for ours, theirs in rates]
    ours, theirs = (statistics.median(column) for column in zip(*rates, strict=True))
    detail = (
        f"median of {ROUNDS} rounds, {min(ratios):.0f} to {max(ratios):.0f}; {ours:,.0f} against "
        f"{theirs:,.1f} patches per second of one core, LR {PATCH}x{PATCH} with HR "
        f"{SCALE * PATCH}x{SCALE * PATCH} of {SIZE[1]}x{SIZE[0]} pictures"
    )
    return [
        Figure(
            name="patches per second, packed corpus / decoding PNGs",
            value=statistics.median(ratios),
            limit=LIMIT,
            unit="x",
            detail=detail,
            direction="at least",
        )
    ]


class DecodingSampler:
    """What a data set of image files does for every patch: open the HR and the LR PNG, decode, crop."""

    def __init__(self, folder: Path, pictures: int) -> None:
        self.files = [(folder / f"lr{index}.png", folder / f"hr{index}.png") for index in range(pictures)]
        self.random = random.Random(0)

    def batch(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """LR and HR patches, B, H, W, 3 in [0, 1]."""
        patches = [self._patch() for _ in range(BATCH)]
        lr, hr = (np.stack(column) for column in zip(*patches, strict=True))
        return np.divide(lr, 255, dtype=np.float32), np.divide(hr, 255, dtype=np.float32)

    def _patch(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        small, large = self.random.choice(self.files)
        lr, hr = _decode(small), _decode(large)
        top, left = (self.random.randrange(length - PATCH + 1) for length in lr.shape[:2])
        return _cut(lr, top, left, PATCH), _cut(hr, top * SCALE, left * SCALE, PATCH * SCALE)


def _decode(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _cut(rgb: NDArray[np.uint8], top: int, left: int, edge: int) -> NDArray[np.uint8]:
    return rgb[top : top + edge, left : left + edge]


def _prepare(folder: Path, index: int) -> Pair:
    """Write a picture as PNGs and as raw pixels, and map the latter into memory."""
    hr = _mosaic(index)
    pair = []
    for name, rgb in (("lr", downscale(hr, SCALE)), ("hr", hr)):
        save_png(folder / f"{name}{index}.png", rgb)
        raw = folder / f"{name}{index}.raw"
        rgb.tofile(raw)
        pair.append(np.memmap(raw, np.uint8, "r", shape=rgb.shape))
    return Pair(str(index), *pair)


def _mosaic(seed: int) -> NDArray[np.uint8]:
    """A picture of `SIZE` from the embedded photographs in random order, cut where they meet the edge."""
    photos = [photo.rgb for photo in load_photos()]
    order = random.Random(seed)
    rows, height = [], 0
    while height < SIZE[0]:
        chosen = order.sample(photos, len(photos))
        least = min(rgb.shape[0] for rgb in chosen)
        rows.append(np.concatenate([rgb[:least] for rgb in chosen], axis=1)[:, : SIZE[1]])
        height += least
    return np.ascontiguousarray(np.concatenate(rows)[: SIZE[0]])


def _rate(batch: Callable[[int], object], batches: int) -> float:
    """Patches per second of processor time, so that other work on the machine does not count."""
    started = time.process_time()
    for step in range(batches):
        batch(step)
    return batches * BATCH / (time.process_time() - started)
