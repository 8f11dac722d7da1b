"""Core AI models (`.aimodel`, macOS and iOS 27) of a deploy network: Float16, 1, 3, H, W in [0, 1].

They are converted with Apple's `coreai-torch`, which has other rules than Core ML's converter. `silu` would
become an operation in float32 that the Neural Engine refuses, so it is written as x * sigmoid(x).
"""

import contextlib
import copy
import io
import json
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipersr_build import files, models, quiet
from pipersr_build.export.contracts import INPUT, NEXT, OUTPUT, PREVIOUS, Contract
from pipersr_build.export.convert import state_channels
from pipersr_build.export.formats import Written
from pipersr_build.export.metadata import LAYOUT, RANGE, About, contract_values
from pipersr_build.export.refusals import naming_the_operation
from pipersr_build.models.facts import Facts

FUNCTION = "main"
SMALL = 16, 24  # height, width at least of the twin that the CPU runs here
METADATA, CUSTOM = "metadata.json", "creatorDefinedMetadata"  # a file of an asset, and a key in it
_TENSORS = {RANGE: "0 to 1, Float16, not clipped", LAYOUT: "1, 3, height, width"}
_VALIDATED = r"coreai-torch has only been validated with torch"  # 2.13.0+cpu is 2.13.0 to all but it


@dataclass(frozen=True)
class Writer:
    """What all Core AI models of an export share: the network's facts, and what is said about them."""

    facts: Facts
    stated: Mapping[str, str]
    about: About

    def write(
        self, network: nn.Module, wanted: Iterable[Contract], folder: Path, twins: Path | None = None
    ) -> Iterator[Written]:
        """Write a model for every contract and yield each as soon as it is there.

        Args:
            network: the deploy network.
            wanted: what to make.
            folder: where.
            twins: where the same program for a small frame is written too, once for each form.

        Raises:
            InputError: `folder` cannot be written to; or a state is asked for, and the network keeps none.
            ConversionError: an operation stands in the way.
        """
        made: dict[bool, Path] = {}
        for contract in wanted:
            form = models.recurrent(network) if contract.state else network
            if twins is not None and contract.state not in made:
                path = twins / f"twin{'_state' * contract.state}.aimodel"
                made[contract.state] = self._save(form, small_size(self.facts.size_multiple), path, "", {})
            said = f"{self.facts.title}, {contract.kind} {contract.width}x{contract.height}"
            size, values = (contract.height, contract.width), {**contract_values(contract), **_TENSORS}
            path = self._save(form, size, folder / f"{contract.name}.aimodel", said, values)
            alike = not getattr(form, "fixed_size", False)
            yield Written(path, contract.kind, contract.state, made.get(contract.state), alike)

    def _save(
        self, form: nn.Module, size: tuple[int, int], path: Path, said: str, values: Mapping[str, str]
    ) -> Path:
        with naming_the_operation(self.facts.title):
            program = convert(form, size)
        custom = {**values, **self.stated, **self.about.values, "version": self.about.version}
        stated = {"author": self.about.author, "license": self.about.licence, "description": said}
        save(program, path, stated, custom)
        return path


def small_size(multiple: int) -> tuple[int, int]:
    """The height and width of the twin: the smallest that the network takes and that is large enough."""
    height, width = (multiple * -(-extent // multiple) for extent in SMALL)
    return height, width


def library() -> Any:
    """Import coreai-torch without its warning that 2.13.0+cpu is newer than torch 2.13.0."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_VALIDATED, category=UserWarning)
        import coreai_torch
    return coreai_torch


def convert(network: nn.Module, size: tuple[int, int]) -> Any:
    """Convert a network to a Core AI program of one function, `main`, in Float16.

    Args:
        network: 1, 3, H, W in [0, 1] to 1, 3, scale H, scale W; with `state_channels`, of frame and state.
        size: height, width.
    """
    ai = library()
    state = state_channels(network)
    with quiet.conversion(), contextlib.redirect_stdout(io.StringIO()):
        converter = ai.TorchConverter(mode=ai.TorchConverter.Mode.RELEASE)  # DEBUG would keep stack traces
        converter.add_exported_program(
            exported(copy.deepcopy(network).half(), size),
            input_names=[INPUT, *[PREVIOUS] * len(state)],
            output_names=[OUTPUT, *[NEXT] * len(state)],
        )
        return converter.to_coreai()


def exported(network: nn.Module, size: tuple[int, int]) -> Any:
    """The network as the converter gets it: a `torch.export.ExportedProgram` without silu.

    In the network's own floating-point type; proved equal to it in the tests.
    """
    dtype = next(network.parameters()).dtype
    channels = (3, *state_channels(network))
    table = library().get_decomp_table()
    table[torch.ops.aten.silu.default] = _silu
    table[torch.ops.aten.var.correction] = _var
    with torch.inference_mode(False), torch.no_grad(), quiet.conversion():
        example = tuple(torch.zeros(1, n, *size, dtype=dtype) for n in channels)
        return torch.export.export(network.eval(), example).run_decompositions(table)


def _silu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def _var(x: Tensor, dim: list[int], *, correction: float = 1, keepdim: bool = False) -> Tensor:
    """The variance over some axes, as means: coreai-torch has none."""
    count = math.prod(x.shape[axis] for axis in dim)
    mean = (x - x.mean(dim, keepdim=True)).square().mean(dim, keepdim=keepdim)
    return mean if correction == 0 else mean * (count / (count - correction))


def save(program: Any, path: Path, stated: Mapping[str, str], custom: Mapping[str, str]) -> None:
    """Write a program as an asset, without a date.

    The bytes of the program itself differ from one process to the next: coreai draws the names of some of its
    parts anew. Its content is the same; see `validation.coreai_file.CoreAIFile.program`.

    Args:
        program: from `convert`.
        path: of the asset, a folder ending in `.aimodel`.
        stated: Core AI's own keys: author, license, description.
        custom: keys of ours.

    Raises:
        InputError: the folder cannot be written to or the disk is full.
    """
    with files.write_errors(path):
        try:
            program.save_asset(path)
        except RuntimeError as error:  # whatever stopped it
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from error
            raise
        kept = json.loads((path / METADATA).read_text(encoding="utf-8"))
        kept.pop("creationDate", None)
        kept |= {key: value for key, value in stated.items() if value}
        kept[CUSTOM] = dict(custom)
        text = json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False)
        (path / METADATA).write_text(f"{text}\n", encoding="utf-8")
