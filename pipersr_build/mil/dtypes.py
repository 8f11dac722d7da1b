"""MIL element types: their names, and how numpy and the weight file hold them."""

import numpy as np

# MIL_pb2.DataType number -> the short name used throughout this project.
NAMES: dict[int, str] = {
    1: "bool", 2: "string", 10: "fp16", 11: "fp32", 12: "fp64", 13: "bf16",
    21: "int8", 22: "int16", 23: "int32", 24: "int64", 25: "int4",
    31: "uint8", 32: "uint16", 33: "uint32", 34: "uint64",
    35: "uint4", 36: "uint2", 37: "uint1", 38: "uint6", 39: "uint3",
    40: "fp8e4m3fn", 41: "fp8e5m2",
}  # fmt: skip

# Sub-byte types: bits per element. They are stored packed, lowest bits first.
SUB_BYTE_BITS: dict[str, int] = {"uint1": 1, "uint2": 2, "uint3": 3, "uint4": 4, "int4": 4, "uint6": 6}

# Types that numpy holds as they are. bf16 and fp8 have no numpy type and are not read.
NUMPY: dict[str, np.dtype] = {
    name: np.dtype(kind)
    for name, kind in {
        "bool": "?", "fp16": "<f2", "fp32": "<f4", "fp64": "<f8",
        "int8": "i1", "int16": "<i2", "int32": "<i4", "int64": "<i8",
        "uint8": "u1", "uint16": "<u2", "uint32": "<u4", "uint64": "<u8",
    }.items()
}  # fmt: skip


def byte_length(dtype: str, count: int) -> int:
    """Bytes that `count` elements of `dtype` take in the weight file."""
    bits = SUB_BYTE_BITS.get(dtype)
    return count * NUMPY[dtype].itemsize if bits is None else (count * bits + 7) // 8


def decode(raw: bytes | np.ndarray, dtype: str, count: int) -> np.ndarray:
    """Decode `count` little-endian elements; sub-byte types widen to uint8 (int4 to int8).

    Raises:
        KeyError: a type that numpy cannot hold (bf16, fp8, string).
        ValueError: fewer bytes than `count` elements need.
    """
    bits = SUB_BYTE_BITS.get(dtype)
    if bits is None:
        return np.frombuffer(raw, dtype=NUMPY[dtype], count=count)
    unsigned = unpack(np.frombuffer(raw, np.uint8), bits, count)
    return unsigned if dtype != "int4" else ((unsigned.astype(np.int8) ^ 8) - 8).astype(np.int8)


def unpack(packed: np.ndarray, bits: int, count: int) -> np.ndarray:
    """`count` unsigned numbers of `bits` (1..8) each, packed into bytes from the lowest bit up, as uint8.

    Raises:
        ValueError: there are fewer bytes than `count` numbers need.
    """
    if packed.size < (count * bits + 7) // 8:
        raise ValueError(f"{count} numbers of {bits} bits need more than {packed.size} bytes")
    if bits == 8:
        return packed[:count]
    flat = np.unpackbits(packed, count=count * bits, bitorder="little").reshape(count, bits)
    weights = (1 << np.arange(bits)).astype(np.uint8)
    numbers: np.ndarray = (flat * weights).sum(axis=1, dtype=np.uint8)
    return numbers
