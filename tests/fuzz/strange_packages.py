"""Packages of every kind that coremltools 9 can make, small: what tests and the fuzzer start from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipersr_build import quiet
from pipersr_build.mil.package import read_spec

MODEL = "Data/com.apple.CoreML/model.mlmodel"
RNG = np.random.default_rng(0)


def half(*shape: int) -> np.ndarray:
    return (0.1 * RNG.standard_normal(shape)).astype(np.float16)


def build(function: Callable[..., Any], *inputs: Any, target: str = "iOS18", **options: Any) -> Any:
    """A model of coremltools' builder, kept as it is; `function`'s parameters name its inputs."""
    ct = quiet.coremltools()
    from coremltools.converters.mil.mil import Builder as mb  # noqa: N813

    opset = getattr(ct.target, target)
    with quiet.conversion():
        program = mb.program(input_specs=list(inputs), opset_version=opset)(function)
        return ct.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=opset,
            compute_precision=ct.precision.FLOAT32,  # nothing is cast: the program says what it wants
            pass_pipeline=ct.PassPipeline.EMPTY,
            skip_model_load=True,
            **options,
        )


def tensor(*shape: Any, dtype: str = "fp16") -> Any:
    from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
    from coremltools.converters.mil.mil import types

    return mb.TensorSpec(shape, getattr(types, dtype))


def mb() -> Any:
    from coremltools.converters.mil.mil import Builder

    return Builder


def convolutions(target: str = "iOS16", channels: int = 32) -> Any:
    def body(x: Any) -> Any:
        for _ in range(3):
            weight = half(channels, int(x.shape[1]), 3, 3)
            x = mb().relu(x=mb().conv(x=x, weight=weight, pad_type="same", bias=half(channels)))
        return mb().pixel_shuffle(x=x, upscale_factor=2)

    return build(body, tensor(1, 3, 32, 32), target=target)


def compressed(kind: str) -> Any:
    ct = quiet.coremltools()
    cto = ct.optimize.coreml
    configs = {
        "palettised": (
            cto.palettize_weights,
            cto.OpPalettizerConfig(nbits=4, mode="uniform", weight_threshold=10),
        ),
        "quantised": (cto.linear_quantize_weights, cto.OpLinearQuantizerConfig(weight_threshold=10)),
        "blocks": (
            cto.linear_quantize_weights,
            cto.OpLinearQuantizerConfig(
                dtype="int4", granularity="per_block", block_size=8, weight_threshold=10
            ),
        ),
        "sparse": (cto.prune_weights, cto.OpMagnitudePrunerConfig(target_sparsity=0.7, weight_threshold=10)),
    }  # fmt: skip
    compress, config = configs[kind]
    with quiet.conversion():
        return compress(convolutions("iOS18"), cto.OptimizationConfig(global_config=config))


def transformer(layers: int = 24, width: int = 64, length: int = 16) -> Any:
    """A decoder's layers: about 21 operations each."""

    def linear(x: Any, outputs: int) -> Any:
        return mb().linear(x=x, weight=half(outputs, int(x.shape[-1])), bias=half(outputs))

    def heads(x: Any) -> Any:
        return mb().transpose(x=mb().reshape(x=x, shape=[1, length, 4, width // 4]), perm=[0, 2, 1, 3])

    def layer(x: Any) -> Any:
        y = mb().layer_norm(x=x, axes=[-1], gamma=half(width), beta=half(width), epsilon=np.float16(1e-5))
        query, key, value = (heads(linear(y, width)) for _ in range(3))
        scores = mb().matmul(x=mb().mul(x=query, y=np.float16(0.25)), y=key, transpose_y=True)
        y = mb().matmul(x=mb().softmax(x=scores, axis=-1), y=value)
        y = mb().reshape(x=mb().transpose(x=y, perm=[0, 2, 1, 3]), shape=[1, length, width])
        x = mb().add(x=x, y=linear(y, width))
        y = mb().layer_norm(x=x, axes=[-1], gamma=half(width), beta=half(width), epsilon=np.float16(1e-5))
        return mb().add(x=x, y=linear(mb().gelu(x=linear(y, 2 * width)), width))

    def body(x: Any) -> Any:
        for _ in range(layers):
            x = layer(x)
        return x

    return build(body, tensor(1, length, width))


def control_flow() -> Any:
    """A loop with a branch inside it."""

    def body(x: Any) -> Any:
        def inside(y: Any, i: Any) -> Any:
            flag = mb().equal(x=mb().mod(x=i, y=np.int32(2)), y=np.int32(0))
            z = mb().cond(pred=flag, _true_fn=lambda: mb().relu(x=y), _false_fn=lambda: mb().tanh(x=y))
            return z, mb().add(x=i, y=np.int32(1))

        start = mb().const(val=np.int32(0))
        looped = mb().while_loop(
            _cond=lambda y, i: mb().less(x=i, y=np.int32(4)),  # noqa: ARG005
            _body=inside,
            loop_vars=(x, start),
        )
        return looped[0]

    return build(body, tensor(1, 8, 4, 4, dtype="fp32"))


def lists() -> Any:
    def body(x: Any) -> Any:
        empty = mb().make_list(init_length=4, elem_shape=(2, 3), dtype="fp32")
        written = mb().list_write(ls=empty, index=np.int32(0), value=x)
        return mb().list_read(ls=written, index=np.int32(0))

    return build(body, tensor(2, 3, dtype="fp32"), target="iOS15")


def stateful() -> Any:
    from coremltools.converters.mil.mil import types

    def body(x: Any, memory: Any) -> Any:
        total = mb().add(x=mb().read_state(input=memory), y=x)
        return mb().coreml_update_state(state=memory, value=total)

    return build(body, tensor(1, 8), mb().StateTensorSpec((1, 8), types.fp16))


def flexible(enumerated: bool) -> Any:
    ct = quiet.coremltools()
    import torch

    sizes = [(1, 3, 16, 16), (1, 3, 32, 32)]
    height = ct.RangeDim(16, 64, default=16)
    shape = ct.EnumeratedShapes(sizes, default=sizes[0]) if enumerated else ct.Shape((1, 3, height, height))
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU())
    return traced(network, torch.zeros(sizes[0]), inputs=[ct.TensorType("x", shape)])


def traced(network: Any, example: Any, target: str = "iOS17", **options: Any) -> Any:
    ct = quiet.coremltools()
    import torch

    with quiet.conversion(), torch.no_grad():
        return ct.convert(
            torch.jit.trace(network.eval(), example),
            convert_to="mlprogram",
            minimum_deployment_target=getattr(ct.target, target),
            skip_model_load=True,
            **options,
        )


def classifier() -> Any:
    ct = quiet.coremltools()
    import torch

    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3), torch.nn.Softmax(dim=1))
    return traced(
        network,
        torch.zeros(1, 12),
        inputs=[ct.TensorType("x", (1, 12))],
        classifier_config=ct.ClassifierConfig(["cat", "dog", "bird"]),
    )


