"""Networks whose latency on the engine was published, as layer tables: shapes only, no weights.

Each function follows the definition that its docstring names, at inference, batch norms and branches folded,
and is tested against the published counts of parameters and multiplications.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

from pipersr_build.placement.latency import ON_CHIP, Cost, Segment

FP16, INT8 = 2, 1  # bytes of an element


class Tape:
    """Writes a network down layer by layer, keeping the shape of the current tensor.

    Args:
        channels, height, width: of the input, RGB by default.
        batch: pictures in one call.
        element: bytes of an element of weights and activations.
    """

    def __init__(
        self, height: int, width: int, channels: int = 3, batch: int = 1, element: int = FP16
    ) -> None:
        self.channels, self.height, self.width = channels, height, width
        self.batch, self.element = batch, element
        self.costs: list[Cost] = []
        self.parameters = 0
        self._input = self.bytes

    @property
    def bytes(self) -> float:
        """Of the current tensor."""
        return float(self.element * self.batch * self.channels * self.height * self.width)

    def conv(self, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> "Tape":
        """A convolution with bias and padding that keeps the size (divided by the stride, rounded up)."""
        read, taken = self.bytes, self.channels // groups
        self.height, self.width = (math.ceil(n / stride) for n in (self.height, self.width))
        weights = channels * taken * kernel**2 + channels
        self.channels = channels
        pixels = self.batch * self.height * self.width
        self._write(
            "conv",
            2.0 * pixels * channels * taken * kernel**2,
            read + self.bytes,
            weights,
            math.sqrt(taken * channels / groups),
            dense3=kernel == 3 and stride == 1 and groups == 1,
        )
        return self

    def depthwise(self, kernel: int, stride: int = 1) -> "Tape":
        """A convolution of each channel alone."""
        return self.conv(self.channels, kernel, stride, self.channels)

    def linear(self, channels: int) -> "Tape":
        """A matrix of weights applied to every picture's vector."""
        return self.conv(channels)

    def pool(self, size: int) -> "Tape":
        """A pooling to one `size`-th, rounded up."""
        read = self.bytes
        self.height, self.width = (math.ceil(n / size) for n in (self.height, self.width))
        self._write("max_pool", 0.0, read + self.bytes)
        return self

    def mean(self) -> "Tape":
        """The mean over the whole map, after which the map is not needed any more."""
        read = self.bytes
        self.height = self.width = 1
        self._write("reduce_mean", 0.0, read + self.bytes)
        return self

    def attend(self, hidden: int) -> "Tape":
        """Channel attention: mean, two small layers, and the map scaled, for which it is read again."""
        size, channels = self.bytes, self.channels
        again = 2 * size if size > ON_CHIP else 0.0
        self._write("reduce_mean", 0.0, size, refetched=again)
        for taken, made in ((channels, hidden), (hidden, channels)):
            weights = taken * made + made
            self._write(
                "conv",
                2.0 * self.batch * taken * made,
                float(self.element * self.batch * (taken + made)),
                weights,
                math.sqrt(taken * made),
                pixels=1.0,
            )
        self._write("mul", size, 2 * size)
        return self

    def product(self, flop: float) -> "Tape":
        """A product of two computed tensors."""
        self._write("matmul", self.batch * flop, 0.0)
        return self

    def other(self, kind: str) -> "Tape":
        """An operation that reads and writes the whole tensor once, such as `softmax` or `pixel_shuffle`."""
        self._write(kind, 0.0, 2 * self.bytes)
        return self

    def segment(self) -> Segment:
        """All of it on the engine in one piece."""
        return Segment("ane", tuple(self.costs), self._input + self.bytes)

    def _write(
        self,
        kind: str,
        flop: float,
        moved: float,
        weights: int = 0,
        width: float = 0.0,
        *,
        dense3: bool = False,
        refetched: float = 0.0,
        pixels: float | None = None,
    ) -> None:
        self.parameters += weights
        self.costs.append(
            Cost(
                kind=kind,
                flop=flop,
                moved=moved,
                constant=float(self.element * weights),
                width=width,
                pixels=float(self.height * self.width) if pixels is None else pixels,
                dense3=dense3,
                refetched=refetched,
                int8=self.element == INT8,
            )
        )


def pipersr(tape: Tape, blocks: int = 6, channels: int = 64, scale: int = 2) -> Tape:
    """PiperSR (ModelPiper/PiperSR): head, residual blocks of two 3x3, tail, PixelShuffle."""
    for _ in range(1 + 2 * blocks):
        tape.conv(channels, 3)
    tape.conv(3 * scale**2, 3).other("pixel_shuffle")
    tape.channels, tape.height, tape.width = 3, scale * tape.height, scale * tape.width
    return tape


