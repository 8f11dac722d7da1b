"""Real torch modules, converted by coremltools, read back from disk and run: as PyTorch runs them."""

import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from mil_packages import arrays, convert, run
from torch import nn

from pipersr_build import quiet
from pipersr_build.mil.interpreter import Interpreter
from pipersr_build.mil.package import open_package

IMAGE = (1, 8, 10, 12)


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


CONVOLUTIONS = {
    "conv": (nn.Conv2d(8, 6, 3, padding=1), IMAGE),
    "conv_no_bias": (nn.Conv2d(8, 6, 3, bias=False), IMAGE),
    "conv_stride": (nn.Conv2d(8, 6, 3, stride=(2, 3), padding=1), IMAGE),
    "conv_groups": (nn.Conv2d(8, 12, 3, groups=4, padding=1), IMAGE),
    "conv_depthwise": (nn.Conv2d(8, 8, 5, groups=8, padding=2), IMAGE),
    "conv_dilation": (nn.Conv2d(8, 6, 3, dilation=2, padding=2), IMAGE),
    "conv_pad_same": (nn.Conv2d(8, 6, (4, 3), padding="same"), IMAGE),
    "conv_pad_reflect": (nn.Conv2d(8, 6, 3, padding=1, padding_mode="reflect"), IMAGE),
    "conv_pad_replicate": (nn.Conv2d(8, 6, 3, padding=1, padding_mode="replicate"), IMAGE),
    "conv_1d": (nn.Conv1d(8, 6, 3, stride=2, padding=1), (2, 8, 15)),
    "conv_3d": (nn.Conv3d(4, 6, 3, padding=1), (1, 4, 5, 6, 7)),
    "conv_dynamic_weight": (Call(F.conv2d), IMAGE, (6, 8, 3, 3)),
    "conv_transpose": (nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1), IMAGE),
    "conv_transpose_output_padding": (nn.ConvTranspose2d(8, 6, 3, 2, padding=1, output_padding=1), IMAGE),
    "conv_transpose_groups": (nn.ConvTranspose2d(8, 6, 3, groups=2, bias=False), IMAGE),
    "conv_transpose_dilation": (nn.ConvTranspose2d(8, 6, 3, stride=2, dilation=2), IMAGE),
    "conv_transpose_1d": (nn.ConvTranspose1d(8, 6, 4, stride=2, padding=1), (1, 8, 9)),
}
ACTIVATIONS = {
    name: (Call(function), IMAGE)
    for name, function in {
        "relu": F.relu, "relu6": F.relu6, "leaky_relu": lambda x: F.leaky_relu(x, 0.1), "elu": F.elu,
        "silu": F.silu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "sigmoid": torch.sigmoid, "hardsigmoid": F.hardsigmoid, "hardswish": F.hardswish,
        "tanh": torch.tanh, "softplus": F.softplus, "softsign": F.softsign, "mish": F.mish,
        "softmax": lambda x: F.softmax(x, 1), "log_softmax": lambda x: F.log_softmax(x, 1),
        "hardtanh": lambda x: F.hardtanh(x, -0.5, 1.5), "threshold": lambda x: F.threshold(x, 0.3, 0.3),
        "erf": torch.erf, "exp": torch.exp, "sin": torch.sin, "abs": torch.abs, "round": torch.round,
        "floor": torch.floor, "ceil": torch.ceil, "sqrt": lambda x: torch.sqrt(x * x + 1),
        "rsqrt": lambda x: torch.rsqrt(x * x + 1), "log": lambda x: torch.log(x * x + 1),
        "clamp": lambda x: x.clamp(-0.7, 0.9), "square": torch.square, "sign": torch.sign,
    }.items()
} | {"prelu": (nn.PReLU(8, 0.3), IMAGE)}  # fmt: skip
RESIZES = {
    "pixel_shuffle": (nn.PixelShuffle(2), IMAGE),
    "pixel_unshuffle": (nn.PixelUnshuffle(2), IMAGE),
    "nearest": (nn.Upsample(scale_factor=2, mode="nearest"), IMAGE),
    "nearest_size": (nn.Upsample(size=(15, 18), mode="nearest"), IMAGE),
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE),
    "bilinear_aligned": (nn.Upsample(scale_factor=3, mode="bilinear", align_corners=True), IMAGE),
    "bilinear_down": (nn.Upsample(size=(5, 4), mode="bilinear"), IMAGE),
    "linear_1d": (nn.Upsample(scale_factor=2, mode="linear"), (1, 8, 9)),
    "grid_sample": (Call(lambda x, g: F.grid_sample(x, g, align_corners=False)), IMAGE, (1, 7, 9, 2)),
    "grid_sample_border": (
        Call(lambda x, g: F.grid_sample(x, g, padding_mode="border", align_corners=True)), IMAGE, (1, 7, 9, 2)
    ),
    "grid_sample_reflection": (
        Call(lambda x, g: F.grid_sample(x, g, padding_mode="reflection", align_corners=True)),
        IMAGE, (1, 7, 9, 2),
    ),
    "grid_sample_symmetric": (
        Call(lambda x, g: F.grid_sample(x, g, padding_mode="reflection", align_corners=False)),
        IMAGE, (1, 7, 9, 2),
    ),
    "grid_sample_nearest": (
        Call(lambda x, g: F.grid_sample(x, g, mode="nearest", align_corners=False)), IMAGE, (1, 7, 9, 2)
    ),
}  # fmt: skip
POOLS = {
    "max_pool": (nn.MaxPool2d(3, 2, 1), IMAGE),
    "max_pool_ceil": (nn.MaxPool2d(3, 2, ceil_mode=True), IMAGE),
    "avg_pool": (nn.AvgPool2d(3, 2, 1), IMAGE),
    "avg_pool_exclude": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), IMAGE),
    "avg_pool_ceil": (nn.AvgPool2d(3, 2, ceil_mode=True), IMAGE),
    "avg_pool_1d": (nn.AvgPool1d(2), (1, 8, 10)),
    "avg_pool_3d": (nn.AvgPool3d(2), (1, 4, 6, 6, 6)),
    "adaptive": (nn.AdaptiveAvgPool2d((5, 4)), IMAGE),
    "global": (nn.AdaptiveAvgPool2d(1), IMAGE),
}
NORMS = {
    "batch_norm": (nn.BatchNorm2d(8), IMAGE),
    "batch_norm_1d": (nn.BatchNorm1d(8), (2, 8, 9)),
    "instance_norm": (nn.InstanceNorm2d(8, affine=True), IMAGE),
    "layer_norm": (nn.LayerNorm([10, 12]), IMAGE),
    "group_norm": (nn.GroupNorm(2, 8), IMAGE),
    "normalize": (Call(lambda x: F.normalize(x, dim=1)), IMAGE),
}
JOINS = {
    "concat": (Call(lambda x, y: torch.cat([x, y], 1)), IMAGE, IMAGE),
    "stack": (Call(lambda x, y: torch.stack([x, y], 2)), IMAGE, IMAGE),
    "chunk": (Call(lambda x: torch.cat([x.chunk(4, 1)[2], x.chunk(2, 1)[0]], 1)), IMAGE),
    "split_sizes": (Call(lambda x: x.split([1, 5, 2], 1)[1]), IMAGE),
    "slice": (Call(lambda x: x[:, 2:-1, ::2, 1:11:3]), IMAGE),
    "index": (Call(lambda x: x[:, 3]), IMAGE),
    "flip": (Call(lambda x: x.flip(2, 3)), IMAGE),
    "roll": (Call(lambda x: torch.roll(x, (2, -1), (2, 3))), IMAGE),
    "repeat": (Call(lambda x: x.repeat(1, 2, 1, 3)), IMAGE),
    "permute": (Call(lambda x: x.permute(0, 2, 3, 1).contiguous()), IMAGE),
    "reshape": (Call(lambda x: x.reshape(1, 4, 2, -1).transpose(1, 2).flatten(1)), IMAGE),
    "squeeze": (Call(lambda x: x.squeeze(0).unsqueeze(2)), IMAGE),
    "pad_constant": (Call(lambda x: F.pad(x, (1, 2, 3, 0), value=0.5)), IMAGE),
    "pad_reflect": (Call(lambda x: F.pad(x, (1, 2, 3, 4), "reflect")), IMAGE),
    "pad_replicate": (Call(lambda x: F.pad(x, (1, 2, 3, 4), "replicate")), IMAGE),
    "unfold_windows": (Call(lambda x: F.unfold(x, 3, padding=1)), IMAGE),
    "index_select": (Call(lambda x: x.index_select(2, torch.tensor([3, 0, 7]))), IMAGE),
    "tril": (Call(torch.tril), (6, 6)),
    "where": (Call(lambda x, y: torch.where(x > y, x, -y)), IMAGE, IMAGE),
    "compare": (Call(lambda x, y: torch.logical_or((x >= y) & (x != 0), ~(x < -y)).float()), IMAGE, IMAGE),
    "cast_int": (Call(lambda x: (x * 3).int() + 1), IMAGE),
}
SUMS = {
    "sum": (Call(lambda x: x.sum((2, 3), keepdim=True)), IMAGE),
    "mean": (Call(lambda x: x.mean(1)), IMAGE),
    "amax": (Call(lambda x: x.amax((1, 2))), IMAGE),
    "amin": (Call(lambda x: x.amin(3, keepdim=True)), IMAGE),
    "norm": (Call(lambda x: torch.linalg.vector_norm(x, dim=1)), IMAGE),
    "logsumexp": (Call(lambda x: torch.logsumexp(x, 1)), IMAGE),
    "var": (Call(lambda x: x.var(1, unbiased=False)), IMAGE),
    "argmax": (Call(lambda x: x.argmax(1).int()), IMAGE),
    "topk": (Call(lambda x: x.topk(3, 1)[0]), IMAGE),
    "argsort": (Call(lambda x: x.argsort(3, descending=True).int()), IMAGE),
    "cumsum": (Call(lambda x: x.cumsum(2)), IMAGE),
    "linear": (nn.Linear(12, 5), IMAGE),
    "linear_no_bias": (nn.Linear(12, 5, bias=False), (3, 12)),
    "matmul": (Call(torch.matmul), (2, 3, 4, 5), (5, 6)),
    "bmm": (Call(torch.bmm), (2, 4, 5), (2, 5, 6)),
    "einsum": (Call(lambda x, y: torch.einsum("nchw,nwhu->nchu", x, y)), (1, 3, 4, 5), (1, 5, 4, 2)),
    "attention": (Call(F.scaled_dot_product_attention), (1, 2, 6, 8), (1, 2, 6, 8), (1, 2, 6, 8)),
    "arithmetic": (
        Call(lambda x, y: (x - y) * x / (y.abs() + 1) + x**2 - torch.remainder(x, 0.7)),
        IMAGE,
        IMAGE,
    ),
    "min_max": (Call(lambda x, y: torch.maximum(x, y) - torch.minimum(x, -y)), IMAGE, IMAGE),
    "floor_div": (Call(lambda x: torch.div(x, 0.3, rounding_mode="floor")), IMAGE),
}
FAMILIES = {
    "convolutions": CONVOLUTIONS, "activations": ACTIVATIONS, "resizes": RESIZES, "pools": POOLS,
    "norms": NORMS, "joins": JOINS, "sums": SUMS,
}  # fmt: skip


