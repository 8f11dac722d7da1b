"""Short programs that use a package of each contract, for the model card.

Names and sizes of inputs and outputs are read from the package by the programs themselves, so that
they hold for every package of the contract. FILE stands for the package's quoted file name.
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
}

_SWIFT_OPEN = """\
import CoreML

let configuration = MLModelConfiguration()
configuration.computeUnits = .cpuAndNeuralEngine
let compiled = try await MLModel.compileModel(at: URL(fileURLWithPath: FILE))
let model = try MLModel(contentsOf: compiled, configuration: configuration)
let (name, feature) = model.modelDescription.inputDescriptionsByName.first!
let result = model.modelDescription.outputDescriptionsByName.first!.key
"""

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
}


def python(contract: str, file: str) -> str:
    """A Python program (coremltools, on a Mac) that runs package `file`."""
    return _PYTHON[contract].replace("FILE", _quoted(file))


def swift(contract: str, file: str) -> str:
    """A Swift program that compiles and runs package `file`."""
    return _SWIFT[contract].replace("FILE", _quoted(file))


def _quoted(file: str) -> str:
    """A string literal in both languages, on one line."""
    return json.dumps(file, ensure_ascii=False)
