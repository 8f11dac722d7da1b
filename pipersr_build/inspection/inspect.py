"""Inspect a package: everything that can be told of it without a Mac."""

from collections.abc import Sequence

import numpy as np

from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.evaluation.parameters import count_parameters
from pipersr_build.inspection.pictures import seen
from pipersr_build.inspection.ranges import Range, constant_range, convolution_sums, propagate
from pipersr_build.inspection.record import Feature, FunctionReport, OperationReport, PackageReport
from pipersr_build.inspection.weights import Constants, statistics
from pipersr_build.mil import package as mil
from pipersr_build.mil.census import census
from pipersr_build.mil.graph import Operation
from pipersr_build.mil.package import Package

LARGEST_SUM = 32768.0  # of products: 751K, Apple Neural Engine Microarchitecture Study, notes/numerics.md
LARGEST_FP16 = 65504.0
SYSTEMS = {6: "macOS 12, iOS 15", 7: "macOS 13, iOS 16", 8: "macOS 14, iOS 17", 9: "macOS 15, iOS 18",
           10: "macOS 26, iOS 26"}  # fmt: skip  # by specification version: coremltools' table
Pictures = Sequence[tuple[str, np.ndarray]]


def inspect(package: Package, pictures: Pictures) -> PackageReport:
    """Everything about a package and its functions.

    Args:
        package: opened; its default function alone runs on the pictures.
        pictures: named, height, width, 3 (uint8); none leaves out what is seen on them.

    Raises:
        InputError: the weight file is missing, cut off or damaged.
    """
    said = package.spec.description.metadata
    version = int(package.spec.specificationVersion)
    inner = sorted(file for file in package.path.rglob("*") if file.is_file())
    return PackageReport(
        path=package.path.name,
        sha256=files.sha256(package.path),
        bytes={file.relative_to(package.path).as_posix(): file.stat().st_size for file in inner},
        specification=version,
        systems=SYSTEMS.get(version, "not known"),
        description=said.shortDescription,
        author=said.author,
        licence=said.license,
        version=said.versionString,
        stated=dict(sorted(said.userDefined.items())),
        default=package.default,
        functions=[_function(one, pictures if one is package else ()) for one in _each(package)],
    )


def _each(package: Package) -> list[Package]:
    return [package, *package.each()[1:]]


def _function(package: Package, pictures: Pictures) -> FunctionReport:
    function, constants = package.main, Constants(package.main)
    on_pictures, note = _seen(package, pictures)
    any_input = propagate(function, input_ranges(package), constants)
    described = _descriptions(package)
    return FunctionReport(
        name=function.name,
        operation_set=function.opset,
        inputs=[_feature(one, described) for one in package.interface.inputs],
        outputs=[_feature(one, described) for one in package.interface.outputs],
        census=census(function),
        parameters=count_parameters(function),
        operations=[_operation(op, on_pictures, any_input, constants) for op in function.walk()],
        weights=statistics(function, constants),
        pictures=[name for name, _ in pictures] if on_pictures else [],
        note="; ".join(filter(None, (note, constants.problem))),
    )


def _seen(package: Package, pictures: Pictures) -> tuple[dict[str, Range], str]:
    """What was seen on pictures, and why nothing was."""
    if not pictures:
        return {}, ""
    try:
        found = seen(package, pictures)
    except InputError as error:
        return {}, error.what
    return input_ranges(package) | found, ""


def input_ranges(package: Package) -> dict[str, Range]:
    """The range of each input that is a picture: 0 to 255 of images, 0 to 1 of tensors with 3 channels."""
    types, ranges = package.main.inputs, {}
    for feature in package.interface.inputs:
        shape = types[feature.name].shape if feature.name in types else ()
        if feature.kind == "image":
            ranges[feature.name] = constant_range(0, 255)
        elif len(shape) == 4 and shape[1] == 3:
            ranges[feature.name] = constant_range(0, 1)
    return ranges


def _operation(
    op: Operation, on_pictures: dict[str, Range], any_input: dict[str, Range], constants: Constants
) -> OperationReport:
    seen_here = on_pictures.get(op.name)
    sums = [convolution_sums(op, known, constants) for known in (on_pictures, any_input)]
    return OperationReport(
        name=op.name,
        operator=op.type,
        result=str(op.outputs[0].type) if op.outputs else "",
        largest=None if seen_here is None else float(np.abs([seen_here.low, seen_here.high]).max()),
        sum_on_pictures=None if sums[0] is None else sums[0].partial,
        sum_of_any=None if sums[1] is None else sums[1].partial,
    )


def _feature(feature: mil.Feature, described: dict[str, str]) -> Feature:
    extents = ", ".join("?" if n is None else str(n) for n in feature.shape)
    kind = f"{feature.layout} image" if feature.kind == "image" else f"{feature.dtype} {feature.kind}"
    flexible = ", and other sizes" if feature.flexible else ""
    return Feature(
        name=feature.name, type=f"{kind} [{extents}]{flexible}", description=described.get(feature.name, "")
    )


def _descriptions(package: Package) -> dict[str, str]:
    """What the package says about the inputs and outputs of its default function."""
    whole = package.spec.description
    one = next((each for each in whole.functions if each.name == package.default), whole)
    return {feature.name: feature.shortDescription for feature in (*one.input, *one.output)}
