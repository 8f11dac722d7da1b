"""Core AI models opened and run: by `coreai`, on the CPU here and by macOS 27 there."""

import asyncio
import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.evidence import Census
from pipersr_build.mil.package import Feature, Interface
from pipersr_build.validation.parity import Runner
from pipersr_build.validation.tensors import TensorFile

SCALE = "pipersr_build.scale"
FUNCTION = "main"
METADATA, CUSTOM = "metadata.json", "creatorDefinedMetadata"  # a file of an asset, and a key in it
MAKERS = ("pipersr_build.toolkit", "pipersr_build.git_commit")
MACOS = 27  # the first that has Core AI
CPU_LABEL, SYSTEM_LABEL = "coreai's CPU runtime", "Core AI"
_DTYPES = {"Float16": "fp16", "Float32": "fp32"}
_TENSOR = re.compile(r"NDArray \((\w+), ([\d × ]+)\)")
_WEIGHTS = re.compile(r"coreai\.constant (dense.*?) : tensor<[\dx]*f16>")  # in float32 are factors of sizes
_STORED = "{-#"  # weights of more than a few values stand behind the program, as hexadecimal digits
_VALUE = re.compile(r'(\w+): "(0x[0-9A-F]+)"')
_RESOURCE = re.compile(r"dense_resource<(\w+)>")
_DRAWN = re.compile(r"(@\w+)_([a-z]{8})\b")


@dataclass(frozen=True)
class CoreAIFile:
    """A Core AI model as read from disk: the asset, and what goes in and comes out."""

    asset: Any
    file: TensorFile
    system: str
    census: Census

    def program(self) -> str:
        """The program as text, the same for the same program.

        coreai names weights and composite operations anew in every process; here a weight is called by the
        digest of its values, and an operation by its place.
        """
        text, _, stored = str(self.asset.program).partition(_STORED)
        values = {name: hashlib.sha256(value.encode()).hexdigest() for name, value in _VALUE.findall(stored)}
        text = _RESOURCE.sub(lambda found: f"dense_resource<{values[found[1]]}>", text)
        order = list(dict.fromkeys(_DRAWN.findall(text)))
        return _DRAWN.sub(lambda found: f"{found[1]}_{order.index(found.groups())}", text)

    def weights(self) -> list[str]:
        """Its Float16 constants, as text or digest, in order."""
        return _WEIGHTS.findall(self.program())


def open_coreai(path: Path) -> CoreAIFile:
    """Read a Core AI model.

    Raises:
        InputError: it cannot be read, has no function `main`, or that one does not take tensors B, C, H, W.
    """
    from coreai.authoring import AIModelAsset

    try:
        asset = AIModelAsset.load(path)
        summary = asset.summary()
        assert summary is not None
        inputs, outputs = summary.function_inputs(FUNCTION), summary.function_outputs(FUNCTION)
        stated = json.loads((path / METADATA).read_text(encoding="utf-8")).get(CUSTOM, {})
    except (AssertionError, KeyError, OSError, RuntimeError, ValueError) as error:
        raise InputError("the Core AI model cannot be read", where=path, fix="export it again") from error
    interface = Interface(tuple(_feature(*one, path) for one in inputs),
                          tuple(_feature(*one, path) for one in outputs))  # fmt: skip
    file = TensorFile(path, interface, float(stated.get(SCALE, 1)), stated=stated)
    census = {name: n for name, n in sorted(summary.operation_distribution) if name != "constant"}
    return CoreAIFile(asset, file, summary._compatibility_version or "", census)


def _feature(name: str, described: str, path: Path) -> Feature:
    found = _TENSOR.fullmatch(described)
    extents = tuple(int(n) for n in found[2].split("×")) if found else ()
    if found is None or found[1] not in _DTYPES or len(extents) != 4:
        raise InputError(f"{name} is {described}, no floating-point tensor of B, C, H, W", where=path)
    return Feature(name, "tensor", _DTYPES[found[1]], extents)


def has_system() -> bool:
    """Whether this is a Mac with Core AI, which then runs the models itself."""
    return sys.platform == "darwin" and int(platform.mac_ver()[0].split(".")[0]) >= MACOS


def runner(opened: CoreAIFile) -> tuple[Runner, str]:
    """A runner and its label: Core AI itself from macOS 27 on, else the CPU runtime that coreai comes with.

    That one is for checks: a 64-channel network takes minutes for a frame of a video with it.
    """

    def run(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        with _silent():
            return asyncio.run(_run(opened.asset, inputs))

    return run, SYSTEM_LABEL if has_system() else CPU_LABEL


async def _run(asset: Any, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    from coreai.runtime import NDArray

    async with asset.executable() as model:
        given = {name: NDArray(np.ascontiguousarray(value)) for name, value in inputs.items()}
        made = await model.load_function(FUNCTION)(given)
        return {name: np.array(value.numpy()) for name, value in made.items()}


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what the runtime writes to the standard error stream itself, past Python, from the terminal."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def without_makers(path: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    """Which programs made a model, by key, and what it says and computes, by the name of the file.

    Raises:
        InputError: it cannot be read.
    """
    opened = open_coreai(path)
    stated = json.loads((path / METADATA).read_text(encoding="utf-8"))
    custom = stated.get(CUSTOM, {})
    made = {key: custom.pop(key) for key in MAKERS if key in custom}
    made["producer"] = stated.pop("producer", "")
    return made, {
        "main.mlirb": opened.program().encode(),
        METADATA: json.dumps(stated, sort_keys=True).encode(),
    }
