from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipersr_build import models
from pipersr_build.evaluation.parameters import count_parameters
from pipersr_build.mil.blob import BlobFile
from pipersr_build.mil.graph import Block, Constant, Function, Operation, Output, TensorType
from pipersr_build.mil.package import open_package

FILE = BlobFile(Path("weight.bin"))


def stored(offset: int, *shape: int, dtype: str = "fp16") -> Constant:
    return Constant(TensorType(dtype, shape), blob=FILE, offset=offset)


def written(*shape: int, dtype: str = "fp16") -> Constant:
    return Constant(TensorType(dtype, shape), immediate=np.zeros(shape))


def op(
    kind: str, name: str, *shape: int, attributes: dict[str, Constant] | None = None, **inputs
) -> Operation:
    bound = {key: (value,) for key, value in inputs.items()}
    return Operation(kind, bound, (Output(name, TensorType("fp16", shape)),), attributes or {})


def count(*operations: Operation) -> int:
    return count_parameters(Function("main", "CoreML7", {}, Block((), operations, ())))


@pytest.mark.parametrize("kind", ["image", "video"])
def test_packages_hold_the_networks_parameters(tiny: SimpleNamespace, kind: str) -> None:
    assert count_parameters(open_package(getattr(tiny, kind)).main) == models.parameters(tiny.deployed)


def test_weights_in_the_file_and_small_ones_in_the_program_count() -> None:
    conv = op(
        "conv", "y", 1, 4, 8, 8, x="x", weight=stored(64, 4, 3, 3, 3), bias=written(4), groups=written()
    )
    assert count(conv) == 4 * 27 + 4


def test_numbers_that_are_no_weights_do_not_count() -> None:
    assert count(op("mul", "y", 1, x="x", y=written())) == 0
    assert count(op("add", "y", 1, x="x", y=written(1, 3, 1, 1))) == 0  # a constant of the conversion
    assert count(op("reshape", "y", 1, x="x", shape=stored(64, 4, dtype="int32"))) == 0
    assert count(op("mul", "y", 1, x="x", y=stored(64, 1, 64, 1, 1))) == 64  # a learnt factor per channel


def test_shared_weights_count_once() -> None:
    twice = [op("conv", name, 1, x="x", weight=stored(64, 5, 5)) for name in "ab"]
    assert count(*twice) == 25
    assert count(*twice, op("conv", "c", 1, x="x", weight=stored(128, 5, 5))) == 50


def test_running_statistics_do_not_count() -> None:
    norm = {name: stored(64 * i, 16) for i, name in enumerate(("gamma", "beta", "mean", "variance"), 1)}
    assert count(op("batch_norm", "y", 1, x="x", **norm)) == 32


def test_compressed_weights_count_as_what_they_become() -> None:
    compressed = {"indices": stored(64, 27, dtype="uint8"), "lut": stored(128, 16)}
    lut = op("constexpr_lut_to_dense", "w", 8, 3, 3, 3, attributes=compressed)
    scaled = op(
        "constexpr_affine_dequantize", "v", 8, 8, attributes={"quantized_data": stored(192, 64, dtype="int8")}
    )
    assert (
        count(lut, scaled, op("conv", "y", 1, x="x", weight="w"), op("conv", "z", 1, x="y", weight="w"))
        == 216
    )
    assert (
        count(lut, scaled, op("conv", "y", 1, x="x", weight="w"), op("linear", "z", 1, x="y", weight="v"))
        == 280
    )
