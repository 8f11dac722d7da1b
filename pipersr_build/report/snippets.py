"""Short programs that use a package of each kind, for the model card.

Names and sizes of inputs and outputs are read from the package by the programs themselves, so that
they hold for every package of the kind. FILE stands for the package's quoted file name.
"""

import json

_PYTHON = {
    "image": """\
import coremltools as ct
from PIL import Image

model = ct.models.MLModel(FILE, compute_units=ct.ComputeUnit.CPU_AND_NE)
feature = model.get_spec().description.input[0]
size = feature.type.imageType.width, feature.type.imageType.height
tile = Image.open("picture.png").convert("RGB").crop((0, 0, *size))
upscaled = next(iter(model.predict({feature.name: tile}).values()))
upscaled.convert("RGB").save("upscaled.png")
""",
    "video": """\
import coremltools as ct
import numpy as np

model = ct.models.MLModel(FILE, compute_units=ct.ComputeUnit.CPU_AND_NE)
feature = model.get_spec().description.input[0]
shape = tuple(feature.type.multiArrayType.shape)  # 1, 3, height, width
frame = np.zeros(shape, np.float16)  # put your frame here: RGB in [0, 1]
upscaled = next(iter(model.predict({feature.name: frame}).values()))
""",
    "video with state": """\
import coremltools as ct
import numpy as np

model = ct.models.MLModel(FILE, compute_units=ct.ComputeUnit.CPU_AND_NE)
description = model.get_spec().description
(lr, previous), (sr, following) = description.input, description.output
frames = [np.zeros(tuple(lr.type.multiArrayType.shape), np.float16)]  # put yours here: RGB in [0, 1]
zeros = np.zeros(tuple(previous.type.multiArrayType.shape), np.float16)
state = zeros  # there is no frame before; put zeros back where a new scene begins
for frame in frames:
    made = model.predict({lr.name: frame, previous.name: state})
    upscaled, state = made[sr.name], made[following.name].astype(np.float16)
""",
}
KINDS = tuple(_PYTHON)

_SWIFT_LOADED = """\
import CoreML

let configuration = MLModelConfiguration()
configuration.computeUnits = .cpuAndNeuralEngine
let compiled = try await MLModel.compileModel(at: URL(fileURLWithPath: FILE))
let model = try MLModel(contentsOf: compiled, configuration: configuration)
"""

_SWIFT_OPEN = (
    _SWIFT_LOADED
    + """\
let (name, feature) = model.modelDescription.inputDescriptionsByName.first!
let result = model.modelDescription.outputDescriptionsByName.first!.key
"""
)

_SWIFT = {
    "image": _SWIFT_OPEN
    + """
// Core ML scales a picture that is not of the tile's size: cut tiles first.
let tile = try MLFeatureValue(
    imageAt: URL(fileURLWithPath: "tile.png"), constraint: feature.imageConstraint!)
let input = try MLDictionaryFeatureProvider(dictionary: [name: tile])
let output = try await model.prediction(from: input)
let upscaled = output.featureValue(for: result)!.imageBufferValue!  // CVPixelBuffer
""",
    "video": _SWIFT_OPEN
    + """
let frame = try MLMultiArray(shape: feature.multiArrayConstraint!.shape, dataType: .float16)
// fill frame with your picture: three planes, RGB in [0, 1]
let input = try MLDictionaryFeatureProvider(dictionary: [name: frame])
let output = try await model.prediction(from: input)
let upscaled = output.featureValue(for: result)!.multiArrayValue!
""",
    "video with state": _SWIFT_LOADED
    + """\
let inputs = model.modelDescription.inputDescriptionsByName
let frame = try MLMultiArray(shape: inputs["lr"]!.multiArrayConstraint!.shape, dataType: .float16)
// for every frame: fill frame with your picture: three planes, RGB in [0, 1]
var state = try MLMultiArray(shape: inputs["previous"]!.multiArrayConstraint!.shape, dataType: .float16)
// before the first frame and where a new scene begins, fill state with zeros
let input = try MLDictionaryFeatureProvider(dictionary: ["lr": frame, "previous": state])
let output = try await model.prediction(from: input)
let upscaled = output.featureValue(for: "sr")!.multiArrayValue!
state = output.featureValue(for: "next")!.multiArrayValue!  // goes in with the next frame
""",
}


def python(kind: str, file: str, function: str = "") -> str:
    """A Python program (coremltools, on a Mac) that runs package `file`; of several functions the named."""
    program = _PYTHON[kind]
    if function:
        named = "next(f for f in model.get_spec().description.functions if f.name == FUNCTION)"
        program = program.replace("model.get_spec().description", named)
        program = program.replace("MLModel(FILE, ", "MLModel(FILE, function_name=FUNCTION, ")
    return program.replace("FUNCTION", _quoted(function)).replace("FILE", _quoted(file))


def swift(kind: str, file: str, function: str = "") -> str:
    """A Swift program that compiles and runs package `file`; of several functions the named one."""
    units = "configuration.computeUnits = .cpuAndNeuralEngine\n"
    named = f"{units}configuration.functionName = {_quoted(function)}\n" if function else units
    return _SWIFT[kind].replace(units, named).replace("FILE", _quoted(file))


def _quoted(file: str) -> str:
    """A string literal in both languages, on one line."""
    return json.dumps(file, ensure_ascii=False)
