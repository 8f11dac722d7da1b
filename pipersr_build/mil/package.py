"""Open a `.mlpackage` from disk on any operating system: its program and its inputs and outputs."""

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from pipersr_build import quiet
from pipersr_build.errors import InputError
from pipersr_build.mil.blob import WHOLE
from pipersr_build.mil.graph import Constant, Function, Operation, Shape
from pipersr_build.mil.parse import Parser, inside

WEIGHTS = (".safetensors", ".pth", ".pt")  # a .pth is a zip archive, too
OLDER = "convert the model again with convert_to='mlprogram' and give the .mlpackage"


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


class Described(Protocol):
    """What can be run and compared: a package, or another file that says what it takes and returns."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    @property
    def interface(self) -> Interface:
        """Its inputs and outputs."""


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

    @property
    def title(self) -> str:
        """What tables call it: its file's name, and of several functions the one that is the default here."""
        return f"{self.path.name}:{self.default}" if len(self.functions) > 1 else self.path.name

    def at(self, function: str) -> "Package":
        """The package with another function as the default one.

        Raises:
            InputError: it has no such function; names those that it has.
        """
        if function not in self.functions or function not in self.interfaces:
            fix = f"choose one of {', '.join(self.functions)}"
            raise InputError(f"the package has no function {function!r}", where=self.path, fix=fix)
        return replace(self, default=function)

    def each(self) -> "list[Package]":
        """The package once for each of its functions, in turn as the default one; the own default first."""
        others = sorted(self.interfaces.keys() - {self.default})
        return [self.at(name) for name in (self.default, *others)]


@dataclass(frozen=True, slots=True)
class Stage:
    """One model in a package: the only one, or one of a pipeline's.

    Attributes:
        name: empty where it is the only one, else its place in the pipeline: `1 classifier`.
        kind: Core ML's name for its type: `mlProgram`, `neuralNetwork`, `scaler`, …
        package: the program; None where the model is not one.
        layers: of a model that is not a program: each layer's first output and type, in order.
    """

    name: str
    kind: str
    package: Package | None
    layers: tuple[tuple[str, str], ...] = ()


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
            fix=OLDER,
        )
    return _program(path, model, spec)


def open_stages(path: str | Path) -> list[Stage]:
    """Open a package or `.mlmodel` file of any model type; a pipeline gives a stage for each model in it.

    Raises:
        InputError: not a package, or one that is empty, incomplete or damaged.
    """
    path = Path(path)
    model = path if path.suffix == ".mlmodel" and path.is_file() else model_file(path)
    spec = read_spec(model)
    found = list(_models(spec, ""))
    if not found:
        raise InputError("the pipeline holds no model", where=path, fix=WHOLE)
    return [_stage(path, model, name, inner) for name, inner in found]


def _models(spec: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The models of a pipeline, of pipelines inside it too, each with its place; or the model itself."""
    kind = spec.WhichOneof("Type")
    if kind not in _PIPELINES:
        yield name, spec
        return
    pipeline = _PIPELINES[kind](spec)
    names = list(pipeline.names)
    for index, inner in enumerate(pipeline.models):
        label = names[index] if index < len(names) else ""
        yield from _models(inner, f"{name}/{index + 1} {label}".strip("/ "))


_PIPELINES: dict[str, Callable[[Any], Any]] = {
    "pipeline": lambda spec: spec.pipeline,
    "pipelineClassifier": lambda spec: spec.pipelineClassifier.pipeline,
    "pipelineRegressor": lambda spec: spec.pipelineRegressor.pipeline,
}


def _stage(path: Path, model: Path, name: str, spec: Any) -> Stage:
    kind = spec.WhichOneof("Type")
    if kind == "mlProgram":
        return Stage(name, kind, _program(path, model, spec))
    layers = getattr(getattr(spec, kind), "layers", ()) if kind is not None else ()
    told = tuple((_layer_name(layer), str(layer.WhichOneof("layer"))) for layer in layers)
    return Stage(name, kind or "empty", None, told)


def _layer_name(layer: Any) -> str:
    name: str = layer.output[0] if layer.output else layer.name
    return name


def _program(path: Path, model: Path, spec: Any) -> Package:
    """The package of a specification that is known to be an ML program's."""
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
        raise _no_folder(path)
    manifest = path / "Manifest.json"
    if not manifest.is_file():
        raise _no_package(path)
    try:
        entries = json.loads(_read(manifest))
        root = entries["itemInfoEntries"][entries["rootModelIdentifier"]]["path"]
        model = inside(path / "Data", root)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError("the package's manifest cannot be read", where=manifest, fix=WHOLE) from error
    if model is None:
        raise InputError(
            f"the manifest's model file {root!r} is not in the package", where=manifest, fix=WHOLE
        )
    if not model.is_file():
        raise InputError(f"the package lacks its model file {model.name}", where=model, fix=WHOLE)
    return model


def _no_folder(path: Path) -> InputError:
    """What a path that is no folder is instead of a package."""
    if path.suffix == ".mlmodel":
        what, fix = "an .mlmodel file of the older formats is no package", OLDER
    elif path.suffix.lower() in WEIGHTS:
        what, fix = "these are weights and no package", f"make one first: pipersr-build export weights={path}"
    elif path.is_file() and zipfile.is_zipfile(path):
        what, fix = "a zip archive, where the folder inside it is needed", "unpack it and give the .mlpackage"
    else:
        what, fix = (
            "a .mlpackage is a folder, and this is a file",
            "give the .mlpackage folder itself",
        )
    return InputError(what, where=path, fix=fix)


def _no_package(path: Path) -> InputError:
    """What a folder without a manifest is instead of a package."""
    if path.suffix == ".mlmodelc" or (path / "coremldata.bin").exists():
        what = "a compiled model (.mlmodelc), which keeps too little of the program"
        return InputError(what, where=path, fix="give the .mlpackage that it was compiled from")
    inside_it = sorted(entry.name for entry in path.glob("*.mlpackage") if entry.is_dir())
    if inside_it:
        fix = f"name one of: {', '.join(inside_it[:5])}"
        return InputError("a folder of packages where one is needed", where=path, fix=fix)
    return InputError("the package has no Manifest.json", where=path, fix=WHOLE)


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