class Family(nn.Module):
    """Several modules side by side, each on its own inputs: one conversion for all of them."""

    def __init__(self, members):
        super().__init__()
        self.members = nn.ModuleList(module for module, *_ in members.values())
        self.counts = [len(shapes) for _, *shapes in members.values()]

    def forward(self, *inputs):
        starts = [sum(self.counts[:i]) for i in range(len(self.counts))]
        each = zip(self.members, starts, self.counts, strict=True)
        return tuple(member(*inputs[start : start + count]) for member, start, count in each)


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """family -> what the interpreter and PyTorch make of each member, by its name."""

    @functools.cache
    def both(family):
        torch.manual_seed(0)
        members = FAMILIES[family]
        inputs = [array for _, *shapes in members.values() for array in arrays(*shapes)]
        examples = [torch.from_numpy(array) for array in inputs]
        module = Family(members)
        package = convert(module, *examples, folder=tmp_path_factory.mktemp(family), target="iOS18")
        with torch.no_grad():
            expected = [value.numpy() for value in module(*examples)]
        return dict(zip(members, zip(run(package, *inputs), expected, strict=True), strict=True))

    return both


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


CASES = [(family, name) for family, members in FAMILIES.items() for name in members]


@pytest.mark.parametrize(("family", "name"), CASES)
def test_a_float32_program_is_what_pytorch_computes(family, name, computed):
    result, expected = computed(family)[name]
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=2e-5)


