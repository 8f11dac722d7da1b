"""Trace a network for one frame size: whatever does not depend on the picture becomes a constant.

Networks with attention compute masks, position tables and window counts from the frame's size each time
they run. In a package of one fixed size these are constants, and as operations (scatter, gather, fill)
they would keep the Neural Engine from running the network. coremltools folds only some of them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from pipersr_build.export import attention, equivalents, tiles

_SHAPE: Any = Tensor.shape
_SIZES = frozenset({Tensor.size, _SHAPE.__get__, Tensor.numel, Tensor.nelement, Tensor.stride})


@contextmanager
def untraced() -> Iterator[None]:
    """The trace does not see what happens inside."""
    tracing: Any = torch._C
    state = tracing._get_tracing_state()
    tracing._set_tracing_state(None)
    try:
        yield
    finally:
        tracing._set_tracing_state(state)


class StaticTracing(TorchFunctionMode):
    """While it is active, `torch.jit.trace` records only what is computed from `pictures`.

    All else (sizes, and tensors made of sizes and weights) is computed once, untraced; where it meets a
    picture the trace holds its value. What coremltools cannot convert, or only into something that the
    Neural Engine refuses, is recorded as its equivalent; see `equivalents`.

    Args:
        pictures: the tensors that are different in each run.
    """

    def __init__(self, pictures: Sequence[Tensor]) -> None:
        super().__init__()
        self._depends: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._mark(pictures)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Call `func`, traced only if an argument depends on the pictures."""
        kwargs = kwargs or {}
        if func in _SIZES or not self._on_pictures((args, kwargs)):
            with untraced():
                return func(*args, **kwargs)
        if _in_place(func) and not self._on_pictures(args[0]):
            _anchor(args[0])
        result = self._traced(func, args, kwargs)
        self._mark(result)
        if _in_place(func):
            self._mark(args[0])
        return result

    def _traced(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        with self:  # sizes are plain numbers for the equivalents too
            if func is Tensor.__setitem__ and equivalents.is_part(*args):
                return _assign(*args)
            if func is F.pad and equivalents.crops(*args, **kwargs):
                return equivalents.crop_and_pad(*args, **kwargs)
            if func in (torch.roll, Tensor.roll):
                return equivalents.roll(*args, **kwargs)
            if func is F.unfold and tiles.unfolds(*args, **kwargs):
                return tiles.unfold(*args, **kwargs)
            if func is F.fold and tiles.folds(*args, **kwargs):
                return tiles.fold(*args, **kwargs)
            if func is F.multi_head_attention_forward and attention.is_plain(*args, **kwargs):
                return attention.attention(*args, **kwargs)
        return func(*args, **kwargs)

    def _mark(self, values: Any) -> None:
        for tensor in _tensors(values):
            self._depends[tensor] = True
            if tensor._base is not None:
                self._depends[tensor._base] = True

    def _on_pictures(self, values: Any) -> bool:
        return any(
            tensor in self._depends or (tensor._base is not None and tensor._base in self._depends)
            for tensor in _tensors(values)
        )


@contextmanager
def inlined_functions() -> Iterator[None]:
    """Trace functions with a gradient of their own as what they compute, not as one unknown operation."""
    function: Any = torch.autograd.Function
    apply = vars(function)["apply"]  # as it is written there, not bound to the class
    function.apply = classmethod(lambda cls, *args: cls.forward(_Context(), *args))
    try:
        yield
    finally:
        function.apply = apply


class _Context:
    """What a function keeps for its gradient, which nobody asks for here."""

    def save_for_backward(self, *_: Tensor) -> None:
        """Keep nothing."""


def _anchor(constant: Tensor) -> None:
    """Have the trace hold a constant's value as it is now, before a picture is written into it.

    Raises:
        NotImplementedError: it is part of another one, which the trace would not see changed.
    """
    if constant._base is not None:
        raise NotImplementedError("a picture is written into a part of a constant")
    tracing: Any = torch._C
    with untraced():
        copy = constant.clone()
    tracing._set_value_trace(constant, tracing._get_value_trace(copy))


def _assign(x: Tensor, index: Any, value: Any) -> None:
    """`x[index] = value`, recorded as the joined tensor that x is from now on."""
    tracing: Any = torch._C
    joined = equivalents.joined(x, index, value)
    with untraced(), torch._C.DisableTorchFunction():
        x[index] = value
    tracing._set_value_trace(x, tracing._get_value_trace(joined))


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _in_place(func: Callable[..., Any]) -> bool:
    name = getattr(func, "__name__", "")
    return name in ("__setitem__", "__set__") or (name.endswith("_") and not name.endswith("__"))
