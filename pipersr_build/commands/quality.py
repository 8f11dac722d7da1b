"""Quality and sample pictures of an export, measured on its image package."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from pipersr_build import files
from pipersr_build.commands.checks import Checked
from pipersr_build.commands.evaluate import measure
from pipersr_build.commands.pictures import test_sets_of
from pipersr_build.commands.placing import SAMPLES
from pipersr_build.config import Config
from pipersr_build.data.crops import busiest
from pipersr_build.data.images import save_png
from pipersr_build.data.pictures import Pair
from pipersr_build.evaluation.packages import open_method
from pipersr_build.evaluation.testset import TestSet, bicubic
from pipersr_build.evidence import Quality, Sample
from pipersr_build.mil.package import open_package
from pipersr_build.models.upscaler import Upscaler

CROP = 192  # HR pixels, the edge of a sample
MOST_SAMPLES = 4


def of_export(config: Config, stage: Path, checked: list[Checked]) -> tuple[list[Quality], list[Sample]]:
    """Bicubic and the image packages on the configured pictures; nothing where no image package is made.

    The samples are the first test set's, of the first package; others are smaller versions of it, whose rows
    say what they lost against it.
    """
    images = [item.record.file for item in checked if item.record.contract == "image"]
    if not images:
        return [], []
    sets = test_sets_of(config)
    ours = Remembering(open_method(open_package(stage / images[0])).upscale, MOST_SAMPLES)
    measured = [
        (
            measure(bicubic(pictures.scale), pictures, config, "bicubic"),
            measure(ours, pictures, config, images[0]),
        )
        for pictures in sets
    ]
    rows = [
        row
        for pair in measured
        for under_one_protocol in zip(*pair, strict=True)
        for row in under_one_protocol
    ]
    for smaller in images[1:]:
        upscale = open_method(open_package(stage / smaller)).upscale
        found = [row for pictures in sets for row in measure(upscale, pictures, config, smaller)]
        rows += with_losses(found, [row for _, ours_rows in measured for row in ours_rows])
    return rows, _samples(sets[0], ours, rows[:2], files.make_folder(stage / SAMPLES))


def with_losses(smaller: Iterable[Quality], whole: Sequence[Quality]) -> list[Quality]:
    """The rows of a smaller package with what each lost against the whole one on the same pictures."""
    means = {(row.dataset, row.protocol): row.mean_psnr for row in whole}
    return [
        row.model_copy(update={"lost_db": means[row.dataset, row.protocol] - row.mean_psnr})
        for row in smaller
    ]


class Remembering:
    """An upscaler that keeps its first results, so that samples need no second run."""

    def __init__(self, upscale: Upscaler, most: int) -> None:
        self._upscale, self._most = upscale, most
        self.results: list[np.ndarray] = []

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        """Upscale, and keep the result if it is one of the first."""
        sr = self._upscale(lr)
        if len(self.results) < self._most:
            self.results.append(sr)
        return sr


def _samples(pictures: TestSet, ours: Remembering, rows: list[Quality], folder: Path) -> list[Sample]:
    enlarge = bicubic(pictures.scale)
    return [
        _sample(index, pair, enlarge(pair.lr), ours.results[index], rows, folder)
        for index, pair in enumerate(pictures.pictures[:MOST_SAMPLES])
    ]


def _sample(
    index: int, pair: Pair, plain: np.ndarray, sr: np.ndarray, rows: list[Quality], folder: Path
) -> Sample:
    top, left = busiest(pair.hr, CROP)
    names = {}
    for kind, picture in (("bicubic", plain), ("ours", sr), ("truth", pair.hr)):
        path = folder / f"{index}_{kind}.png"
        save_png(path, np.ascontiguousarray(picture[top : top + CROP, left : left + CROP]))
        names[kind] = f"{folder.name}/{path.name}"
    bicubic_psnr, ours_psnr = (row.images[index].psnr for row in rows)
    return Sample(image=pair.name, bicubic_psnr=bicubic_psnr, ours_psnr=ours_psnr, **names)