ROUNDED = [CONVOLUTIONS["conv"], NORMS["batch_norm"], ACTIVATIONS["silu"], RESIZES["bilinear"],
           NORMS["layer_norm"], ACTIVATIONS["softmax"]]  # fmt: skip


@pytest.mark.parametrize("case", ROUNDED, ids=lambda case: type(case[0]).__name__)
def test_a_float16_program_is_pytorch_rounded(case, tmp_path):
    module, *shapes = case
    inputs = arrays(*shapes)
    examples = [torch.from_numpy(array) for array in inputs]
    (result,) = run(convert(module, *examples, folder=tmp_path, precision="fp16"), *inputs)
    with torch.no_grad():
        expected = module(*examples).numpy()
    np.testing.assert_allclose(result, expected, rtol=2e-3, atol=4e-3)
    assert np.any(result != expected)


class Chain(nn.Module):
    """What a super-resolution network does, in small."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.Conv2d(8, 8, 3, padding=1)
        self.tail = nn.Conv2d(8, 12, 3, padding=1)

    def forward(self, x):
        head = self.head(x)
        return F.pixel_shuffle(self.tail(F.silu(self.body(head)) + head), 2)


def rounded(x):
    return x.half().float()


def float16_chain(chain, x):
    """`Chain` with every result rounded to fp16, written out."""

    def conv(layer, x):
        return rounded(F.conv2d(x, rounded(layer.weight), rounded(layer.bias), padding=1))

    head = conv(chain.head, rounded(x))
    total = rounded(rounded(F.silu(conv(chain.body, head))) + head)
    return F.pixel_shuffle(conv(chain.tail, total), 2)


def test_float16_semantics_round_after_every_operation_and_nowhere_else(tmp_path):
    chain, (array,) = Chain(), arrays((1, 3, 9, 11), low=0, high=1)
    package = convert(chain, torch.from_numpy(array), folder=tmp_path, precision="fp16")
    with torch.no_grad():
        expected = float16_chain(chain, torch.from_numpy(array)).numpy()
    (result,) = run(package, array)
    # the order of a sum may differ by the memory layout, which moves single results to a neighbour
    assert np.mean(result != expected) < 0.01
    np.testing.assert_allclose(result, expected, rtol=2**-10, atol=2**-13)


def test_float32_semantics_keep_activations_unrounded(tmp_path):
    chain, (array,) = Chain(), arrays((1, 3, 9, 11), low=0, high=1)
    example = torch.from_numpy(array)
    package = convert(chain, example, folder=tmp_path, precision="fp16")
    for parameter in chain.parameters():
        parameter.data = rounded(parameter.data)
    with torch.no_grad():
        expected = chain(example).numpy()
    (result,) = run(package, array, semantics="fp32")
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", ["iOS15", "iOS16", "iOS17", "iOS18"])
def test_every_operation_set_is_read(target, tmp_path):
    chain, (array,) = Chain(), arrays((1, 3, 6, 5), low=0, high=1)
    example = torch.from_numpy(array)
    (result,) = run(convert(chain, example, folder=tmp_path, target=target), array)
    with torch.no_grad():
        np.testing.assert_allclose(result, chain(example).numpy(), rtol=1e-5, atol=1e-6)


def test_a_flexible_size_is_taken_at_run_time(tmp_path):
    ct = quiet.coremltools()
    chain, (array, other) = Chain(), arrays((1, 3, 6, 5), (1, 3, 7, 12), low=0, high=1)
    shape = ct.Shape((1, 3, ct.RangeDim(4, 20, 6), ct.RangeDim(4, 20, 5)))
    package = convert(chain, torch.from_numpy(array), folder=tmp_path, inputs=[ct.TensorType("x", shape)])
    for image in (array, other):
        (result,) = run(package, image)
        with torch.no_grad():
            expected = chain(torch.from_numpy(image)).numpy()
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def test_each_function_of_a_package_runs_with_its_own_size_and_the_shared_weights(tmp_path):
    ct = quiet.coremltools()
    chain, (small, large) = Chain(), arrays((1, 3, 6, 5), (1, 3, 9, 8), low=0, high=1)
    functions = ct.utils.MultiFunctionDescriptor()
    for name, array in (("small", small), ("large", large)):
        package = convert(chain, torch.from_numpy(array), folder=tmp_path / name, target="iOS18")
        functions.add_function(str(package.path), "main", name)
    functions.default_function_name = "large"
    with quiet.conversion():
        ct.utils.save_multifunction(functions, str(tmp_path / "both.mlpackage"))
    both = open_package(tmp_path / "both.mlpackage")
    for name, array in (("small", small), (None, large)):
        (result,) = Interpreter(both, function=name).run({"x0": array}).values()
        with torch.no_grad():
            np.testing.assert_allclose(result, chain(torch.from_numpy(array)), rtol=1e-5, atol=1e-6)
