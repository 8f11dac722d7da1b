"""A network that spandrel built, in the form of this project's own: one picture in [0, 1] in and out."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pipersr_build.export.static import StaticTracing, inlined_functions
from pipersr_build.models.third_party import ThirdPartyConfig
from pipersr_build.zoo.blocks import with_collapsible_blocks

Pad = Callable[[Tensor], tuple[bool, Tensor]]


class ThirdPartyNetwork(nn.Module):
    """B, 3, H, W in [0, 1] to B, 3, scale H, scale W, not clipped.

    Sizes that the network does not take are padded by reflection and cut off again, as spandrel does. It
    is traced for one size at a time (`fixed_size`): what it computes from the size is then a constant. Its
    state dict has the names of the original.

    Args:
        descriptor: spandrel's.
        config: what it is.
    """

    fixed_size = True

    def __init__(self, descriptor: Any, config: ThirdPartyConfig) -> None:
        super().__init__()
        from spandrel.__helpers.size_req import pad_tensor

        self.config = config
        self.network = with_collapsible_blocks(descriptor.model.eval().requires_grad_(False))
        self._call: Callable[[nn.Module, Tensor], Tensor] = descriptor._call_fn
        self._requirements = descriptor.size_requirements
        self._pad = pad_tensor
        self.register_state_dict_post_hook(_original_names)  # type: ignore[no-untyped-call]

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale B, 3, H, W."""
        if torch._C._get_tracing_state() is None:
            return self._upscale(lr)
        with StaticTracing([lr]), inlined_functions():
            return self._upscale(lr)

    def _upscale(self, lr: Tensor) -> Tensor:
        height, width = lr.shape[-2:]
        padded, whole = self._pad(lr.clone(), self._requirements)  # some networks change their input
        sr = self._call(self.network, whole)
        scale = self.config.scale
        return sr[..., : height * scale, : width * scale] if padded else sr


def _original_names(
    module: nn.Module, state: dict[str, Tensor], prefix: str, metadata: dict[str, Any]
) -> None:
    """Take this class's own name out of the tensors' names."""
    del module, metadata
    inside = f"{prefix}network."
    for name in [name for name in state if name.startswith(inside)]:
        state[prefix + name.removeprefix(inside)] = state.pop(name)
