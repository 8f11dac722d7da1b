"""Compare a package that remembers the frame before with a reference, over a sequence of frames.

Each side is given its own state of the frame before, so that what they differ by adds up as it would in a
video. Where a scene begins, both forget.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.evidence import Parity
from pipersr_build.mil.package import Described
from pipersr_build.mil.recurrence import Recurrence, recurrence
from pipersr_build.validation import parity
from pipersr_build.validation.parity import Runner

MOVE = 3  # LR pixels that a picture moves down and right from one frame to the next

# 1, 3, H, W in [0, 1] and the state, both float32 -> upscaled, unclipped, and the next state
Reference = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Frame:
    """A frame of a sequence: what records call it, height, width, 3 (uint8), and what is around it."""

    name: str
    rgb: np.ndarray
    begins: bool  # a scene: there is no frame before
    ends: bool  # a scene: the state after it is compared too


def frames(package: Described, pictures: Iterable[tuple[str, np.ndarray]], seed: int = 0) -> list[Frame]:
    """Two scenes or more: noise that turns into the first picture, which moves; then every other, moving.

    Args:
        package: with a state; its frame's size is the frames'.
        pictures: real ones, cut or repeated by reflection to that size.
        seed: of the noise.
    """
    noise, *fitted = parity.probes(package, pictures, seed)
    first, rest = [noise, *fitted[:1]], fitted[1:]
    scenes = [[*first, _moved(first[-1])], *([probe, _moved(probe)] for probe in rest)]
    shown = [(probe, scene) for scene in scenes for probe in scene]
    return [
        Frame(_name(index, probe, scene), probe.rgb, probe is scene[0], probe is scene[-1])
        for index, (probe, scene) in enumerate(shown, 1)
    ]


def _name(index: int, probe: parity.Probe, scene: Sequence[parity.Probe]) -> str:
    return f"frame {index}{', cut' if index > 1 and probe is scene[0] else ''}: {probe.name}"


def _moved(probe: parity.Probe) -> parity.Probe:
    return parity.Probe(f"{probe.name}, moved", np.roll(probe.rgb, (MOVE, MOVE), axis=(0, 1)))


def known(package: Described) -> Recurrence:
    """The package's frame and state.

    Raises:
        InputError: it has none.
    """
    found = recurrence(package)
    if found is None:
        raise InputError("the package takes and returns no state", where=package.path)
    return found


def compare(
    package: Described,
    run: Runner,
    runner: str,
    reference: Reference,
    shown: Iterable[Frame],
    reference_name: str,
) -> list[Parity]:
    """Run a sequence through the package and the reference and measure the differences.

    Every frame's result is compared as any tensor's (peak 1), and the state at the end of each scene, as a
    share of the reference's largest value in it. The frame is rounded to the package's type for both sides;
    the reference's state is not.

    Raises:
        InputError: a shape is not the reference's.
    """
    takes, records = known(package), []
    blank = takes.no_state()
    for frame in shown:
        if frame.begins:
            state, expected_state = blank, blank.astype(np.float32)
        tensor = parity.tensor_of(takes.frame, frame.rgb)
        made = run({takes.frame.name: tensor, takes.before.name: state})
        expected, expected_state = reference(tensor.astype(np.float32), expected_state)
        state = takes.as_input(made[takes.after.name])
        pairs = [(frame.name, made[takes.result.name], expected)]
        if frame.ends:
            pairs.append((f"{frame.name}: the state after it", *_shares(state, expected_state)))
        records += [_record(*pair, runner, reference_name) for pair in pairs]
    return records


def _record(name: str, found: np.ndarray, expected: np.ndarray, runner: str, reference: str) -> Parity:
    psnr, largest = parity.difference(found.astype(np.float64), expected.astype(np.float64), peak=1)
    return Parity(input=name, runner=runner, reference=reference, psnr_db=psnr, max_abs=largest)


def _shares(state: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as shares of the expected one's largest value, but not of less than 1."""
    peak = max(1.0, float(np.abs(expected).max()))
    return state / np.float64(peak), expected / np.float64(peak)
