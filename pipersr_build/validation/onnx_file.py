"""ONNX files opened, checked and run: by the `onnx` package and onnxruntime's CPU provider."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.evidence import Census
from pipersr_build.mil.package import Feature, Interface
from pipersr_build.validation.parity import Runner
from pipersr_build.validation.tensors import TensorFile

SCALE, MULTIPLE = "pipersr_build.scale", "pipersr_build.size_multiple"
_DTYPES = {1: "fp32", 10: "fp16"}  # TensorProto's numbers


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file as read from disk: its message, and what goes in and comes out."""

    model: Any
    file: TensorFile

    @property
    def census(self) -> Census:
        """How many nodes there are of each type."""
        return dict(sorted(Counter(node.op_type for node in self.model.graph.node).items()))

    @property
    def opset(self) -> int:
        """The version of ONNX's own operator set."""
        return int(next(one.version for one in self.model.opset_import if one.domain in ("", "ai.onnx")))

    def faults(self) -> str:
        """What `onnx.checker` finds wrong, types and shapes included; empty if nothing is."""
        import onnx

        try:
            onnx.checker.check_model(self.model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            return " ".join(str(error).split())[:200]
        return ""


def open_onnx(path: Path) -> OnnxFile:
    """Read an ONNX file.

    Raises:
        InputError: it is missing or no ONNX file, or its inputs and outputs are not tensors B, C, H, W.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.ModelProto.FromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise InputError("the ONNX file cannot be read", where=path, fix="export it again") from error
    stated = {one.key: one.value for one in model.metadata_props}
    inputs, outputs = (
        tuple(_feature(one, path) for one in values) for values in (model.graph.input, model.graph.output)
    )
    scale, multiple = float(stated.get(SCALE, 1)), int(stated.get(MULTIPLE, 1))
    return OnnxFile(model, TensorFile(path, Interface(inputs, outputs), scale, multiple, stated))


def _feature(value: Any, path: Path) -> Feature:
    kind = value.type.tensor_type
    dims = kind.shape.dim
    if kind.elem_type not in _DTYPES or len(dims) != 4:
        raise InputError(f"{value.name} is no floating-point tensor of B, C, H, W", where=path)
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)
    return Feature(value.name, "tensor", _DTYPES[kind.elem_type], shape)


def onnxruntime_runner(path: Path) -> tuple[Runner, str]:
    """A runner on onnxruntime's CPU provider, with as many threads as PyTorch, and its label for records."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, inputs), strict=True))

    return run, "onnxruntime, CPU"
