"""Training runs inside a benchmark: made once, and gone on with where they stopped."""

from pathlib import Path

from pipersr_build import files
from pipersr_build.commands.train import train_network
from pipersr_build.config import Config
from pipersr_build.errors import InterruptedRunError
from pipersr_build.evidence import Training
from pipersr_build.training.folder import same_settings
from pipersr_build.training.names import WEIGHTS
from pipersr_build.training.record import read_record


def trained(config: Config) -> Training | None:
    """The record of a run, trained now unless it is finished; None if the record is of other weights.

    So it is, too, in all processes of a run but the first.

    Raises:
        InterruptedRunError: Ctrl-C; see `training.run.train`.
    """
    weights = Path(config.runs) / config.name / WEIGHTS
    if not (weights.is_file() and same_settings(weights.parent, config)):
        try:
            train_network(config)
        except InterruptedRunError as error:
            fix = "run the same command again: finished networks are not trained again"
            raise InterruptedRunError(error.what, where=error.where, fix=fix) from error
    return read_record(weights, files.sha256(weights))