def pipeline() -> Any:
    """Two programs, the second takes what the first gives."""
    ct = quiet.coremltools()
    import torch

    def stage(taken: str, given: str) -> Any:
        network, example = torch.nn.Conv2d(3, 3, 3, padding=1), torch.zeros(1, 3, 16, 16)
        types = {"inputs": [ct.TensorType(taken, example.shape)], "outputs": [ct.TensorType(given)]}
        return traced(network, example, target="iOS16", **types)

    with quiet.conversion():
        return ct.utils.make_pipeline(stage("x", "middle"), stage("middle", "y"))


def neural_network() -> Any:
    ct = quiet.coremltools()
    from coremltools.models import datatypes
    from coremltools.models.neural_network import NeuralNetworkBuilder

    builder = NeuralNetworkBuilder(
        [("x", datatypes.Array(3, 8, 8))], [("y", None)], disable_rank5_shape_mapping=True
    )
    builder.add_activation("first", "RELU", "x", "middle")
    builder.add_activation("second", "TANH", "middle", "y")
    return ct.models.MLModel(builder.spec, skip_model_load=True)


def linear_regressor() -> Any:
    """A model that is neither a network nor a program."""
    ct = quiet.coremltools()
    spec = ct.proto.Model_pb2.Model()
    spec.specificationVersion = 1
    spec.glmRegressor.weights.add().value.append(1.0)
    spec.glmRegressor.offset.append(0.0)
    taken = spec.description.input.add(name="x")
    taken.type.multiArrayType.shape.append(1)
    taken.type.multiArrayType.dataType = 65600
    spec.description.output.add(name="y").type.doubleType.SetInParent()
    return ct.models.MLModel(spec, skip_model_load=True)


def identity() -> Any:
    return build(lambda x: mb().identity(x=x), tensor(1, 4), target="iOS16")


MAKERS: dict[str, Callable[[], Any]] = {
    "convolutions": convolutions,
    "palettised": lambda: compressed("palettised"),
    "quantised": lambda: compressed("quantised"),
    "blocks": lambda: compressed("blocks"),
    "sparse": lambda: compressed("sparse"),
    "transformer": transformer,
    "control_flow": control_flow,
    "lists": lists,
    "stateful": stateful,
    "enumerated": lambda: flexible(True),
    "range": lambda: flexible(False),
    "classifier": classifier,
    "pipeline": pipeline,
    "neural_network": neural_network,
    "linear_regressor": linear_regressor,
    "identity": identity,
}


def write(name: str, folder: Path) -> Path:
    """Package `name`, one of `NAMES`, made in `folder`."""
    quiet.coremltools()  # before any other import of it
    if name in WRITERS:
        return WRITERS[name](folder)
    return save(MAKERS[name](), folder / f"{name}.mlpackage")


def save(model: Any, path: Path) -> Path:
    with quiet.conversion():
        model.save(str(path))
    return path


def no_functions(folder: Path) -> Path:
    """An ML program without a function, which coremltools does not save by itself."""
    path = save(identity(), folder / "no_functions.mlpackage")
    model = path / MODEL
    spec = read_spec(model)
    spec.mlProgram.functions.clear()
    model.write_bytes(spec.SerializeToString())
    return path


def multifunction(folder: Path) -> Path:
    """Two functions of different sizes that share their weights."""
    ct = quiet.coremltools()
    path, parts = folder / "multifunction.mlpackage", ct.utils.MultiFunctionDescriptor()
    weight = half(8, 3, 3, 3)
    for size in (16, 32):
        part = build(lambda x: mb().conv(x=x, weight=weight, pad_type="same"), tensor(1, 3, size, size))
        parts.add_function(str(save(part, folder / f"part_{size}.mlpackage")), "main", f"size_{size}")
    parts.default_function_name = "size_16"
    with quiet.conversion():
        ct.utils.save_multifunction(parts, str(path))
    return path


WRITERS: dict[str, Callable[[Path], Path]] = {"multifunction": multifunction, "no_functions": no_functions}
NAMES = (*MAKERS, *WRITERS)
