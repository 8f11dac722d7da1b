"""Compiling, and the ways in which it goes wrong."""

import os
import time
from pathlib import Path


def compile_model(model: str, destination_path: str) -> str:
    assert Path(model).suffix == ".mlpackage"
    assert destination_path.endswith(".mlmodelc")
    behaviour = os.environ["FAKE_CORE_ML"]
    if behaviour == "abort":
        os.write(2, b"MILCompilerForANE error: failed to compile\n")
        os.abort()
    if behaviour == "exit":
        os._exit(7)
    if behaviour == "hang":
        time.sleep(600)
    if behaviour == "refuse":
        raise RuntimeError("Error compiling model: unknown operation")
    Path(destination_path).mkdir()
    return destination_path
