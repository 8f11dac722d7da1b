"""The weight file, written out byte by byte."""

import struct

import numpy as np
import pytest

from pipersr_build.errors import InputError
from pipersr_build.mil.blob import SENTINEL, BlobFile
from pipersr_build.mil.graph import Constant, TensorType


def blob(folder, data, sentinel=SENTINEL, size=None):
    """A weight file with one record at byte 64, whose data start at byte 128."""
    record = struct.pack("<IIQQQ", sentinel, 1, len(data) if size is None else size, 128, 0).ljust(64, b"\0")
    path = folder / "weight.bin"
    path.write_bytes(struct.pack("<II", 1, 2).ljust(64, b"\0") + record + data)
    return BlobFile(path)


HALVES = np.float16([1, -2, 0.5, 3]).tobytes()


def test_a_record_is_read_in_its_type(tmp_path):
    file = blob(tmp_path, HALVES)
    assert file.read(64, "fp16", 4).tolist() == [1, -2, 0.5, 3]
    assert file.check(64, "fp16", 4) == (128, 8)
    constant = Constant(TensorType("fp16", (2, 2)), blob=file, offset=64)
    assert constant.numpy().tolist() == [[1, -2], [0.5, 3]]


@pytest.mark.parametrize(
    ("more", "offset", "dtype", "count", "match"),
    [
        ({}, 64, "fp16", 5, "has 8 bytes, needs 10"),
        ({"size": 100}, 64, "fp16", 5, "ends at byte 138 of 136"),
        ({"size": 2**62}, 64, "fp16", 2**60, "ends at byte"),
        ({"sentinel": 7}, 64, "fp16", 4, "no record at byte 64"),
        ({}, 0, "fp16", 4, "no record at byte 0"),
        ({}, 100, "fp16", 4, "record at byte 100 of 136"),
        ({}, -64, "fp16", 4, "record at byte -64"),
        ({}, 2**63, "fp16", 4, "record at byte"),
    ],
)
def test_a_record_that_is_not_whole_is_refused(tmp_path, more, offset, dtype, count, match):
    file = blob(tmp_path, HALVES, **more)
    for action in (file.check, file.read):
        with pytest.raises(InputError, match=match) as caught:
            action(offset, dtype, count)
        assert "weight.bin" in caught.value.where


def test_types_that_numpy_lacks_are_refused(tmp_path):
    constant = Constant(TensorType("bf16", (4,)), blob=blob(tmp_path, HALVES), offset=64)
    for action in (constant.check, constant.numpy):
        with pytest.raises(InputError, match="weights of type bf16 cannot be read"):
            action()
