"""Convert a deploy network to an ML program with coremltools."""

import gc
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from pipersr_build import quiet
from pipersr_build.errors import InputError
from pipersr_build.export import passes
from pipersr_build.export.contracts import INPUT, NEXT, OUTPUT, PREVIOUS, Contract, ImageNetwork

TRACE_SIZE = 16  # networks of this field do not look at their input's size, so a small trace serves all


def trace(
    network: nn.Module, kind: str, size: tuple[int, int] = (TRACE_SIZE, TRACE_SIZE)
) -> torch.jit.ScriptModule:
    """Trace a network in evaluation mode for a contract of `kind`.

    The trace serves every size, unless the network has a true `fixed_size`: then it serves `size`, which is
    height, width, alone. A network with `state_channels` is traced as a function of frame and state.
    """
    wrapped = ImageNetwork(network) if kind == "image" else network
    example = tuple(torch.zeros(1, channels, *size) for channels in (3, *state_channels(network)))
    with torch.inference_mode(False), torch.no_grad(), quiet.conversion():
        return torch.jit.trace(wrapped.eval(), example, check_trace=False)  # type: ignore[no-any-return, no-untyped-call]


def convert(
    traced: torch.jit.ScriptModule,
    contract: Contract,
    *,
    deployment: str = "macOS13",
    tensor_dtype: type[np.generic] = np.float16,
    fold_in_converter: bool = False,
    rewrite: bool = True,
    state: Sequence[int] = (),
) -> Any:
    """Convert a traced network to a coremltools `MLModel` with fp16 arithmetic.

    Args:
        traced: from `trace`, of the contract's kind.
        contract: the size and kind of input and output.
        deployment: the oldest macOS to run on (its iOS counterpart is implied).
        tensor_dtype: of a video package's input and output; float32 adds two casts.
        fold_in_converter: leave coremltools' own batch-norm folding on. Off, the operation counts
            are of the network and not of a pass.
        rewrite: replace what the Neural Engine refuses or does badly by exact equivalents; see `passes`.
        state: the channels of the network's state; see `state_channels`. For video packages only.
    """
    ct = quiet.coremltools()
    pipeline = ct.PassPipeline.DEFAULT
    if not fold_in_converter:
        pipeline.remove_passes({"common::fuse_conv_batchnorm"})
    if rewrite:
        passes.add_to(pipeline)
    shape = (1, 3, contract.height, contract.width)
    if contract.kind == "image":
        inputs = [ct.ImageType(INPUT, shape=shape, color_layout=ct.colorlayout.RGB)]
        outputs = [ct.ImageType(OUTPUT, color_layout=ct.colorlayout.RGB)]
    else:
        inputs = [ct.TensorType(INPUT, shape=shape, dtype=tensor_dtype)]
        inputs += [ct.TensorType(PREVIOUS, shape=(1, n, *shape[2:]), dtype=tensor_dtype) for n in state]
        outputs = [ct.TensorType(name, dtype=tensor_dtype) for name in (OUTPUT, *[NEXT] * len(state))]
    with quiet.conversion(), _old_objects_set_aside(), _full_disk_explained():
        return ct.convert(
            traced,
            inputs=inputs,
            outputs=outputs,
            convert_to="mlprogram",
            minimum_deployment_target=getattr(ct.target, deployment),
            compute_precision=ct.precision.FLOAT16,
            pass_pipeline=pipeline,
            skip_model_load=True,  # loading compiles for the ANE: that is the placement check's business
        )


def state_channels(network: nn.Module) -> tuple[int, ...]:
    """How many channels the network's state has, for its one state; empty where it has none."""
    channels: int = getattr(network, "state_channels", 0)
    return (channels,) if channels else ()


@contextmanager
def _old_objects_set_aside() -> Iterator[None]:
    """Keep what is in memory out of the full garbage collection that coremltools asks for when it converts.

    It looks at every object of every loaded library, which took half of the time of a small conversion.
    """
    if gc.get_freeze_count():  # somebody has set them aside for good
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _full_disk_explained() -> Iterator[None]:
    """Weights go to the temporary folder first; coremltools' writer reports any failure alike."""
    try:
        yield
    except RuntimeError as error:
        if "FileWriter" not in str(error):
            raise
        raise InputError(
            "coremltools could not write the weights to the temporary folder",
            where=tempfile.gettempdir(),
            fix="free some space there, or set TMPDIR to another folder",
        ) from error
