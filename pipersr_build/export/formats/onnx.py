"""ONNX files of a deploy network: float32, 1, 3, H, W in [0, 1], one locked size or any.

The bytes depend on the weights, the contract and what is said about them alone: what the exporter notes of
its own (source lines, stack traces, inferred shapes) is taken out again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipersr_build import files, machine, models, quiet
from pipersr_build.errors import InputError
from pipersr_build.export.contracts import INPUT, NEXT, OUTPUT, PREVIOUS, Contract
from pipersr_build.export.convert import state_channels
from pipersr_build.export.formats import Written
from pipersr_build.export.metadata import COMMIT, LAYOUT, RANGE, TOOLKIT, About, contract_values
from pipersr_build.export.refusals import naming_the_operation
from pipersr_build.export.write import without_label
from pipersr_build.models.facts import Facts
from pipersr_build.progress import say
from pipersr_build.scales import ratio

OPSET = 18  # the oldest that PyTorch's exporter writes itself; TensorRT from 8.6 on reads it
ANY = "network_dynamic"
BATCH, HEIGHT, WIDTH = "batch", "height", "width"  # what the free extents are called
EXPORTER, MULTIPLE = "pipersr_build.exporter", "pipersr_build.size_multiple"
AUTHOR, LICENCE, VERSION = "author", "license", "version"
MAKERS = (TOOLKIT, COMMIT, EXPORTER)  # which tell files of the same weights apart, and nothing else
_TRACE = 16, 24  # height, width of the example that is exported, at least
_NOTES = ("doc_string", "metadata_props")


@dataclass(frozen=True)
class Writer:
    """What all ONNX files of an export share: the network's facts, and what is said about them."""

    facts: Facts
    stated: Mapping[str, str]
    about: About

    def write(self, network: nn.Module, wanted: Iterable[Contract], folder: Path) -> Iterator[Written]:
        """Write a file for every contract and one for any size, and yield each as soon as it is there.

        A network with a true `fixed_size` has none for any size: what it computes from its input's size is
        a constant of the graph.

        Raises:
            InputError: `folder` cannot be written to; or a state is asked for, and the network keeps none.
            ConversionError: an operation stands in the way.
        """
        for state in (False, True):
            chosen = [contract for contract in wanted if contract.state == state]
            if chosen:
                yield from self._form(models.recurrent(network) if state else network, chosen, folder)

    def _form(self, form: nn.Module, wanted: list[Contract], folder: Path) -> Iterator[Written]:
        state, free = bool(state_channels(form)), None
        if getattr(form, "fixed_size", False):
            say(f"{self.facts.title}: no ONNX file for any size, its graph depends on the size")
        else:
            free = self._convert(form, None)
        for contract in wanted:
            size = contract.height, contract.width
            own = free is None or any(node.op_type == "Shape" for node in free.graph.node)
            model = self._convert(form, size) if own else at_size(free, size, self.facts.scale)
            kept = {**contract_values(contract), **_TENSORS}
            said = f"{contract.kind} {contract.width}x{contract.height}"
            yield Written(self._save(model, folder / contract.name, said, kept), contract.kind, state)
        if free is not None:
            name = f"{ANY}_state" if state else ANY
            yield Written(self._save(free, folder / name, "any size", _TENSORS), "any size", state)

    def _convert(self, form: nn.Module, size: tuple[int, int] | None) -> Any:
        with naming_the_operation(self.facts.title):
            return convert(form, size, scale=self.facts.scale, multiple=self.facts.size_multiple)

    def _save(self, model: Any, stem: Path, said: str, values: Mapping[str, str]) -> Path:
        stated = {**values, **self.stated, **self.about.values, EXPORTER: _exporter()}
        if self.facts.size_multiple > 1:
            stated[MULTIPLE] = str(self.facts.size_multiple)
        stated |= {AUTHOR: self.about.author, LICENCE: self.about.licence, VERSION: self.about.version}
        copy = type(model).FromString(model.SerializeToString())
        copy.doc_string = f"{self.facts.title}, {said}"
        for key, value in sorted(stated.items()):
            copy.metadata_props.add(key=key, value=value)
        path = stem.with_name(f"{stem.name}.onnx")
        files.write_bytes(path, serialized(copy))
        return path


_TENSORS = {RANGE: "0 to 1, float32, not clipped", LAYOUT: "batch, 3, height, width"}


