"""Read a weights file that somebody else wrote, without running anything that is in it."""

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipersr_build.errors import InputError
from pipersr_build.zoo.wrapping import GIVE, Tensors, unwrap

PICKLES = (".pth", ".pt", ".bin")
SUFFIXES = (*PICKLES, ".safetensors")


def read(path: Path) -> Tensors:
    """The network's tensors in a file, by the names that its architecture gives them, as float32.

    Integer tensors stay as they are; they are counters and indices, not weights.

    Raises:
        InputError: not a file of weights, one that holds code, a damaged one, a tensor that is no plain array
            of real numbers, kernels in whole numbers, or NaN or infinite values.
    """
    if path.suffix.lower() == ".onnx":
        raise InputError(
            "an ONNX file is a program, not weights", where=path, fix="give the .pth or .safetensors it is of"
        )
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{path.suffix or 'a file without suffix'} is not known as weights",
            where=path,
            fix=f"give a file of one of the kinds {', '.join(SUFFIXES)}",
        )
    content = _safetensors(path) if path.suffix.lower() == ".safetensors" else _pickle(path)
    return {name: _single(name, tensor, path) for name, tensor in unwrap(content, path).items()}


def stored_as(path: Path) -> str:
    """The types that the file stores the network's numbers in: `float16`, `float32`."""
    content = _safetensors(path) if path.suffix.lower() == ".safetensors" else _pickle(path)
    kinds = {str(t.dtype).removeprefix("torch.") for t in unwrap(content, path).values()}
    return ", ".join(sorted(kind for kind in kinds if "float" in kind)) or "no floating point"


def _safetensors(path: Path) -> Tensors:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:  # KeyError: an element type of its own
        raise InputError(f"not a readable safetensors file ({error})", where=path, fix=_AGAIN) from error


def _pickle(path: Path) -> Any:
    """A pickle's tensors and plain data; anything else in it is refused before it could run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of its own older formats
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _not_plain(error, path) from error
    except Exception as error:  # a damaged file fails in many ways
        if "TorchScript" in str(error):
            raise InputError(
                "the file is a TorchScript program, not weights", where=path, fix=GIVE
            ) from error
        raise InputError(
            f"the file cannot be read: it is cut off, damaged or no PyTorch file ({_line(error)})",
            where=path,
            fix=_AGAIN,
        ) from error


_AGAIN = "download it again, and compare its size with the original's"


def _not_plain(error: Exception, path: Path) -> InputError:
    """The refusal of a pickle, by what stands in it."""
    named = re.search(r"(?:GLOBAL|[Uu]nsupported (?:global|class):?(?: GLOBAL)?)\s+`?([\w.]+)", str(error))
    if named is not None:
        what = f"the file holds code, which would run when it is loaded: {named[1]}"
    elif _start(path).startswith(_STARTS):
        what = f"the file is a pickle that cannot be read safely ({_reason(error)})"
    else:  # a page or a pointer that was saved in its place
        return InputError(f"the file is no PyTorch file ({_reason(error)})", where=path, fix=_AGAIN)
    fix = "give weights as .safetensors, or a .pth with the network's state dict alone"
    return InputError(what, where=path, fix=fix)


_STARTS = (b"PK", b"\x80", b"(", b"c")  # of an archive, of a pickle, and of one in the oldest protocols
_BEFORE_REASON = "WeightsUnpickler error:"


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2)


def _reason(error: Exception) -> str:
    """What stopped torch's restricted reader, without its advice to read the file in another way."""
    _, found, reason = str(error).partition(_BEFORE_REASON)
    lines = reason.strip().splitlines() if found else []
    return lines[0][:160] if lines else "it is not what torch.save writes"


def _line(error: Exception) -> str:
    """The first sentence of another library's message."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160]


def _single(name: str, tensor: Tensor, path: Path) -> Tensor:
    """A tensor as float32, an integer one as it is; refused where it is no weights."""
    reason = _no_array(tensor) or _whole_weights(name, tensor)
    if reason:
        raise InputError(f"tensor {name} {reason}", where=path, fix=_PLAIN)
    plain = tensor.detach()
    if not plain.is_floating_point():
        return plain
    try:
        single = plain.float()
    except (RuntimeError, NotImplementedError) as error:  # packed types, of which torch knows the name alone
        raise InputError(
            f"tensor {name} is {_kind(tensor)}, which cannot be read", where=path, fix=_PLAIN
        ) from error
    if not torch.isfinite(single).all():  # as float32: some types of 8 bits have no such test of their own
        raise InputError(f"tensor {name} holds NaN or infinite values", where=path, fix="give other weights")
    return single


_PLAIN = "give the weights as plain float32 or float16 tensors"


def _no_array(tensor: Tensor) -> str:
    """Why a tensor is no plain array of real numbers; empty if it is one."""
    if tensor.is_meta:
        return "has a shape and no values (device meta)"
    if tensor.is_quantized:
        return f"is quantised ({_kind(tensor)})"
    if tensor.is_nested or tensor.layout != torch.strided:
        layout = "nested" if tensor.is_nested else str(tensor.layout).removeprefix("torch.")
        return f"is stored in the layout {layout}"
    return f"holds complex numbers ({_kind(tensor)})" if tensor.is_complex() else ""


def _whole_weights(name: str, tensor: Tensor) -> str:
    """Why kernels and biases in whole numbers are refused: the size of their steps stands elsewhere."""
    learnt = name.rpartition(".")[2] in ("weight", "bias")
    return (
        f"holds weights in whole numbers ({_kind(tensor)})"
        if learnt and not tensor.is_floating_point()
        else ""
    )


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