def separable(tape: Tape) -> Tape:
    """A blueprint-separable 3x3 (Haase and Amthor, arXiv 2003.13549): 1x1 before depthwise 3x3."""
    return tape.conv(tape.channels).depthwise(3)


def resnet50(tape: Tape) -> Tape:
    """ResNet-50 v1.5 (He et al., arXiv 1512.03385; stride in the 3x3): 25.6 M parameters, 4.09 GMAC."""
    tape.conv(64, 7, 2).pool(2)
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for block in range(blocks):
            first, stride = block == 0, 2 if stage and block == 0 else 1
            if first:
                _beside(tape, 4 * width, stride)
            tape.conv(width).conv(width, 3, stride).conv(4 * width)
    return tape.mean().linear(1000)


def resnet18(tape: Tape) -> Tape:
    """ResNet-18 (He et al., arXiv 1512.03385): 11.7 M parameters, 1.81 GMAC."""
    tape.conv(64, 7, 2).pool(2)
    for stage in range(4):
        width = 64 * 2**stage
        for block in range(2):
            stride = 2 if stage and block == 0 else 1
            if stride == 2:
                _beside(tape, width, stride)
            tape.conv(width, 3, stride).conv(width, 3)
    return tape.mean().linear(1000)


def _beside(tape: Tape, channels: int, stride: int) -> None:
    """A 1x1 on a second path: its cost counts, the current tensor stays."""
    shape = tape.channels, tape.height, tape.width
    tape.conv(channels, 1, stride)
    tape.channels, tape.height, tape.width = shape


def mobilenet_v2(tape: Tape) -> Tape:
    """MobileNetV2 1.0 (Sandler et al., arXiv 1801.04381, table 2): 3.5 M parameters, 0.30 GMAC."""
    tape.conv(32, 3, 2)
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
              (6, 320, 1, 1))  # fmt: skip
    for expansion, channels, repeats, stride in stages:
        for block in range(repeats):
            _inverted(tape, expansion, channels, stride if block == 0 else 1)
    return tape.conv(1280).mean().linear(1000)


def _inverted(tape: Tape, expansion: int, channels: int, stride: int) -> None:
    """An inverted residual: 1x1 wide (unless the expansion is 1), depthwise 3x3, 1x1 narrow."""
    if expansion > 1:
        tape.conv(expansion * tape.channels)
    tape.depthwise(3, stride).conv(channels)


def mobileone(tape: Tape, variant: int) -> Tape:
    """MobileOne S0 to S4 (Vasu et al., arXiv 2206.04040, table 2), branches folded.

    2.1, 4.8, 7.8, 10.1, 14.8 M parameters; 0.275, 0.825, 1.299, 1.896, 2.978 GMAC.
    """
    widths = ((0.75, 1.0, 1.0, 2.0), (1.5, 1.5, 2.0, 2.5), (1.5, 2.0, 2.5, 4.0), (2.0, 2.5, 3.0, 4.0),
              (3.0, 3.5, 3.5, 4.0))[variant]  # fmt: skip
    tape.conv(min(64, int(64 * widths[0])), 3, 2)
    for stage, (base, blocks) in enumerate(((64, 2), (128, 8), (256, 10), (512, 1))):
        for block in range(blocks):
            tape.depthwise(3, 2 if block == 0 else 1)
            _attention_of_s4(tape, variant, stage, block)
            tape.conv(int(base * widths[stage]))
            _attention_of_s4(tape, variant, stage, block)
    return tape.mean().linear(1000)