def convert(network: nn.Module, size: tuple[int, int] | None, *, scale: float = 2, multiple: int = 1) -> Any:
    """Convert a network in evaluation mode to an ONNX `ModelProto` without notes, stacks and inferred shapes.

    Args:
        network: B, 3, H, W in [0, 1] to B, 3, scale H, scale W; with `state_channels`, of frame and state.
        size: height, width, with a batch of 1; None leaves all three free.
        scale: how many times higher and wider the result is; names the result's extents where they are free.
        multiple: what height and width must be divisible by.
    """
    state = state_channels(network)
    example = tuple(
        torch.zeros(1 if size else 2, channels, *(size or _example(multiple))) for channels in (3, *state)
    )
    more: dict[str, Any] = {} if size else {"dynamic_shapes": _free(multiple, len(example))}
    with torch.inference_mode(False), torch.no_grad(), quiet.conversion():
        program = torch.onnx.export(
            network.eval(),
            example,
            input_names=[INPUT, *[PREVIOUS] * len(state)],
            output_names=[OUTPUT, *[NEXT] * len(state)],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
            **more,
        )
    assert program is not None
    return _declared(_cleaned(program.model_proto), size, scale)


def _example(multiple: int) -> tuple[int, int]:
    """A height and a width of at least two multiples: of one, the exporter would make a constant."""
    height, width = (multiple * max(2, -(-extent // multiple)) for extent in _TRACE)
    return height, width


def _free(multiple: int, inputs: int) -> tuple[dict[int, Any], ...]:
    """The free extents, as `torch.export` takes them, for each input."""
    dim = torch.export.Dim
    height, width = (multiple * dim(name) if multiple > 1 else dim(name) for name in (HEIGHT, WIDTH))
    return tuple({0: dim(BATCH), 2: height, 3: width} for _ in range(inputs))


def at_size(model: Any, size: tuple[int, int], scale: float) -> Any:
    """A copy of a model for any size that takes a batch of 1 and this height and width alone."""
    return _declared(type(model).FromString(model.SerializeToString()), size, scale)


def _declared(model: Any, size: tuple[int, int] | None, scale: float) -> Any:
    """Say of inputs and outputs which size they have, or name their free extents, in place."""
    hr, lr = ratio(scale)
    for value in (*model.graph.input, *model.graph.output):
        larger = value.name == OUTPUT
        if size is not None:
            extents: list[Any] = [1, *(extent * hr // lr if larger else extent for extent in size)]
        else:
            extents = [BATCH, *(f"{scale:g}*{name}" if larger else name for name in (HEIGHT, WIDTH))]
        dims = value.type.tensor_type.shape.dim
        for dim, extent in zip((dims[0], *dims[2:]), extents, strict=True):
            setattr(dim, "dim_param" if isinstance(extent, str) else "dim_value", extent)
    return model


def _cleaned(model: Any) -> Any:
    """Take out of a model what its exporter notes for those who debug it, in place."""
    _strip(model)
    del model.graph.value_info[:]
    model.graph.name = "pipersr_build"
    model.producer_name, model.producer_version = "pipersr-build", ""
    return model


def _strip(message: Any) -> None:
    for field, value in message.ListFields():
        if field.name in _NOTES:
            message.ClearField(field.name)
        elif field.message_type is not None:
            for one in value if field.is_repeated else [value]:
                _strip(one)


def serialized(model: Any) -> bytes:
    """The model's bytes, the same for equal models."""
    return bytes(model.SerializeToString(deterministic=True))


def _exporter() -> str:
    """Which programs converted the network."""
    return ", ".join(f"{name} {without_label(machine.version(name))}" for name in ("torch", "onnxscript"))


def without_makers(path: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    """Which programs made a file, by key, and its bytes without that, by its name.

    Raises:
        InputError: it is no ONNX file.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        model = ModelProto.FromString(path.read_bytes())
    except DecodeError as error:
        raise InputError("this is no ONNX file", where=path, fix="export it again") from error
    made = {one.key: one.value for one in model.metadata_props if one.key in MAKERS}
    kept = [one for one in model.metadata_props if one.key not in MAKERS]
    copies = [type(one).FromString(one.SerializeToString()) for one in kept]
    del model.metadata_props[:]
    model.metadata_props.extend(copies)
    return made, {path.name: serialized(model)}
