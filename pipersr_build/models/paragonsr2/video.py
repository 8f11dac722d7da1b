"""ParagonSR2 for video: every frame's first features are blended with those of the frame before."""

import torch
from torch import Tensor, nn

from pipersr_build.models.paragonsr2.network import ParagonSR2

SHARE = 0.2  # of the blended features of the frame before


class ParagonSR2Video(nn.Module):
    """A frame and the state of the frame before to the enlarged frame and the next state.

    features = 0.8 · head(frame) + 0.2 · previous features, which themselves were blended. The published
    network, where it has no previous features, is given zeros for them: that dims the first frame's, and the
    first's after a cut, by a fifth. Here the state carries the share of the blend with it, in one channel
    after the features. A state of zeros therefore says that there is no frame before: nothing is blended,
    and the frame is what it is as a single picture. So begin a video with zeros, and a new scene as well.

    The channel is the head's, with weights of zero and the share as its bias; what comes out of the blend
    is again the share. `runtime.recurrent` runs a package of it and finds the cuts.

    Args:
        network: trained, deployed or not; its convolutions are used as they are.
    """

    def __init__(self, network: ParagonSR2) -> None:
        super().__init__()
        self.config = network.config
        self.fixed_size = network.fixed_size
        self.state_channels = network.config.channels + 1
        self.head = _with_share(network.head)
        self.network = network

    def forward(self, lr: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        """B, 3, H, W in [0, 1] and B, C + 1, H, W to B, 3, scale H, scale W and B, C + 1, H, W."""
        fresh = self.head(lr)
        state = fresh + previous[:, -1:] * (previous - fresh)
        return self.network.upscale(lr, state[:, :-1]), state


@torch.no_grad()
def _with_share(head: nn.Conv2d) -> nn.Conv2d:
    """The convolution with one channel more, which is the share everywhere."""
    weight, bias = head.weight, head.bias
    assert bias is not None
    wider = nn.Conv2d(head.in_channels, head.out_channels + 1, 3, padding=1, device="meta")
    wider.weight = nn.Parameter(torch.cat([weight, torch.zeros_like(weight[:1])]))
    wider.bias = nn.Parameter(torch.cat([bias, torch.full_like(bias[:1], SHARE)]))
    return wider.train(head.training)
