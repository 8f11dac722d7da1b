"""The processes of one run: which one leads, and whether as many were started as are configured."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pipersr_build.config import TrainingConfig
from pipersr_build.errors import BuildError, InputError

# what torchrun, Lightning's own launcher and SLURM tell a process of its place
_PLACES = ("RANK", "GROUP_RANK", "NODE_RANK", "LOCAL_RANK", "SLURM_PROCID")
_LOST = ("connection", "peer", "gloo", "nccl", "timed out", "timeout", "socket")


def is_first_process(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is the process that writes the run's files, by the launcher's environment."""
    return all(environment.get(name, "0") in ("", "0") for name in _PLACES)


def check_processes(settings: TrainingConfig, environment: Mapping[str, str] = os.environ) -> None:
    """Refuse a configuration for another number of processes than were started; they would wait for ever.

    Raises:
        InputError: naming the launcher and both numbers.
    """
    wanted = settings.devices * settings.nodes
    for launcher, started in _started(environment).items():
        if started != wanted:
            raise InputError(
                f"{launcher} started {started} processes, training.devices x training.nodes is {wanted}",
                where="configuration keys training.devices, training.nodes",
                fix="devices are the processes on each node: give the launcher's numbers to both",
            )
    slurm = "SLURM_NTASKS" in environment and "SLURM_NTASKS_PER_NODE" not in environment
    if slurm and wanted > 1 and "TORCHELASTIC_RUN_ID" not in environment:
        raise InputError("SLURM does not say how many tasks a node has", where="SLURM_NTASKS_PER_NODE",
                         fix="ask for the tasks with --ntasks-per-node")  # fmt: skip


def started_processes(environment: Mapping[str, str] = os.environ) -> int:
    """How many processes torchrun or SLURM have started; 1 without them."""
    return max(_started(environment).values(), default=1)


def _started(environment: Mapping[str, str]) -> dict[str, int]:
    """The launcher and the number of processes that it started, if there is a launcher."""
    if "TORCHELASTIC_RUN_ID" in environment:
        return {"torchrun": int(environment.get("WORLD_SIZE", "1"))}
    interactive = environment.get("SLURM_JOB_NAME") in ("bash", "interactive")  # as Lightning has it
    if "SLURM_NTASKS" in environment and not interactive:
        return {"SLURM": int(environment["SLURM_NTASKS"])}
    return {}


@contextmanager
def follow_first_process() -> Iterator[None]:
    """In the other processes, end without a word where the first one says what happened.

    What stops one process of a run stops all: an interruption and a loss that is not finite are seen by
    every process, and when the first one fails, for example on a full disk, the others lose contact.
    """
    try:
        yield
    except BuildError as error:
        if is_first_process():
            raise
        raise SystemExit(error.exit_code) from error
    except RuntimeError as error:
        if is_first_process() or not any(word in str(error).lower() for word in _LOST):
            raise
        raise SystemExit(BuildError.exit_code) from error
