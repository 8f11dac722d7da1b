"""Memory for large values that is used again, within a run and from run to run.

A fresh tensor of tens of megabytes costs more than many operations do on it: the system hands out every
page of it only when it is first touched. A workspace keeps its buffers instead.
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from pipersr_build.mil.values import memory, round_to_fp16_

SMALL = 1 << 17  # elements; below, PyTorch's own allocation costs nothing that can be measured


class Workspace:
    """Buffers, and the names of the values that live in each; for one run at a time.

    Between runs it keeps what the last one took, so that the next one of the same shapes takes nothing new.

    Attributes:
        unrounded: the memory of those values that are yet to be rounded to fp16.
    """

    def __init__(self) -> None:
        self._free: list[Tensor] = []  # flat
        self._used: dict[int, tuple[Tensor, set[str]]] = {}  # memory -> its buffer, who lives there
        self._taken: set[int] = set()  # the memory that this run has taken, free again or not
        self.unrounded: set[int] = set()

    def take(self, shape: Sequence[int], dtype: torch.dtype, like: Tensor | None = None) -> Tensor:
        """A dense tensor of any content; of four axes channels_last unless `like` is contiguous.

        It is free again when the last value that `hold` has named as living in it is released.
        """
        count = math.prod(shape)
        at = next((i for i, b in enumerate(self._free) if (b.numel(), b.dtype) == (count, dtype)), None)
        flat = torch.empty(count, dtype=dtype) if at is None else self._free.pop(at)
        self._used[memory(flat)] = (flat, set())
        self._taken.add(memory(flat))
        if len(shape) != 4 or (like is not None and like.is_contiguous()):
            return flat.view(*shape)
        batch, channels, height, width = shape
        return flat.view(batch, height, width, channels).permute(0, 3, 1, 2)

    def hold(self, name: str, value: Tensor) -> None:
        """Say that the value `name` is `value`, which may live in a buffer, whole or in part."""
        if self._used and (found := self._used.get(memory(value))):
            found[1].add(name)

    def release(self, values: dict[str, Tensor], names: Iterable[str]) -> None:
        """Drop values, and free the buffers in which no other value lives."""
        for name in names:
            value = values.pop(name, None)
            if value is None or (found := self._used.get(memory(value))) is None:
                continue
            found[1].discard(name)
            if not found[1]:
                self._free.append(self._used.pop(memory(value))[0])
                self.unrounded.discard(memory(value))

    def fills_alone(self, name: str, value: Tensor) -> bool:
        """Whether `value` is a whole buffer in which no other value lives."""
        flat, names = self._used.get(memory(value), (None, set()))
        return flat is not None and names == {name} and flat.numel() == value.numel()

    def settle(self, value: Tensor) -> None:
        """Round a value that is yet to be."""
        if memory(value) in self.unrounded:
            round_to_fp16_(value)
            self.unrounded.discard(memory(value))

    def clear(self) -> None:
        """End a run: free every buffer, whoever lives there, and drop those that the run has not taken."""
        buffers = [*self._free, *(flat for flat, _ in self._used.values())]
        self._free = [flat for flat in buffers if memory(flat) in self._taken]
        self._taken.clear()
        self._used.clear()
        self.unrounded.clear()
