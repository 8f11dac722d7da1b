"""Compare a package, run from disk, with a reference on real pictures and on noise.

Thresholds: a tensor package must reach 50 dB (peak 1.0) on every input, the level that Apple's own
conversion guidance asks of fp16 models; an image package may differ by at most 2 of 255 levels.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.evidence import Gate, Parity, judge
from pipersr_build.mil.package import Described, Feature
from pipersr_build.mil.recurrence import recurrence

MIN_PSNR_DB = 50.0
MAX_LEVELS = 2.0
NOISE = "random"

Reference = Callable[[np.ndarray], np.ndarray]  # 1, 3, H, W float32 in [0, 1] -> upscaled, unclipped
Runner = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]  # the package's inputs -> its outputs


@dataclass(frozen=True)
class Probe:
    """A named input picture: height, width, 3 (uint8)."""

    name: str
    rgb: np.ndarray


def probes(package: Described, pictures: Iterable[tuple[str, np.ndarray]], seed: int = 0) -> list[Probe]:
    """Noise and the given pictures, each cut or repeated by reflection to the package's input size."""
    height, width = input_size(package)
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    fitted = [Probe(name, fit(rgb, height, width)) for name, rgb in pictures]
    return [Probe(NOISE, noise), *fitted]


def fit(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut a picture to height x width from its top left, after repeating it by reflection if needed."""
    missing = ((0, max(0, height - rgb.shape[0])), (0, max(0, width - rgb.shape[1])), (0, 0))
    return np.pad(rgb, missing, mode="symmetric")[:height, :width]


def input_size(package: Described) -> tuple[int, int]:
    """The height and width that the package is locked to.

    Raises:
        InputError: it is not one RGB image, or one 1, 3, H, W tensor, of a fixed size; beside a tensor there
            may be a state.
    """
    paired = recurrence(package)
    feature = _single(package.interface.inputs, package) if paired is None else paired.frame
    shape = feature.shape[:2] if feature.kind == "image" else feature.shape[2:]
    if len(shape) != 2 or None in shape or feature.flexible:
        raise InputError(
            f"the package's input {feature.name} {feature.shape} is not of one fixed size", where=package.path
        )
    return int(shape[0] or 0), int(shape[1] or 0)


def compare(
    package: Described, run: Runner, runner: str, reference: Reference, probe: Probe, reference_name: str
) -> Parity:
    """Run one input through the package and the reference and measure the difference.

    The reference sees exactly the numbers that the package sees: for tensors the input already
    rounded to the package's type.
    """
    source = _single(package.interface.inputs, package)
    result = _single(package.interface.outputs, package)
    if source.kind == "image":
        expected = _levels(reference(nchw(probe.rgb)))
        found = run({source.name: probe.rgb})[result.name].astype(np.float64)
        psnr, largest = difference(found, expected, peak=255)
    else:
        tensor = tensor_of(source, probe.rgb)
        expected = reference(tensor.astype(np.float32)).astype(np.float64)
        found = run({source.name: tensor})[result.name].astype(np.float64)
        psnr, largest = difference(found, expected, peak=1)
    return Parity(input=probe.name, runner=runner, reference=reference_name, psnr_db=psnr, max_abs=largest)


def gate(
    kind: str,
    subject: str,
    records: list[Parity],
    command: str,
    least_db: float | None = None,
    named: str = "parity",
    runner: str = "Core ML",
) -> Gate:
    """The gate over all inputs: the worst one counts; no records give `not measured` by `runner`.

    With `least_db` that is the threshold, of images too: for packages of fewer bits than the network.
    """
    label = records[0].runner if records else runner
    if kind == "image" and least_db is None:
        worst = max((r.max_abs for r in records), default=None)
        return judge(
            f"{named}, {label}",
            subject,
            worst,
            "at most",
            MAX_LEVELS,
            "levels",
            command=command,
            source="measured" if records else "not measured",
        )
    decibels = [math.inf if r.psnr_db is None else r.psnr_db for r in records]
    worst = min(decibels, default=None)
    return judge(
        f"{named}, {label}",
        subject,
        worst,
        "at least",
        MIN_PSNR_DB if least_db is None else least_db,
        "dB",
        command=command,
        source="measured" if records else "not measured",
    )


def _single(features: tuple[Feature, ...], package: Described) -> Feature:
    if len(features) != 1 or features[0].kind == "other":
        names = ", ".join(f.name for f in features)
        raise InputError(
            f"the package has inputs or outputs other than one picture ({names})", where=package.path
        )
    return features[0]


def nchw(rgb: np.ndarray) -> np.ndarray:
    """Height, width, 3 (uint8) -> 1, 3, H, W float32 in [0, 1]."""
    return np.ascontiguousarray(rgb.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255)


def tensor_of(feature: Feature, rgb: np.ndarray) -> np.ndarray:
    """Height, width, 3 (uint8) -> 1, 3, H, W in [0, 1], in the feature's type."""
    return nchw(rgb).astype(np.float16 if feature.dtype == "fp16" else np.float32)


def _levels(sr: np.ndarray) -> np.ndarray:
    """1, 3, H, W unclipped -> height, width, 3 in whole levels of 255."""
    levels: np.ndarray = np.rint(np.clip(sr[0], 0, 1) * 255).transpose(1, 2, 0).astype(np.float64)
    return levels


def difference(found: np.ndarray, expected: np.ndarray, peak: float) -> tuple[float | None, float]:
    """PSNR in dB (None where identical, -inf where not finite) and the largest difference.

    Raises:
        InputError: the shapes differ.
    """
    if found.shape != expected.shape:
        raise InputError(
            f"the package gives {found.shape}, the PyTorch network {expected.shape}",
            where="output shape",
            fix="give the weights that the package was made of: weights=FILE",
        )
    error = found - expected
    if not np.isfinite(error).all():
        return -math.inf, math.inf
    mean_square = float(np.mean(error**2))
    psnr = None if mean_square == 0 else 10 * math.log10(peak**2 / mean_square)
    return psnr, float(np.abs(error).max())
