"""The weight file of a package (`weights/weight.bin`): read in place, every offset checked.

Layout (coremltools' MIL blob storage, version 2): a 64-byte header {uint32 count, uint32 version};
each record is 64 bytes of metadata {uint32 0xDEADBEEF, uint32 type, uint64 bytes, uint64 data
offset, uint64 padding bits, 32 reserved} and its data, both on 64-byte boundaries.
"""

import struct
from pathlib import Path

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.mil import dtypes

SENTINEL = 0xDEADBEEF
METADATA = struct.Struct("<IIQQQ")
HEADER_BYTES = 64
WHOLE = "export the package again or copy it whole"


class BlobFile:
    """A weight file, mapped into memory when the first record is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._bytes: np.ndarray | None = None

    def read(self, offset: int, dtype: str, count: int) -> np.ndarray:
        """Return `count` elements of `dtype` from the record whose metadata is at `offset`.

        Raises:
            InputError: the record is not there, is cut off, or holds fewer bytes than needed.
        """
        start, needed = self.check(offset, dtype, count)
        return dtypes.decode(self._map()[start : start + needed], dtype, count)

    def check(self, offset: int, dtype: str, count: int) -> tuple[int, int]:
        """Where the data of a record lie: first byte and number of bytes. Only the metadata are read.

        Raises:
            InputError: as `read`.
        """
        data = self._map()
        if offset < 0 or offset + HEADER_BYTES > data.size:
            raise self._broken(f"record at byte {offset} of {data.size}")
        sentinel, _, size, start, _ = METADATA.unpack(data[offset : offset + METADATA.size].tobytes())
        if sentinel != SENTINEL:
            raise self._broken(f"no record at byte {offset}")
        needed = dtypes.byte_length(dtype, count)
        if size < needed:
            raise self._broken(f"record at byte {offset} has {size} bytes, needs {needed}")
        if start + needed > data.size:
            raise self._broken(f"record at byte {offset} ends at byte {start + needed} of {data.size}")
        return start, needed

    def _map(self) -> np.ndarray:
        if self._bytes is None:
            if not self.path.is_file():
                raise InputError("the package's weight file is missing", where=self.path, fix=WHOLE)
            size = self.path.stat().st_size
            if size < HEADER_BYTES:
                raise self._broken(f"{size} bytes are less than a header")
            try:
                self._bytes = np.memmap(self.path, np.uint8, mode="r")
            except OSError as error:
                what = f"the package's weight file cannot be read: {error.strerror}"
                raise InputError(what, where=self.path, fix="check its permissions") from error
        return self._bytes

    def _broken(self, why: str) -> InputError:
        what = f"the package's weight file is truncated or damaged: {why}"
        return InputError(what, where=self.path, fix=WHOLE)
