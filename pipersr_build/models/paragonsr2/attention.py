"""The attention branches of ParagonSR2's larger blocks: inside windows, and over learned tokens."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from pipersr_build.models.kernels import convolution
from pipersr_build.models.paragonsr2.parts import Branch, Normalise, RMSNorm, after_norm, scaled

HEADS = 4
TOKENS = 64
TOKEN_STD = 0.02  # of their first values
KEY_CHANNELS = 16


class WindowAttention(Branch):
    """norm, then self-attention among the pixels of each window, without position bias and without mask.

    The picture is filled up with zeros, after the norm, to whole windows; with a shift it is rolled before
    and rolled back after, so that windows at the far border hold pixels from the near one.
    No tensor has more than five axes, of which the Neural Engine takes no more.

    Args:
        channels: a multiple of the four heads.
        window: pixels of a window's edge.
        shift: how far the picture is rolled up and left, in pixels.
    """

    def __init__(self, channels: int, window: int, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm = RMSNorm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.project = nn.Conv2d(channels, channels, 1)
        self.scale = (channels // HEADS) ** -0.5

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape, B, C, H, W; a trace of it serves this size alone."""
        height, width = (int(n) for n in x.shape[2:])
        whole = self.norm(x)
        if height % self.window or width % self.window:
            whole = pad(whole, (0, -width % self.window, 0, -height % self.window))
        mixed = self._attend(self.qkv(rolled(whole, self.shift)))
        out: Tensor = self.project(rolled(mixed, -self.shift)[:, :, :height, :width])
        return out

    def _attend(self, qkv: Tensor) -> Tensor:
        """Queries, keys and values, B, 3C, H, W of whole windows, to B, C, H, W."""
        batch, height, width = (int(n) for n in (qkv.shape[0], *qkv.shape[2:]))
        edge, rows, columns = self.window, height // self.window, width // self.window
        cut = qkv.reshape(-1, rows, edge, columns, edge).transpose(2, 3)  # B 3C, rows, columns, edge, edge
        windows = cut.reshape(batch, 3 * HEADS, -1, rows * columns, edge * edge)
        q, k, v = windows.transpose(2, 3).chunk(3, dim=1)  # B, heads, windows, c, pixels
        weights = torch.softmax((q * self.scale).transpose(3, 4) @ k, dim=-1)  # …, pixels, pixels
        mixed = (v @ weights.transpose(3, 4)).transpose(2, 3)  # B, heads, c, windows, pixels
        back = mixed.reshape(-1, rows, columns, edge, edge).transpose(2, 3)
        return back.reshape(batch, -1, height, width)

    def deployed(self, gain: Tensor) -> nn.Module:
        """The gain goes into the last convolution; the norm stays, because zeros are filled in after it."""
        plain = copy.deepcopy(self)
        plain.project = scaled(self.project, gain)
        return plain


def rolled(x: Tensor, cells: int) -> Tensor:
    """B, C, H, W moved up and left, what leaves the picture comes in again; down and right if negative.

    `torch.roll`, in slices and concatenations: Core ML has no roll but a look-up of indices.
    """
    if cells:
        x = torch.cat([x[:, :, cells:], x[:, :, :cells]], dim=2)
        x = torch.cat([x[:, :, :, cells:], x[:, :, :, :cells]], dim=3)
    return x


class TokenAttention(Branch):
    """norm, then attention of every pixel to 64 learned tokens, whose keys and values are the same for all.

    So keys and values are two 1x1 convolutions with a softmax over the tokens between them. The products
    are scaled by the root of the key's channels, as is usual.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = RMSNorm(channels)
        self.tokens = nn.Parameter(TOKEN_STD * torch.randn(TOKENS, channels))
        self.query = nn.Conv2d(channels, KEY_CHANNELS, 1)
        self.key = nn.Linear(channels, KEY_CHANNELS)
        self.value = nn.Linear(channels, channels)
        self.project = nn.Conv2d(channels, channels, 1)

    def keys(self) -> Tensor:
        """One scaled key for each token: 64, 16."""
        keys: Tensor = self.key(self.tokens) * KEY_CHANNELS**-0.5
        return keys

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of x's shape, B, C, H, W."""
        logits = conv2d(self.query(self.norm(x)), self.keys()[:, :, None, None])  # B, 64, H, W
        values = self.value(self.tokens).T[:, :, None, None]  # C, 64, 1, 1
        out: Tensor = self.project(conv2d(torch.softmax(logits, dim=1), values))
        return out

    def deployed(self, gain: Tensor) -> nn.Module:
        """Norm without parameters, 1x1 to the tokens, softmax, 1x1 back: the products of all matrices."""
        query, project, keys = after_norm(self.norm, self.query), scaled(self.project, gain), self.keys()
        assert query.bias is not None
        to_tokens = convolution((keys @ query.weight[:, :, 0, 0])[:, :, None, None], keys @ query.bias)
        values = project.weight[:, :, 0, 0] @ self.value(self.tokens).T  # C, 64
        return nn.Sequential(
            Normalise(), to_tokens, nn.Softmax(dim=1), convolution(values[:, :, None, None], project.bias)
        )
