"""The process that asks Core ML for a compute plan: compiles a package and writes what the plan says.

`python -m pipersr_build.placement.plan_child PACKAGE ANSWER COMPUTE_UNITS SECONDS`, started by `plan`.
Compiling for the ANE can take minutes and many gigabytes, abort the process or hang, so nothing else
lives here. Everything of coremltools that is used is its documented interface (`models.compute_plan`,
`models.compute_device`, `models.utils.compile_model`; coremltools 8.1 and later).
"""

import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pipersr_build import files, quiet
from pipersr_build.evidence import Device
from pipersr_build.placement.plan_answer import Answer, Part, PlannedOperation

MARGIN_S = 30  # the parent ends this process first, unless the parent itself was killed
DEVICES: dict[str, Device] = {
    "MLCPUComputeDevice": "cpu",
    "MLGPUComputeDevice": "gpu",
    "MLNeuralEngineComputeDevice": "ane",
}


def main(arguments: Sequence[str]) -> int:
    """Write the answer about package `arguments[0]` to file `arguments[1]`."""
    package, target, units, seconds = arguments
    signal.alarm(int(float(seconds)) + MARGIN_S)
    files.write_text(Path(target), ask(package, units).model_dump_json())
    return 0


def ask(package: str, units: str) -> Answer:
    """Compile the package and read its plan; failures are answers too.

    Args:
        package: a `.mlpackage` or `.mlmodel`.
        units: the name of a `coremltools.ComputeUnit`.
    """
    try:
        return Answer(status="ok", parts=tuple(_parts(package, units)))
    except ImportError as error:
        return Answer(status="unsupported", message=_words(error))
    except Exception as error:  # coremltools raises plain Exception and RuntimeError for refused packages
        return Answer(status="failed", message=_words(error))


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _parts(package: str, units: str) -> Iterator[Part]:
    ct = quiet.coremltools()
    import coremltools.libcoremlpython  # noqa: F401  (absent where the framework is; fails before compiling)
    from coremltools.models.compute_plan import MLComputePlan
    from coremltools.models.utils import compile_model

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        compiled = compile_model(package, str(Path(scratch, "model.mlmodelc")))
        plan = MLComputePlan.load_from_path(compiled, compute_units=ct.ComputeUnit[units])
        yield from _model(plan, plan.model_structure, "main")


def _model(plan: Any, structure: Any, name: str) -> Iterator[Part]:
    """The parts of a model structure, of which one of three members is set."""
    if structure.program is not None:
        for function_name, function in structure.program.functions.items():
            operations = tuple(_operation(plan, op) for op in _walk(function.block))
            whole = name if name != "main" else function_name
            yield Part(name=whole, kind="program", operations=operations)
    elif structure.neuralnetwork is not None:
        layers = tuple(_layer(plan, layer) for layer in structure.neuralnetwork.layers)
        yield Part(name=name, kind="neuralnetwork", operations=layers)
    elif structure.pipeline is not None:
        for model_name, model in _sub_models(structure.pipeline.sub_models):
            yield from _model(plan, model, model_name)
    else:
        yield Part(name=name, kind="other")


def _sub_models(sub_models: Any) -> Iterable[tuple[str, Any]]:
    """Pairs of name and structure; the documentation says tuple, and a mapping would be natural."""
    pairs: Iterable[tuple[str, Any]] = sub_models.items() if hasattr(sub_models, "items") else sub_models
    return pairs


def _walk(block: Any) -> Iterator[Any]:
    """The block's operations in order, nested blocks included, without those known at compile time."""
    for operation in block.operations:
        name = _operator(operation.operator_name)
        if name != "const" and not name.startswith("constexpr_"):
            yield operation
        for nested in operation.blocks:
            yield from _walk(nested)


def _operator(name: str) -> str:
    """The operator without its operation set: `ios18.conv` → `conv`."""
    return name.rpartition(".")[2]


def _operation(plan: Any, operation: Any) -> PlannedOperation:
    operator = _operator(operation.operator_name)
    return _planned(
        operation.outputs[0].name if operation.outputs else operator,
        operator,
        plan.get_compute_device_usage_for_mlprogram_operation(operation),
        plan.get_estimated_cost_for_mlprogram_operation(operation),
    )


def _layer(plan: Any, layer: Any) -> PlannedOperation:
    """Core ML estimates no costs for the layers of neural networks."""
    name = layer.output_names[0] if layer.output_names else layer.name
    return _planned(name, layer.type, plan.get_compute_device_usage_for_neuralnetwork_layer(layer), None)


def _planned(output_name: str, operator: str, usage: Any, cost: Any) -> PlannedOperation:
    """Devices of an unknown class are left out of `supported`, and are no preference."""
    supported = None if usage is None else [_device(d) for d in usage.supported_compute_devices]
    return PlannedOperation(
        output_name=output_name,
        operator=operator,
        supported=None if supported is None else tuple(d for d in supported if d is not None),
        preferred=None if usage is None else _device(usage.preferred_compute_device),
        cost_weight=None if cost is None else cost.weight,
    )


def _device(device: Any) -> Device | None:
    return DEVICES.get(type(device).__name__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
