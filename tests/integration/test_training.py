"""Runs that are killed, interrupted and divided: the real command in processes of its own.

Most of these processes are forked from a server that has imported torch and Lightning once.
"""

import json
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from PIL import Image
from safetensors.torch import load_file

from pipersr_build import cli, files
from pipersr_build.commands.corpus import corpus_of
from pipersr_build.config import load
from pipersr_build.training.checkpoint_file import read
from pipersr_build.training.module import SRModule
from pipersr_build.training.run import train

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are forked and signalled")

CONTEXT = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
CONTEXT.set_forkserver_preload(["pytest", "lightning.pytorch", "pipersr_build.training.run",
                                "pipersr_build.commands.train", "torch._dynamo"])  # fmt: skip
TINY = [
    "train",
    "experiment=debug",
    "data=folder",
    "data.folder=pictures",
    "data.holdout=1",
    "model.blocks=1",
    "model.channels=8",
    "training.patch=8",
    "training.batch=4",
    "training.precision=fp32",
    "training.threads=1",
]


FORTY_STEPS = [
    "training.steps=40",
    "training.checkpoint_every=3",
    "training.validate_every=4",
    "training.ema=0.9",
    "training.optimizer=muon",
    "training.accumulate=2",
    "training.keep_best=3",
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    for name in "abcd":
        noise = np.random.default_rng(ord(name)).integers(0, 256, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "pictures" / f"{name}.png")
    return tmp_path


def command(folder, words, environment):
    """In the new process: `pipersr-build` with these words, what it says in a file."""
    os.chdir(folder)
    os.environ.update(environment)
    said = os.open(folder / "said.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.exit(cli.main(words))


def slow_command(folder, words, environment):
    """As `command`, with steps so long that a busy machine does not finish the run before it is killed."""
    step = SRModule.training_step

    def slow_step(self, *batch):
        time.sleep(0.05)
        return step(self, *batch)

    SRModule.training_step = slow_step
    command(folder, words, environment)


def start(folder, words, environment=None, target=command):
    process = CONTEXT.Process(target=target, args=(folder, words, environment or {}), daemon=True)
    process.start()
    return process


def ended(process, seconds=300):
    process.join(seconds)
    return process.exitcode


def saved(run):
    """What tells one checkpoint from the next."""
    try:
        found = (run / "last.ckpt").stat()
        return found.st_ino, found.st_mtime_ns
    except FileNotFoundError:
        return None


def wait_for_checkpoints(run, count, process):
    seen = {saved(run)}
    while len(seen) < count + 1:
        seen.add(saved(run))
        assert process.is_alive(), "it ended before it could be stopped"
        time.sleep(0.003)


def test_a_run_that_is_killed_at_random_ends_as_if_it_had_not_been(folder):
    seed = int(os.environ.get("KILL_SEED", time.time_ns()))
    print(f"the same again: KILL_SEED={seed}")
    moments = random.Random(seed)
    words = [*TINY, *FORTY_STEPS]
    assert ended(start(folder, [*words, "runs=whole"])) == 0
    run = folder / "runs" / "debug"
    for _ in range(3):
        process = start(folder, words, target=slow_command)
        wait_for_checkpoints(run, moments.randint(1, 3), process)
        time.sleep(moments.random() * 0.1)
        process.kill()
        assert ended(process) == -signal.SIGKILL
    assert ended(start(folder, words)) == 0, (folder / "said.txt").read_text()
    whole = folder / "whole" / "debug"
    for name in ("weights.safetensors", "best", "curve.csv"):
        assert files.sha256(run / name) == files.sha256(whole / name), name
    assert sorted(path.name for path in run.iterdir()) == sorted(path.name for path in whole.iterdir())
    one, two = (json.loads((place / "training.json").read_text()) for place in (whole, run))
    for part in ("curve", "validation", "chosen_step", "chosen_psnr", "weights_sha256"):
        assert one[part] == two[part]
    assert len(two["legs"]) > 1
    assert [leg["first_step"] - 1 for leg in two["legs"][1:]] == [
        leg["last_step"] for leg in two["legs"][:-1]
    ]


def torchrun(folder, words, count=2, target=command):
    """The processes as torchrun would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
              "WORLD_SIZE": str(count), "GROUP_RANK": "0"}  # fmt: skip
    ranks = ({**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count))
    return [start(folder, words, environment, target) for environment in ranks]


class Gradients(Callback):
    """Keeps the gradients of every optimiser step, as the first process has them."""

    def __init__(self):
        self.kept = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        del trainer, optimizer
        self.kept.append([p.grad.clone() for p in pl_module.network.parameters()])


def gradients(folder, words, environment):
    """In the new process: train and leave the gradients."""
    os.chdir(folder)
    os.environ.update(environment)
    config, keep = load(words), Gradients()
    if train(config, corpus_of(config), lambda _: 30.0, callbacks=[keep]) is not None:
        torch.save(keep.kept, folder / f"{config.name}.gradients")


def test_two_processes_have_the_gradients_of_one(folder):
    words = [*TINY[1:], "model.norm=none", "training.steps=4", "training.clip_gradient=0"]
    one = start(folder, [*words, "name=one"], target=gradients)
    divided = ["name=two", "training.devices=2", "training.accumulate=2", "training.accelerator=cpu"]
    two = torchrun(folder, [*words, *divided], target=gradients)
    assert [ended(process) for process in (one, *two)] == [0, 0, 0]
    expected, found = (torch.load(folder / f"{name}.gradients") for name in ("one", "two"))
    assert len(found) == len(expected) == 4
    for mine, theirs in zip(found, expected, strict=True):
        for gradient, wanted in zip(mine, theirs, strict=True):
            torch.testing.assert_close(gradient, wanted, rtol=0, atol=1e-6)
    weights = [load_file(folder / "runs" / name / "weights.safetensors") for name in ("one", "two")]
    for key, value in weights[0].items():
        torch.testing.assert_close(weights[1][key], value, rtol=0, atol=1e-6)
    curves = [json.loads((folder / "runs" / name / "training.json").read_text()) for name in ("one", "two")]
    losses = [[point["loss"] for point in record["curve"]] for record in curves]
    assert losses[1] == pytest.approx(losses[0], abs=1e-6)
    assert curves[1]["legs"][0]["processes"] == 2


def test_a_signal_to_one_of_two_processes_stops_both_and_one_process_can_go_on(folder):
    words = [*TINY, "training.steps=100000", "training.checkpoint_every=5", "training.accelerator=cpu",
             "training.schedule=constant"]  # fmt: skip
    both = torchrun(folder, [*words, "training.devices=2"])
    run = folder / "runs" / "debug"
    wait_for_checkpoints(run, 2, both[0])
    os.kill(both[1].pid, signal.SIGTERM)
    assert [ended(process) for process in both] == [130, 130]
    said = (folder / "said.txt").read_text()
    assert said.count("the checkpoint is saved") == 1  # the other process ends without a word
    assert "Traceback" not in said
    step = read(run / "last.ckpt")["global_step"]
    alone = start(folder, words)
    wait_for_checkpoints(run, 1, alone)
    alone.terminate()
    assert ended(alone) == 130
    assert f"from step {step}" in " ".join((folder / "said.txt").read_text().split())
    assert read(run / "last.ckpt")["global_step"] > step


def test_a_second_run_in_the_same_folder_is_refused(folder):
    words = [*TINY, "training.steps=100000", "training.checkpoint_every=5"]
    first = start(folder, words)
    run = folder / "runs" / "debug"
    wait_for_checkpoints(run, 1, first)
    assert ended(start(folder, words)) == 2
    assert "another run is training in this folder" in (folder / "said.txt").read_text()
    assert first.is_alive()
    first.terminate()
    assert ended(first) == 130


def test_the_installed_command_starts_two_processes_itself(folder):
    words = [*TINY, "model.norm=none", "training.steps=2", "training.accelerator=cpu"]
    script = Path(sys.executable).with_name("pipersr-build")
    how = [str(script)] if script.is_file() else [sys.executable, "-m", "pipersr_build"]
    done = subprocess.run([*how, *words, "training.devices=2", "name=two"], cwd=folder, capture_output=True,
                          text=True, timeout=240, env={**os.environ, "COLUMNS": "160"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("weights: runs/two/weights.safetensors") == 1
    assert ended(start(folder, [*words, "name=one"])) == 0
    one, two = (load_file(folder / "runs" / name / "weights.safetensors") for name in ("one", "two"))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=0, atol=1e-6)


def test_a_sweep_trains_each_variant_and_sums_up(folder, capfd, monkeypatch):
    monkeypatch.chdir(folder)
    words = [*TINY, "training.steps=2", "name=s"]
    assert cli.main([*words, "--multirun", "training.loss=l1,mse"]) == 0
    made = sorted(path.name for path in folder.iterdir())
    assert made == ["pictures", "runs"]  # nothing of Hydra's
    assert sorted(path.name for path in (folder / "runs").iterdir()) == ["s-loss_l1", "s-loss_mse", "s-sweep"]
    summary = json.loads((folder / "runs/s-sweep/summary.json").read_text())
    for row, loss in zip(summary, ["l1", "mse"], strict=True):
        record = json.loads((folder / f"runs/s-loss_{loss}/training.json").read_text())
        assert record["loss"] == loss
        assert (row["psnr"], row["step"], row["exit_code"]) == (
            record["chosen_psnr"],
            record["chosen_step"],
            0,
        )
        assert row["varied"] == {"training.loss": loss}
        assert f"{row['psnr']:.3f} dB" in capfd.readouterr().out if loss == "l1" else True
    assert cli.main([*words, "-m", "training.loss=l1,mse"]) == 0
    assert capfd.readouterr().err.count("is finished already") == 2
