"""The plan of one program: a cast that Core ML inserted, a nested block, and an operation without answer."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coremltools import ComputeUnit
from coremltools.models.compute_device import (
    MLCPUComputeDevice,
    MLGPUComputeDevice,
    MLNeuralEngineComputeDevice,
)


@dataclass
class Value:
    name: str


@dataclass
class Block:
    operations: list[Any]


@dataclass
class Operation:
    operator_name: str
    outputs: list[Value]
    blocks: list[Block] = field(default_factory=list)


@dataclass
class Function:
    block: Block


@dataclass
class Program:
    functions: dict[str, Function]


@dataclass
class Structure:
    program: Program | None


@dataclass
class Usage:
    preferred_compute_device: Any
    supported_compute_devices: list[Any]


@dataclass
class Cost:
    weight: float


CPU, GPU, ANE = MLCPUComputeDevice(), MLGPUComputeDevice(), MLNeuralEngineComputeDevice()
USAGE = {
    "x_cast_fp16": Usage(CPU, [CPU, ANE]),
    "y": Usage(ANE, [CPU, GPU, ANE]),
    "z": Usage(CPU, [CPU]),
    "u": None,
}


def op(operator: str, output: str, *blocks: Block) -> Operation:
    return Operation(operator, [Value(output)], list(blocks))


class MLComputePlan:
    def __init__(self) -> None:
        nested = Block([op("const", "k"), op("ios16.cumsum", "z")])
        operations = [
            op("const", "c"),
            op("ios18.constexpr_lut_to_dense", "w"),
            op("ios18.cast", "x_cast_fp16"),
            op("ios18.conv", "y"),
            op("cond", "u", nested),
        ]
        name = "decode" if os.environ["FAKE_CORE_ML"] == "other name" else "main"
        program = Program({name: Function(Block(operations))})
        self.model_structure = Structure(None if os.environ["FAKE_CORE_ML"] == "no program" else program)

    @classmethod
    def load_from_path(cls, path: str, compute_units: ComputeUnit = ComputeUnit.ALL) -> "MLComputePlan":
        assert Path(path).is_dir()
        assert compute_units is ComputeUnit.CPU_AND_NE
        return cls()

    def get_compute_device_usage_for_mlprogram_operation(self, operation: Operation) -> Usage | None:
        return USAGE[operation.outputs[0].name]

    def get_estimated_cost_for_mlprogram_operation(self, operation: Operation) -> Cost | None:
        return Cost(0.75) if operation.operator_name == "ios18.conv" else None
