"""Packages made with coremltools for the tests of `mil`, and what the interpreter makes of them."""

from pathlib import Path

import numpy as np
import torch

from pipersr_build import quiet
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import Package, open_package


def convert(module, *examples, folder: Path, precision="fp32", target="iOS17", **options) -> Package:
    """A torch module, traced with float32 tensors, converted and opened again."""
    ct = quiet.coremltools()
    with quiet.conversion(), torch.no_grad():
        traced = torch.jit.trace(module.eval(), examples)
        inputs = [ct.TensorType(f"x{i}", e.shape, dtype=np.float32) for i, e in enumerate(examples)]
        options.setdefault("inputs", inputs)
        model = ct.convert(
            traced,
            convert_to="mlprogram",
            compute_precision={"fp16": ct.precision.FLOAT16, "fp32": ct.precision.FLOAT32}[precision],
            minimum_deployment_target=getattr(ct.target, target),
            skip_model_load=True,
            **options,
        )
    return save(model, folder)


def save(model, folder: Path) -> Package:
    """A coremltools model written to disk and opened again."""
    path = folder / "model.mlpackage"
    with quiet.conversion():
        model.save(str(path))
    return open_package(path)


def build(make, shapes, folder: Path, target="iOS17", dtypes=None) -> Package:
    """A program of coremltools' builder: `make(mb, *inputs)` on float32 inputs of `shapes`, kept as it is."""
    ct = quiet.coremltools()
    from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import types

    opset = getattr(ct.target, target)
    kinds = [getattr(types, kind) for kind in dtypes or ["fp32"] * len(shapes)]
    specs = [mb.TensorSpec(shape, kind) for shape, kind in zip(shapes, kinds, strict=True)]
    arguments = [f"x{i}" for i in range(len(shapes))]
    scope = {"make": make, "mb": mb}
    # the builder reads the names of a program's inputs from the function's signature
    body = eval(f"lambda {', '.join(arguments)}: make(mb, {', '.join(arguments)})", scope)
    with quiet.conversion():
        program = mb.program(input_specs=specs, opset_version=opset)(body)
        model = ct.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=opset,
            compute_precision=ct.precision.FLOAT32,
            pass_pipeline=ct.PassPipeline.EMPTY,
            skip_model_load=True,
        )
    return save(model, folder)


def run(package: Package, *arrays, semantics="fp16") -> list[np.ndarray]:
    """The outputs in the package's order, after checking every operation's shape against its declaration."""
    wrong = []

    def observe(out, value):
        declared = out.type
        if declared.static and tuple(value.shape) != declared.shape:
            wrong.append(f"{out.name}: {tuple(value.shape)}, declared {declared}")

    names = [feature.name for feature in package.interface.inputs]
    results = Interpreter(package, semantics=semantics).run(dict(zip(names, arrays, strict=True)), observe)
    assert not wrong, wrong
    return list(results.values())


def arrays(*shapes, seed=0, low=-2.0, high=2.0, dtype=np.float32) -> list[np.ndarray]:
    """Uniform random arrays."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(low, high, shape).astype(dtype) for shape in shapes]


def side_by_side(cases, folder: Path, target="iOS18"):
    """The interpreter's results by name: all cases in one program, each on its own inputs.

    A case is what to build, as for `build`, and the arrays to run it on.
    """
    made = {}

    def make(mb, *inputs):
        start, results = 0, []
        for name, (case, values) in cases.items():
            outputs = case(mb, *inputs[start : start + len(values)])
            made[name] = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
            results += made[name]
            start += len(values)
        return results

    values = [value for _, several in cases.values() for value in several]
    results = iter(run(build(make, [value.shape for value in values], folder, target), *values))
    return {name: [next(results) for _ in outputs] for name, outputs in made.items()}
