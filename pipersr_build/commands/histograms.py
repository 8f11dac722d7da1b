"""Where an export's activations lie, counted on its smallest package."""

import math
from collections.abc import Callable
from pathlib import Path

from pipersr_build.commands.checks import Checked, Pictures
from pipersr_build.errors import InputError
from pipersr_build.evidence.figures import Activations
from pipersr_build.inspection.histogram import activations
from pipersr_build.mil.package import Package, open_package
from pipersr_build.progress import say
from pipersr_build.validation.parity import input_size

LARGE = 256 * 256  # pixels


def of_export(stage: Path, checked: list[Checked], pictures: Pictures) -> Activations | None:
    """The histograms of the package that takes the fewest pixels; None, with a word, where none can run.

    A package of more than `LARGE` pixels runs on the first picture alone, which takes seconds.
    """
    if not checked:
        return None
    try:
        smallest = min(map(_opened(stage), checked), key=_pixels)
        return activations(smallest, pictures if _pixels(smallest) <= LARGE else pictures[:1])
    except InputError as error:
        say(f"activations are not counted: {error.what}")
        return None


def _opened(stage: Path) -> Callable[[Checked], Package]:
    def opened(item: Checked) -> Package:
        package = open_package(stage / item.record.file)
        return package.at(item.record.function) if item.record.function else package

    return opened


def _pixels(package: Package) -> int:
    return math.prod(input_size(package))
