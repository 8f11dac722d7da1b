"""Small networks of the architectures that spandrel reads, with random weights: for tests and the table."""

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pipersr_build.zoo.spandrel import spandrel


@dataclass(frozen=True)
class Sample:
    """How to build one: a class of spandrel's architecture `architecture`, its settings, a picture's size."""

    architecture: str
    network: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    size: int = 32
    note: str = ""


_WINDOWS = {"img_size": 16, "embed_dim": 24, "num_heads": [2], "mlp_ratio": 2.0, "upscale": 2}
_SWIN = {**_WINDOWS, "depths": [2], "window_size": 8, "upsampler": "pixelshuffledirect"}
_RRDB = {"num_filters": 16, "num_blocks": 1, "scale": 4}
_DEGRADED = {"num_feats": [8] * 4, "num_blocks": [1] * 4, "num_grow_ch": 8, "num_in_ch": 3, "num_out_ch": 3}

SAMPLES: dict[str, Sample] = {
    "Compact": Sample("Compact", "Compact", {"num_feat": 16, "num_conv": 2, "upscale": 2}, note="SRVGG"),
    "ESRGAN": Sample("ESRGAN", "ESRGAN", _RRDB, note="RRDB, 4×"),
    "ESRGAN+": Sample("ESRGAN", "ESRGAN", {**_RRDB, "plus": True}, note="4×"),
    "Real-ESRGAN 2×": Sample("ESRGAN", "ESRGAN", {**_RRDB, "in_nc": 12, "shuffle_factor": 2},
                             note="unshuffled input"),
    "SPAN": Sample("SPAN", "SPAN", {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 16, "upscale": 2}),
    "SAFMN": Sample("SAFMN", "SAFMN", {"dim": 16, "n_blocks": 2, "upscaling_factor": 2}),
    "SwiftSRGAN": Sample("SwiftSRGAN", "SwiftSRGAN",
                         {"num_channels": 16, "num_blocks": 2, "upscale_factor": 2}),
    "RealCUGAN": Sample("RealCUGAN", "UpCunet2x"),
    "RCAN": Sample("RCAN", "RCAN", {"scale": 2, "n_resgroups": 1, "n_resblocks": 1, "n_feats": 16}),
    "PLKSR": Sample("PLKSR", "PLKSR", {"dim": 16, "n_blocks": 2, "upscaling_factor": 2}),
    "RealPLKSR": Sample("PLKSR", "RealPLKSR", {"dim": 16, "n_blocks": 2, "upscaling_factor": 2}),
    "RealPLKSR, DySample": Sample("PLKSR", "RealPLKSR",
                                  {"dim": 16, "n_blocks": 2, "upscaling_factor": 2, "dysample": True}),
    "MoSR": Sample("MoSR", "MoSR", {"upscale": 2, "n_block": 2, "dim": 16}),
    "MoESR": Sample("MoESR", "MoESR", {"scale": 2, "dim": 16, "n_blocks": 1, "n_block": 1,
                                       "upsample_dim": 16}),
    "OmniSR": Sample("OmniSR", "OmniSR", {"num_feat": 16, "up_scale": 2}),
    "SwinIR": Sample("SwinIR", "SwinIR", _SWIN),
    "Swin2SR": Sample("Swin2SR", "Swin2SR", _SWIN),
    "HAT": Sample("HAT", "HAT", {**_WINDOWS, "depths": [2], "window_size": 8, "squeeze_factor": 8,
                                 "num_feat": 16}),
    "DAT": Sample("DAT", "DAT", {"img_size": 16, "embed_dim": 24, "split_size": [2, 4], "depth": [2],
                                 "num_heads": [2], "expansion_factor": 2.0, "upscale": 2}),
    "RGT": Sample("RGT", "RGT", {**_WINDOWS, "depth": [2], "split_size": [8, 8]}),
    "DRCT": Sample("DRCT", "DRCT", {**_SWIN, "upsampler": "pixelshuffle", "gc": 8}),
    "ATD": Sample("ATD", "ATD", {**{k: v for k, v in _SWIN.items() if k != "mlp_ratio"},
                                 "category_size": 64, "num_tokens": 8}),
    "GRL": Sample("GRL", "GRL", {"img_size": 16, "embed_dim": 24, "upscale": 2, "depths": [2],
                                 "upsampler": "pixelshuffledirect", "num_heads_window": [2],
                                 "num_heads_stripe": [2], "anchor_window_down_factor": 2}, size=64),
    "CRAFT": Sample("CRAFT", "CRAFT", {"embed_dim": 24, "depths": [1], "num_heads": [6], "upscale": 2}),
    "DCTLSA": Sample("DCTLSA", "DCTLSA", {"nf": 20, "upscale": 2}),
    "DITN": Sample("DITN", "DITN", {"dim": 16, "ITL_blocks": 1, "SAL_blocks": 1, "upscale": 2}),
    "FDAT": Sample("FDAT", "FDAT", {"scale": 2, "embed_dim": 24, "num_groups": 1, "depth_per_group": 2,
                                    "num_heads": 2, "mid_dim": 16}),
    "SeemoRe": Sample("SeemoRe", "SeemoRe",
                      {"scale": 2, "num_experts": 3, "num_layers": 1, "embedding_dim": 16}),
    "MMRealSR": Sample("MMRealSR", "MMRealSR", {**_DEGRADED, "num_feat": 16, "num_block": 1}, note="4×"),
    "IPT": Sample("IPT", "IPT", {"patch_size": 24, "n_feats": 8, "scale": [2], "num_heads": 2,
                                 "num_layers": 1}, size=24),
}  # fmt: skip
LARGEST_OUTPUT = 1.5  # of random weights; trained ones stay near [0, 1], which the parity gate supposes


def weights_of(sample: Sample, seed: int = 0) -> dict[str, Tensor]:
    """The state dict of a new network of this kind; its last convolution is scaled to a picture's range.

    The same seed gives the same weights.
    """
    spandrel()
    module = importlib.import_module(f"spandrel.architectures.{sample.architecture}")
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old calls in the architectures' own code
        torch.manual_seed(seed)
        network: nn.Module = getattr(module, sample.network)(**sample.settings).eval()
        picture = torch.rand(1, 3, sample.size, sample.size)
    _tame(network, picture)
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@torch.no_grad()
def _tame(network: nn.Module, picture: Tensor) -> None:
    """Scale the convolution that runs last so that the output of random weights is as large as a picture."""
    ran: list[nn.Conv2d] = []
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    handles = [c.register_forward_hook(lambda module, *_: ran.append(module)) for c in convolutions]
    output = network(picture)
    for handle in handles:
        handle.remove()
    largest = float((output[0] if isinstance(output, tuple) else output).abs().max())
    if ran and largest > LARGEST_OUTPUT:
        for parameter in ran[-1].parameters():
            parameter.mul_(1 / largest)
