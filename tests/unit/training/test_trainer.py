import pytest

from pipersr_build.config import TrainingConfig
from pipersr_build.errors import MachineError
from pipersr_build.training import trainer
from pipersr_build.training.trainer import build_trainer, check_machine, precision


@pytest.mark.parametrize("wanted", ["fp32", "bf16"])
def test_a_precision_that_is_asked_for_is_taken(wanted):
    assert precision(wanted) == wanted


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_follows_the_processor(monkeypatch, native, expected):
    monkeypatch.setattr(trainer.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(trainer.machine, "bf16_cpu", lambda: native)
    assert precision("auto") == expected


def gpus(monkeypatch, count):
    monkeypatch.setattr(trainer.torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(trainer.torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize(
    ("found", "settings", "message"),
    [
        (0, {"accelerator": "gpu"}, "no CUDA GPU"),
        (2, {"devices": 4}, "training.devices is 4, but torch sees 2"),
    ],
)
def test_a_machine_without_the_gpus_says_so(monkeypatch, found, settings, message):
    gpus(monkeypatch, found)
    with pytest.raises(MachineError, match=message) as caught:
        check_machine(TrainingConfig(**settings))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(("found", "settings"), [(0, {"devices": 2}), (2, {"devices": 2}),
                                                 (2, {"devices": 4, "accelerator": "cpu"})])  # fmt: skip
def test_a_machine_with_enough_is_taken(monkeypatch, found, settings):
    gpus(monkeypatch, found)
    check_machine(TrainingConfig(**settings))


def test_compiling_for_a_processor_needs_a_compiler(monkeypatch):
    gpus(monkeypatch, 0)
    monkeypatch.setattr(trainer.shutil, "which", lambda _: None)
    check_machine(TrainingConfig())
    with pytest.raises(MachineError, match="needs a C\\+\\+ compiler"):
        check_machine(TrainingConfig(compile="on"))


def build(tmp_path, **settings):
    return build_trainer(TrainingConfig(accelerator="cpu", precision="fp32", **settings), tmp_path, [], [])


def test_the_trainer_is_the_configured_one(tmp_path):
    made = build(tmp_path, steps=7, accumulate=2)
    assert (made.max_steps, made.accumulate_grad_batches, made.world_size) == (7, 2, 1)
    assert made.precision == "32-true"
    assert made.loggers == []
    many = build(tmp_path, devices=2)
    assert type(many.strategy).__name__ == "DDPStrategy"
    assert many.num_devices == 2


SLURM = {
    "SLURM_NTASKS": "2",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "SLURM_JOB_NAME": "train",
}


def test_slurm_is_not_left_to_requeue_by_itself(tmp_path, monkeypatch):
    for key, value in SLURM.items():
        monkeypatch.setenv(key, value)
    environment = build(tmp_path, devices=2)._accelerator_connector.cluster_environment
    assert type(environment).__name__ == "SLURMEnvironment"
    assert not environment.auto_requeue
