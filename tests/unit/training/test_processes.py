import pytest

from pipersr_build.config import TrainingConfig
from pipersr_build.errors import InputError, InterruptedRunError
from pipersr_build.training import processes


def torchrun(rank, world, local=None, group=0):
    return {
        "TORCHELASTIC_RUN_ID": "none", "RANK": str(rank), "LOCAL_RANK": str(rank if local is None else local),
        "GROUP_RANK": str(group), "WORLD_SIZE": str(world),
    }  # fmt: skip


def slurm(task, tasks, per_node, name="train"):
    return {
        "SLURM_PROCID": str(task), "SLURM_NTASKS": str(tasks), "SLURM_NTASKS_PER_NODE": str(per_node),
        "SLURM_JOB_NAME": name,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True),
        ({"LOCAL_RANK": "1", "NODE_RANK": "0"}, False),  # started by Lightning
        ({"NODE_RANK": "1"}, False),  # the first process of the second node
        (torchrun(0, 4), True),
        (torchrun(3, 4), False),
        (torchrun(4, 8, local=0, group=1), False),
        (slurm(0, 4, 4), True),
        (slurm(2, 4, 4), False),
    ],
)
def test_one_process_is_the_first(environment, first):
    assert processes.is_first_process(environment) is first


@pytest.mark.parametrize(
    ("environment", "devices", "nodes"),
    [
        ({}, 2, 1),
        (torchrun(0, 8), 4, 2),
        (slurm(0, 8, 4), 4, 2),
        (slurm(0, 1, 1), 1, 1),
        (slurm(0, 8, 8, "bash"), 1, 1),
        ({**slurm(0, 2, 1), **torchrun(0, 8)}, 4, 2),  # one torchrun on each node of a SLURM job
        ({"SLURM_NTASKS": "1"}, 1, 1),
    ],
)
def test_the_launchers_numbers_agree(environment, devices, nodes):
    processes.check_processes(TrainingConfig(devices=devices, nodes=nodes), environment)


@pytest.mark.parametrize(
    ("environment", "devices", "message"),
    [
        (torchrun(0, 2), 1, "torchrun started 2 processes, training.devices x training.nodes is 1"),
        (slurm(0, 4, 4), 1, "SLURM started 4 processes"),
        (slurm(0, 1, 1), 2, "SLURM started 1 processes"),
        ({"SLURM_NTASKS": "2"}, 2, "SLURM does not say how many tasks a node has"),
    ],
)
def test_other_numbers_are_refused_instead_of_waiting_for_ever(environment, devices, message):
    with pytest.raises(InputError, match=message):
        processes.check_processes(TrainingConfig(devices=devices), environment)


def test_started_processes():
    assert processes.started_processes({}) == 1
    assert processes.started_processes(torchrun(1, 6)) == 6
    assert processes.started_processes(slurm(0, 3, 3)) == 3


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InterruptedRunError("x"), 130),
        (InputError("x"), 2),
        (RuntimeError("[gloo] Connection closed by peer"), 1),
        (RuntimeError("NCCL communicator was aborted"), 1),
    ],
)
def test_the_other_processes_end_without_a_word(error, code, monkeypatch):
    monkeypatch.setattr(processes, "is_first_process", lambda: False)
    with pytest.raises(SystemExit) as caught, processes.follow_first_process():
        raise error
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("first", "error"),
    [
        (True, InputError("x")),
        (True, RuntimeError("peer")),
        (False, RuntimeError("size mismatch")),
        (False, ZeroDivisionError()),
    ],
)
def test_other_errors_are_not_hidden(first, error, monkeypatch):
    monkeypatch.setattr(processes, "is_first_process", lambda: first)
    with pytest.raises(type(error)), processes.follow_first_process():
        raise error
