"""The documented classes of a compute plan, filled from the JSON file that `FAKE_PLAN` names.

A model is `{"functions": {name: operations}}`, `{"layers": operations}`, `{"models": {name: model}}` or
`{}`; an operation `{"operator", "output", "supported", "preferred", "cost", "blocks"}`, where a missing
`supported` means that Core ML has no answer.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coremltools import ComputeUnit
from coremltools.models.compute_device import (
    MLCPUComputeDevice,
    MLGPUComputeDevice,
    MLNeuralEngineComputeDevice,
    MLUnheardOfComputeDevice,
)

DEVICES = {
    "cpu": MLCPUComputeDevice,
    "gpu": MLGPUComputeDevice,
    "ane": MLNeuralEngineComputeDevice,
    "new": MLUnheardOfComputeDevice,
}


@dataclass(frozen=True)
class MLModelStructureProgramNamedValueType:
    name: str
    type: Any = None


@dataclass(frozen=True)
class MLModelStructureProgramBlock:
    inputs: list[Any]
    operations: list[Any]
    output_names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class MLModelStructureProgramOperation:
    inputs: dict[str, Any]
    operator_name: str
    outputs: list[MLModelStructureProgramNamedValueType]
    blocks: list[MLModelStructureProgramBlock]
    __proxy__: Any


@dataclass(frozen=True)
class MLModelStructureNeuralNetworkLayer:
    name: str
    type: str
    input_names: list[str]
    output_names: list[str]
    __proxy__: Any


@dataclass(frozen=True)
class MLModelStructureProgramFunction:
    inputs: list[Any]
    block: MLModelStructureProgramBlock


@dataclass(frozen=True)
class MLModelStructureProgram:
    functions: dict[str, MLModelStructureProgramFunction]


@dataclass(frozen=True)
class MLModelStructureNeuralNetwork:
    layers: list[MLModelStructureNeuralNetworkLayer]


@dataclass(frozen=True)
class MLModelStructurePipeline:
    sub_models: Any


@dataclass(frozen=True)
class MLModelStructure:
    neuralnetwork: MLModelStructureNeuralNetwork | None = None
    program: MLModelStructureProgram | None = None
    pipeline: MLModelStructurePipeline | None = None


@dataclass(frozen=True)
class MLComputePlanDeviceUsage:
    preferred_compute_device: Any
    supported_compute_devices: list[Any]


@dataclass(frozen=True)
class MLComputePlanCost:
    weight: float


class MLComputePlan:
    def __init__(self, structure: MLModelStructure) -> None:
        self.model_structure = structure

    @classmethod
    def load_from_path(cls, path: str, compute_units: ComputeUnit = ComputeUnit.ALL) -> "MLComputePlan":
        assert Path(path).is_dir()
        assert compute_units.name == os.environ.get("FAKE_UNITS", "CPU_AND_NE")
        leave_analytics()
        model = json.loads(Path(os.environ["FAKE_PLAN"]).read_text())
        return cls(structure(model, Path(path, "model.mlmodel").read_bytes()))

    def get_compute_device_usage_for_mlprogram_operation(self, operation: Any) -> Any:
        assert isinstance(operation, MLModelStructureProgramOperation)
        return usage(operation.__proxy__)

    def get_compute_device_usage_for_neuralnetwork_layer(self, layer: Any) -> Any:
        assert isinstance(layer, MLModelStructureNeuralNetworkLayer)
        return usage(layer.__proxy__)

    def get_estimated_cost_for_mlprogram_operation(self, operation: Any) -> Any:
        cost = operation.__proxy__.get("cost")
        return None if cost is None else MLComputePlanCost(cost)


def usage(op: dict[str, Any]) -> Any:
    if op.get("supported") is None:
        return None
    return MLComputePlanDeviceUsage(DEVICES[op["preferred"]](), [DEVICES[d]() for d in op["supported"]])


def structure(model: dict[str, Any], spec: bytes) -> MLModelStructure:
    """Of several functions only those that the compiled package holds."""
    if "functions" in model:
        held = {name: ops for name, ops in model["functions"].items() if name.encode() in spec}
        functions = {n: MLModelStructureProgramFunction([], block(ops)) for n, ops in held.items()}
        return MLModelStructure(program=MLModelStructureProgram(functions))
    if "layers" in model:
        layers = [layer(op) for op in model["layers"]]
        return MLModelStructure(neuralnetwork=MLModelStructureNeuralNetwork(layers))
    if "models" in model:
        parts = [(name, structure(inner, spec)) for name, inner in model["models"].items()]
        kind = dict if os.environ.get("FAKE_PIPELINE") == "mapping" else tuple
        return MLModelStructure(pipeline=MLModelStructurePipeline(kind(parts)))
    return MLModelStructure()


def block(operations: list[dict[str, Any]]) -> MLModelStructureProgramBlock:
    made = [
        MLModelStructureProgramOperation(
            {},
            op["operator"],
            [MLModelStructureProgramNamedValueType(op["output"])] if op.get("output") else [],
            [block(nested) for nested in op.get("blocks", [])],
            op,
        )
        for op in operations
    ]
    return MLModelStructureProgramBlock([], made)


def layer(op: dict[str, Any]) -> MLModelStructureNeuralNetworkLayer:
    return MLModelStructureNeuralNetworkLayer(f"{op['output']}_layer", op["operator"], [], [op["output"]], op)


def leave_analytics() -> None:
    """Write the compiler's notes where macOS keeps them: below the home folder of the process."""
    if "FAKE_ANALYTICS" not in os.environ:
        return
    cache = "Library/Caches/python/com.apple.e5rt.e5bundlecache/26B1/0A/0A.bundle/H16G.bundle"
    folder = Path(os.environ["CFFIXED_USER_HOME"], cache)
    folder.mkdir(parents=True)
    (folder / "analytics.mil").write_bytes(Path(os.environ["FAKE_ANALYTICS"]).read_bytes())
