"""Compiling, and the ways in which it goes wrong; `FAKE_CORE_ML` names one."""

import os
import signal
import sys
import time
from pathlib import Path


def compile_model(model: str, destination_path: str) -> str:
    assert Path(model).suffix in (".mlpackage", ".mlmodel")
    assert destination_path.endswith(".mlmodelc")
    behaviour = os.environ.get("FAKE_CORE_ML", "normal")
    if behaviour != "normal":
        FAILURES[behaviour]()
    Path(destination_path).mkdir()
    [spec] = [Path(model)] if Path(model).is_file() else Path(model).rglob("*.mlmodel")
    Path(destination_path, "model.mlmodel").write_bytes(spec.read_bytes())
    return destination_path


def abort() -> None:
    os.write(2, b"MILCompilerForANE error: failed to compile\n")
    os.abort()


def segfault() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leave() -> None:
    os._exit(7)


def hang() -> None:
    Path(os.environ["FAKE_STARTED"]).touch()
    time.sleep(600)


def eat() -> None:
    block = bytearray(600 * 2**20)
    block[::4096] = bytes(len(block[::4096]))  # touch every page
    time.sleep(600)


def garbage() -> None:
    """Leave half an answer behind and go: `plan_child` is given its path as the second argument."""
    Path(sys.argv[2]).write_bytes(b'{"status": "ok", "parts": [{"name"')
    os._exit(0)


def refuse() -> None:
    raise RuntimeError("Error compiling model:\nunknown operation")


FAILURES = {
    "abort": abort,
    "segfault": segfault,
    "exit": leave,
    "hang": hang,
    "memory": eat,
    "garbage": garbage,
    "refuse": refuse,
}
