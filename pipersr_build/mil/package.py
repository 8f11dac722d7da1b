"""Open a `.mlpackage` from disk on any operating system: its program and its inputs and outputs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipersr_build import quiet
from pipersr_build.errors import InputError
from pipersr_build.mil.blob import WHOLE
from pipersr_build.mil.graph import Constant, Function, Operation, Shape
from pipersr_build.mil.parse import Parser, inside


@dataclass(frozen=True, slots=True)
class Feature:
    """An input or output as Core ML's callers see it.

    An image's shape is (height, width, channels) and its layout `RGB`, `BGR` or `GRAYSCALE`; a
    tensor's shape is the array's own. `flexible` is true where the package accepts several shapes.
    """

    name: str
    kind: Literal["image", "tensor", "other"]
    dtype: str
    shape: Shape
    layout: str = ""
    flexible: bool = False


@dataclass(frozen=True, slots=True)
class Interface:
    """The features of one function of a package."""

    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """An opened package: its path, its typed functions, and what each takes and returns."""

    path: Path
    spec: Any
    functions: dict[str, Function]
    interfaces: dict[str, Interface]
    default: str

    @property
    def main(self) -> Function:
        """The function that runs when the caller names none."""
        return self.functions[self.default]

    @property
    def interface(self) -> Interface:
        """The inputs and outputs of the default function."""
        return self.interfaces[self.default]


def open_package(path: str | Path) -> Package:
    """Open an ML program package.

    Weights stay on disk until they are used.

    Raises:
        InputError: not a package, or one that is empty, incomplete, damaged or of another model type.
    """
    path = Path(path)
    model = model_file(path)
    spec = read_spec(model)
    kind = spec.WhichOneof("Type")
    if kind != "mlProgram":
        raise InputError(
            f"the package holds a model of type {kind!r}, not an ML program",
            where=path,
            fix="convert it with convert_to='mlprogram'",
        )
    parser = Parser(model)
    functions = {name: parser.function(name, f) for name, f in sorted(spec.mlProgram.functions.items())}
    interfaces = _interfaces(spec)
    default = spec.description.defaultFunctionName or "main"
    if default not in functions or default not in interfaces:
        raise InputError(f"the package's program has no function {default!r}", where=path, fix=WHOLE)
    return Package(path, spec, functions, interfaces, default)


def model_file(path: Path) -> Path:
    """The `.mlmodel` file inside package `path`, from its manifest.

    Raises:
        InputError: the path is missing, not a folder, empty, or its manifest names no model file.
    """
    if not path.exists():
        raise InputError("no such package", where=path, fix="check the path")
    if not path.is_dir():
        raise InputError(
            "a .mlpackage is a folder, and this is a file",
            where=path,
            fix="give the .mlpackage folder itself, unpacked",
        )
    manifest = path / "Manifest.json"
    if not manifest.is_file():
        raise InputError("the package has no Manifest.json", where=path, fix=WHOLE)
    try:
        entries = json.loads(_read(manifest))
        root = entries["itemInfoEntries"][entries["rootModelIdentifier"]]["path"]
        model = inside(path / "Data", root)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError("the package's manifest cannot be read", where=manifest, fix=WHOLE) from error
    if model is None:
        raise InputError(
            f"the manifest's model file {root!r} is not in the package", where=manifest, fix=WHOLE
        )
    if not model.is_file():
        raise InputError(f"the package lacks its model file {model.name}", where=model, fix=WHOLE)
    return model


def check_weights(package: Package) -> None:
    """Check that every constant in the weight file lies wholly inside it, without reading the data.

    Raises:
        InputError: the weight file is missing, cut off or damaged; names the operation that needs it.
    """
    for function in package.functions.values():
        for op in function.walk():
            for name, constant in _constants(op):
                try:
                    constant.check()
                except InputError as error:
                    what = f"{error.what}; needed as {name!r} of {op.type} {op.name!r}"
                    raise InputError(what, where=error.where, fix=error.fix) from error


def _constants(op: Operation) -> Iterator[tuple[str, Constant]]:
    for name, bound in op.inputs.items():
        yield from ((name, argument) for argument in bound if isinstance(argument, Constant))
    yield from op.attributes.items()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        what = f"the file cannot be read: {error.strerror}"
        raise InputError(what, where=path, fix="check its permissions") from error


def read_spec(model: Path) -> Any:
    """Parse a `.mlmodel` file into coremltools' `Model` message.

    Raises:
        InputError: the file is empty or not such a message.
    """
    quiet.coremltools()
    from coremltools.proto import Model_pb2
    from google.protobuf.message import DecodeError

    spec = Model_pb2.Model()
    try:
        spec.ParseFromString(_read(model))
    except DecodeError as error:
        raise InputError("the package's model file is damaged", where=model, fix=WHOLE) from error
    if spec.WhichOneof("Type") is None:
        raise InputError("the package's model file holds no model", where=model, fix=WHOLE)
    return spec


def _interfaces(spec: Any) -> dict[str, Interface]:
    """Per function; packages with one function describe it at the top level."""
    description = spec.description
    if description.functions:
        return {f.name: _interface(f) for f in description.functions}
    return {"main": _interface(description)}


def _interface(message: Any) -> Interface:
    return Interface(tuple(map(_feature, message.input)), tuple(map(_feature, message.output)))


def _feature(message: Any) -> Feature:
    kind = message.type.WhichOneof("Type")
    if kind == "imageType":
        return _image(message.name, message.type.imageType)
    if kind == "multiArrayType":
        return _tensor(message.name, message.type.multiArrayType)
    return Feature(message.name, "other", str(kind), ())


def _image(name: str, image: Any) -> Feature:
    layout = _LAYOUTS.get(image.colorSpace, "unknown")
    channels = 1 if layout.startswith("GRAYSCALE") else 3
    dtype = "fp16" if layout == "GRAYSCALE_FLOAT16" else "uint8"
    flexible = image.WhichOneof("SizeFlexibility") is not None
    return Feature(name, "image", dtype, (image.height, image.width, channels), layout, flexible)


# ImageFeatureType.ColorSpace number -> name; an open enumeration, so that other numbers can occur.
_LAYOUTS = {10: "GRAYSCALE", 20: "RGB", 30: "BGR", 40: "GRAYSCALE_FLOAT16"}


def _tensor(name: str, array: Any) -> Feature:
    names = {65568: "fp32", 65600: "fp64", 131104: "int32", 131080: "int8", 65552: "fp16"}
    flexible = array.WhichOneof("ShapeFlexibility") is not None
    return Feature(name, "tensor", names.get(array.dataType, "unknown"), tuple(array.shape), "", flexible)
