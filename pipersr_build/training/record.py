"""A finished run's record, read back."""

from pathlib import Path

from pydantic import ValidationError

from pipersr_build import evidence
from pipersr_build.errors import InputError
from pipersr_build.training.names import BEST, RECORD


def read_record(weights: Path, sha256: str) -> evidence.Training | None:
    """The training record of a weights file, if there is one and it is of these weights.

    It lies beside the weights. Those that a run keeps in `best/` are of the run's record, at their step.

    Raises:
        InputError: the record cannot be read.
    """
    if weights.parent.name == BEST and weights.stem.isdecimal():
        return _of_a_step(weights, int(weights.stem), sha256)
    beside = (weights.with_suffix(f".{RECORD}"), weights.with_name(RECORD))  # shipped weights share a folder
    path = next((path for path in beside if path.is_file()), None)
    record = None if path is None else _read(path)
    return record if record is not None and record.weights_sha256 == sha256 else None


def _of_a_step(weights: Path, step: int, sha256: str) -> evidence.Training | None:
    """The record of the run whose weights after `step` these are; None before the run is finished."""
    path = weights.parent.with_name(RECORD)
    record = _read(path) if path.is_file() else None
    point = next((p for p in record.validation if p.step == step), None) if record else None
    if record is None or point is None:
        return None
    changes = {"chosen_step": step, "chosen_psnr": point.psnr, "weights_sha256": sha256}
    return record.model_copy(update=changes)


def _read(path: Path) -> evidence.Training:
    try:
        return evidence.Training.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(
            "the training record beside the weights cannot be read",
            where=path,
            fix="move it away or train again",
        ) from error
