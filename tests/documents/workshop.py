"""A folder with what the documents' commands speak of, and what runs a block in it."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from skimage import data as photographs

from pipersr_build import cli, models
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.weights import save_weights
from pipersr_build.zoo import samples
from tests.conftest import ROOT
from tests.documents.blocks import Block

SMALL = PiperSRConfig(blocks=1, channels=8)  # so that a frame of 640x360 takes no time
SHELL = set("|<>&;$`")  # what `cli.main` does not understand
NO_SETTINGS = {"doctor", "report", "inspect"}


def prepare(folder: Path) -> None:
    """Pictures, test sets, a video, weights and packages, under the names that the documents use."""
    photograph = Image.fromarray(photographs.astronaut())
    small = photograph.crop((128, 0, 256, 128))
    for name in ("photos/a.png", "sets/Set5/HR/a.png", "sets/Set14/HR/b.png", "pictures/a.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        small.save(folder / name)
    photograph.crop((0, 200, 128, 328)).save(folder / "pictures/b.png")
    photograph.crop((250, 250, 378, 378)).save(folder / "pictures/c.png")
    (folder / "photos_half").mkdir()
    small.resize((64, 64), Image.Resampling.BICUBIC).save(folder / "photos_half/a.png")
    small.save(folder / "photo.jpg")
    video(folder / "clip.mp4")
    shutil.copy(folder / "clip.mp4", folder / "clip.mov")
    torch.manual_seed(0)
    for name in ("mine", "light", "other"):
        weights = folder / "runs" / name / "weights.safetensors"
        weights.parent.mkdir(parents=True)
        save_weights(weights, models.build(SMALL), SMALL, name)
    foreign = samples.weights_of(samples.SAMPLES["ESRGAN"])
    torch.save(foreign, folder / "RealESRGAN_x4plus.pth")


def video(path: Path) -> None:
    """Three frames of 64x36."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        for shift in range(3):
            frame = np.roll(photographs.astronaut()[:36, :64], shift, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")))
        container.mux(stream.encode())


def make_packages(folder: Path) -> None:
    """`exports/mine`: a tile of 128² and a frame of 640x360, of a network that is quick."""
    settings = ["name=mine", "weights=runs/mine/weights.safetensors", "export.video.size=360p"]
    done = cli.main(["export", *settings, "placement.gate=can", "data.holdout=[chelsea]"])
    assert done == 0
    for name in ("quickstart", "pipersr_2x", "before", "after"):
        shutil.copytree(folder / "exports/mine", folder / "exports" / name)


def run(block: Block) -> str:
    """Run a block of commands in the present folder and return what it did wrong; nothing if all went well.

    Plain commands run in this process, others in bash, line by line; where a line of `pipersr-build` needs
    the shell, bash runs the whole block.
    """
    lines = [line.partition("  #")[0].strip() for line in block.lines]
    if SHELL & set("".join(line for line in lines if line.startswith("pipersr-build "))):
        return in_bash(block.text, block.settings)
    for line in filter(None, lines):
        name, *words = shlex.split(line, comments=True) or [""]
        if name != "pipersr-build":
            wrong = in_bash(line, block.settings)
        else:
            more = [] if words[0] in NO_SETTINGS else block.settings
            code = cli.main([*words, *more])
            wrong = f"{shlex.join([name, *words, *more])}: exit code {code}" if code else ""
        if wrong:
            return wrong
    return ""


def in_bash(text: str, settings: list[str], code: Path = ROOT) -> str:
    """The same by bash, which stops at the first command that fails, with the toolkit in `code`."""
    added = shlex.join(settings)
    functions = [
        f'pipersr-build() {{ command {shlex.quote(sys.executable)} -m pipersr_build "$@" {added}; }}',
        f'torchrun() {{ command {shlex.quote(sys.executable)} -m torch.distributed.run "$@" {added}; }}',
        f'python() {{ command {shlex.quote(sys.executable)} "$@"; }}',
    ]
    script = "\n".join(["set -euo pipefail", *functions, text])
    environment = {**os.environ, "PYTHONPATH": str(code)}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment, timeout=240
    )
    return "" if done.returncode == 0 else f"exit code {done.returncode}: {done.stdout}{done.stderr}"