def _attention_of_s4(tape: Tape, variant: int, stage: int, block: int) -> None:
    """S4 has squeeze-and-excitation in the last blocks of its third stage and in its fourth."""
    if variant == 4 and (stage == 3 or (stage == 2 and block >= 5)):
        tape.attend(tape.channels // 16)


def fastvit(tape: Tape, dims: Sequence[int], blocks: Sequence[int], ratio: int, attention: bool) -> Tape:
    """FastViT (Vasu et al., arXiv 2303.14189), branches folded.

    T8: 3.6 M parameters, 0.7 GMAC; MA36: 42.7 M, 7.9 GMAC.
    """
    tape.conv(dims[0], 3, 2).depthwise(3, 2).conv(dims[0])
    for stage, (width, count) in enumerate(zip(dims, blocks, strict=True)):
        if stage:
            tape.conv(width, 7, 2, tape.channels).conv(width)
        last = attention and stage == 3
        if last:
            tape.depthwise(7)  # positions
        for _ in range(count):
            _self_attention(tape) if last else tape.depthwise(3)
            tape.depthwise(7).conv(ratio * width).conv(width)
    tape.conv(2 * tape.channels, 3, 1, tape.channels).attend(tape.channels // 16)
    return tape.mean().linear(1000)


def _self_attention(tape: Tape) -> None:
    """Queries, keys and values, two products over all pairs of pixels, a softmax, a projection."""
    width, tokens = tape.channels, tape.height * tape.width
    tape.other("layer_norm").conv(3 * width)
    tape.product(2.0 * tokens**2 * width).other("softmax").product(2.0 * tokens**2 * width)
    tape.channels = width
    tape.conv(width)


def mobilevit_v2(tape: Tape) -> Tape:
    """MobileViTv2 1.0 (Mehta and Rastegari, arXiv 2206.02680): 4.9 M parameters, 1.8 GMAC, 256x256."""
    tape.conv(32, 3, 2)
    _mobilevit_residual(tape, 64, 1)
    _mobilevit_residual(tape, 128, 2)
    _mobilevit_residual(tape, 128, 1)
    for channels, inner, depth in ((256, 128, 2), (384, 192, 4), (512, 256, 3)):
        _mobilevit_residual(tape, channels, 2)
        tape.depthwise(3).conv(inner)
        for _ in range(depth):
            _separable_attention(tape)
        tape.other("layer_norm").conv(channels)
    return tape.mean().linear(1000)


def _mobilevit_residual(tape: Tape, channels: int, stride: int) -> None:
    tape.conv(2 * tape.channels).depthwise(3, stride).conv(channels)


def _separable_attention(tape: Tape) -> None:
    """A norm, one score, keys and values, their sum over tokens, a projection; a norm and two layers."""
    width = tape.channels
    tape.other("layer_norm").conv(1 + 2 * width)
    tape.channels = width
    tape.other("softmax").conv(width)
    tape.other("layer_norm").conv(2 * width).conv(width)


def efficientformer(tape: Tape, dims: Sequence[int], blocks: Sequence[int], vit: int) -> Tape:
    """EfficientFormer (Li et al., arXiv 2206.01191): pooling blocks, the last `vit` with attention.

    L1: 12.3 M parameters, 1.3 GMAC; L3: 31.3 M, 3.9 GMAC; L7: 82.1 M, 10.2 GMAC.
    """
    tape.conv(dims[0] // 2, 3, 2).conv(dims[0], 3, 2)
    for stage, (width, count) in enumerate(zip(dims, blocks, strict=True)):
        if stage:
            tape.conv(width, 3, 2)
        for block in range(count):
            if stage == 3 and block >= count - vit:
                _wide_attention(tape)
            else:
                tape.other("avg_pool")
            tape.conv(4 * width).conv(width)
    tape.other("layer_norm").mean()
    _beside(tape, 1000, 1)  # the second head of the distilled network
    return tape.linear(1000)


def _wide_attention(tape: Tape) -> None:
    """Eight heads with keys of 32 and values of 128 channels (four times the keys)."""
    width, tokens, heads, key, value = tape.channels, tape.height * tape.width, 8, 32, 128
    tape.other("layer_norm").conv(heads * (2 * key + value))
    tape.product(2.0 * tokens**2 * heads * key).other("softmax").product(2.0 * tokens**2 * heads * value)
    tape.channels = heads * value
    tape.conv(width).other("layer_norm")


NETWORKS: dict[str, Callable[[Tape], Tape]] = {
    "PiperSR": pipersr,
    "ResNet50": resnet50,
    "ResNet18": resnet18,
    "MobileNetV2": mobilenet_v2,
    "MobileViTv2-1.0": mobilevit_v2,
    **{f"MobileOne-S{n}": partial(mobileone, variant=n) for n in range(5)},
    "FastViT-T8": lambda tape: fastvit(tape, (48, 96, 192, 384), (2, 2, 4, 2), 3, False),
    "FastViT-MA36": lambda tape: fastvit(tape, (76, 152, 304, 608), (6, 6, 18, 6), 4, True),
    "EfficientFormer-L1": lambda tape: efficientformer(tape, (48, 96, 224, 448), (3, 2, 6, 4), 1),
    "EfficientFormer-L3": lambda tape: efficientformer(tape, (64, 128, 320, 512), (4, 4, 12, 6), 4),
    "EfficientFormer-L7": lambda tape: efficientformer(tape, (96, 192, 384, 768), (6, 6, 18, 8), 8),
}
