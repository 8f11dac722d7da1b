"""What a smaller package must compute: the network in PyTorch, rounded as the package declares.

The rounded kernels are worked out here from the network's own, and not read from the package: that a package
decompresses to what it holds would be true of a wrong kernel, axis or table too. Whole steps are computed in
NumPy; tables come from the same `palette` that the package was made with, so that their place, order and
packing are checked here, and that they are the best ones by a test. The steps of rounded activations are the
one thing that is read from the package: they are measurements, which nothing else determines. What all of it
costs is another question; see `commands.checks`.
"""

import copy
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from pipersr_build.export.compression.methods import Method
from pipersr_build.export.compression.weights import GROUP, SMALLEST, palette
from pipersr_build.mil.graph import Constant, Operation, TensorType
from pipersr_build.mil.package import Package
from pipersr_build.models import quantized
from pipersr_build.models.quantized import HIGH, LARGEST_WEIGHT, LOW

GROUPED_SPECIFICATION = 9  # of Core ML: iOS 18, macOS 15
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_KERNELS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED, nn.Linear)


def declared(network: nn.Module, package: Package, method: Method) -> nn.Module | None:
    """The network with its kernels, and where the package says so its activations, rounded.

    Args:
        network: as it was deployed, in float32 and without rounding.
        package: made of it.
        method: by which it was made smaller.

    Returns:
        a copy; None where the package's kernels are not the network's one by one, because a graph pass has
        split or merged some: then nothing can be said of their rounding.
    """
    made = copy.deepcopy(network).eval()
    if method.activations:
        ranges = _ranges(made, package)
        if ranges is None:
            return None
        made = quantized.with_ranges(made, ranges)
    rounded = list(_compressed(made, package, method))
    if Counter(tuple(_kernel(module).shape) for module in rounded) != _shapes(package):
        return None
    for module in rounded:
        module.weight = nn.Parameter(_rounded(module, method, _grouped(package)), requires_grad=False)
        if isinstance(module, quantized.QuantizedConv2d):
            module.weight_rounded = False  # it is
    return made


def _compressed(network: nn.Module, package: Package, method: Method) -> Iterator[nn.Module]:
    """The modules whose kernels the method rounds; see `weights.compress_weights`."""
    for module in network.modules():
        if not isinstance(module, _KERNELS):
            continue
        if method.activations:
            if isinstance(module, quantized.QuantizedConv2d) or not isinstance(module, nn.Conv2d):
                yield module
        elif _kernel(module).numel() > SMALLEST and (
            not method.palette or not _grouped(package) or _outputs_first(module).shape[0] % GROUP == 0
        ):
            yield module


def _shapes(package: Package) -> Counter[tuple[int, ...]]:
    """The shapes of the kernels that the package holds in fewer bits."""
    kernels = (op for op in package.main.walk() if op.type.startswith("constexpr_"))
    return Counter(op.outputs[0].type.extents for op in kernels)


def _grouped(package: Package) -> bool:
    return int(package.spec.specificationVersion) >= GROUPED_SPECIFICATION


@torch.no_grad()
def _rounded(module: nn.Module, method: Method, grouped: bool) -> Tensor:
    """A module's kernel as the package holds it: first in fp16, then in fewer bits."""
    kernel = _outputs_first(module).half().numpy()
    if method.palette:
        parts = np.split(kernel, range(GROUP, len(kernel), GROUP)) if grouped else [kernel]
        values = np.concatenate([_of_a_table(part, method.bits) for part in parts])
    else:
        values = _whole_steps(kernel)
    found = torch.from_numpy(values.astype(np.float32))
    return (found.transpose(0, 1) if isinstance(module, _TRANSPOSED) else found).contiguous()


def _outputs_first(module: nn.Module) -> Tensor:
    """A kernel with its output channels along the first axis."""
    kernel = _kernel(module)
    return kernel.transpose(0, 1) if isinstance(module, _TRANSPOSED) else kernel


def _kernel(module: nn.Module) -> Tensor:
    kernel: Tensor = module.get_parameter("weight").detach()
    return kernel


def _of_a_table(kernel: np.ndarray, bits: int) -> np.ndarray:
    table, indices = palette(kernel.tobytes(), kernel.dtype.name, bits)
    values: np.ndarray = table[indices].reshape(kernel.shape)
    return values


def _whole_steps(kernel: np.ndarray) -> np.ndarray:
    """A kernel (fp16) in whole steps from -127 to 127, one step for each entry of the first axis.

    All in fp16, the quotient too: so does coremltools, and a few weights of a hundred lie on another step
    than they would by exact division.
    """
    rows = kernel.reshape(len(kernel), -1)
    step = np.abs(rows).max(1, keepdims=True) / np.float16(LARGEST_WEIGHT)
    with np.errstate(invalid="ignore", divide="ignore"):  # a channel of zeros
        whole = np.nan_to_num(np.round(rows / step)).clip(-LARGEST_WEIGHT, LARGEST_WEIGHT)
    values: np.ndarray = (whole.astype(np.float32) * step.astype(np.float32)).astype(np.float16)
    return values.reshape(kernel.shape)


def _ranges(network: nn.Module, package: Package) -> dict[str, Tensor] | None:
    """The range of every convolution's input that the package rounds, by the convolution's name.

    Its convolutions are taken in the order of the program, the network's in the order in which they run. A
    package may have more: fixed ones that are no module of the network, such as an anchor that repeats.
    None where it has none of the sizes of the network's next one.
    """
    producers, types = {op.name: op for op in package.main.walk()}, package.main.types()
    left = (op for op in package.main.walk() if op.type == "conv")
    found = {}
    for name in _order(network, package):
        kernel = tuple(_kernel(network.get_submodule(name)).shape)
        convolution = next((op for op in left if _kernel_shape(op, types) == kernel), None)
        if convolution is None:
            return None
        before = producers.get(str(convolution.argument("x")))
        if before is not None and before.type == "dequantize":
            found[name] = _range(before, producers)
    return found


def _kernel_shape(convolution: Operation, types: Mapping[str, TensorType]) -> tuple[int, ...]:
    kernel = convolution.argument("weight")
    return (kernel.type if isinstance(kernel, Constant) else types[str(kernel)]).extents


def _range(dequantize: Operation, producers: dict[str, Operation]) -> Tensor:
    """The lowest and the highest value that the steps of a `dequantize` operation stand for."""
    steps = producers[str(dequantize.argument("input"))].outputs[0].type.dtype
    step, zero = dequantize.constant("scale"), dequantize.constant("zero_point")
    assert step is not None
    nought = int(zero.scalar()) if zero is not None else 0
    nought += LOW if steps == "uint8" else 0  # 0 to 255 there, -128 to 127 here
    return torch.tensor([LOW - nought, HIGH - nought], dtype=torch.float32) * float(step.scalar())


@torch.no_grad()
def _order(network: nn.Module, package: Package) -> list[str]:
    """The names of the network's two-dimensional convolutions in the order in which they run."""
    names: list[str] = []
    hooks = [
        module.register_forward_pre_hook(lambda *_, name=name: names.append(name))
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    shape = package.interface.inputs[0].shape
    height, width = shape[:2] if package.interface.inputs[0].kind == "image" else shape[2:]
    size = (height, width) if getattr(network, "fixed_size", False) else (16, 16)
    try:
        network(torch.zeros(1, 3, *(int(length or 16) for length in size)))
    finally:
        for hook in hooks:
            hook.remove()
    return names
