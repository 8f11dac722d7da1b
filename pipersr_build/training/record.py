"""A finished run's record, read back."""

from pathlib import Path

from pydantic import ValidationError

from pipersr_build import evidence
from pipersr_build.errors import InputError
from pipersr_build.training.names import RECORD


def read_record(weights: Path, sha256: str) -> evidence.Training | None:
    """The training record beside a weights file, if there is one and it is of these weights.

    Raises:
        InputError: the record cannot be read.
    """
    beside = (weights.with_suffix(f".{RECORD}"), weights.with_name(RECORD))  # shipped weights share a folder
    path = next((path for path in beside if path.is_file()), None)
    if path is None:
        return None
    try:
        record = evidence.Training.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(
            "the training record beside the weights cannot be read",
            where=path,
            fix="move it away or train again",
        ) from error
    return record if record.weights_sha256 == sha256 else None
