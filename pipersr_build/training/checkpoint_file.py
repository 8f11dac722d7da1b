"""Checkpoints on disk: which one to go on from, whether it fits, and the network that is in it."""

import json
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipersr_build import models
from pipersr_build.config import TrainingConfig
from pipersr_build.errors import InputError
from pipersr_build.models import quantized
from pipersr_build.progress import say
from pipersr_build.training import forms
from pipersr_build.training.names import LAST, PREVIOUS, SETTINGS

MARK, FORMAT = "pipersr_build", 1  # a key of ours in Lightning's checkpoint
_NETWORK = "network."  # of the Lightning module's names


def newest(folder: Path) -> tuple[Path, int] | None:
    """The newest readable checkpoint of a run and its step; None where there is none at all.

    A damaged one is named and left alone, and the one before is taken.

    Raises:
        InputError: there are checkpoints, but none can be read.
    """
    found = [folder / name for name in (LAST, PREVIOUS) if (folder / name).is_file()]
    damaged: list[str] = []
    for path in found:
        try:
            step = int(read(path)["global_step"])
        except Exception as error:  # torch raises many kinds for a damaged file
            damaged.append(f"{path.name} ({type(error).__name__})")
            continue
        if damaged:
            say(
                f"{folder}: the checkpoint {damaged[0]} cannot be read; "
                f"going on from {path.name}, the one before"
            )
        return path, step
    if damaged:
        raise InputError(
            f"no checkpoint can be read: {', '.join(damaged)}",
            where=folder,
            fix="delete the folder to start the run again, or restore a copy of the checkpoint",
        )
    return None


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's content; raises one of many errors if it is damaged."""
    with zipfile.ZipFile(path) as archive:
        wrong = archive.testzip()  # torch does not compare the checksums that it writes
    if wrong is not None:
        raise zipfile.BadZipFile(wrong)
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise TypeError(f"a checkpoint holds a mapping, not a {type(content).__name__}")
    return content


def check(path: Path, network: nn.Module) -> None:
    """Refuse a checkpoint that this run cannot go on from.

    Args:
        path: a readable checkpoint.
        network: the network in the form in which it is trained.

    Raises:
        InputError: it is of another version of the toolkit, or of another network; names the keys.
    """
    content = read(path)
    _check_format(content, path)
    _check_tensors(_trained(content), network, path)


def load_network(path: Path) -> tuple[nn.Module, Any]:
    """The network of a checkpoint as validation judges it, and its configuration.

    It is the average where the run keeps one, in evaluation mode and in the form in which it is trained
    (`training.form=folded`: without batch norms).

    Args:
        path: `last.ckpt` or `previous.ckpt` in a run's folder, beside its `settings.json`.

    Raises:
        InputError: no such file, it is damaged, of another version or of another network than
            `settings.json` says, or there is no `settings.json`.
    """
    path = Path(path)
    config = _settings_config(path)
    try:
        content = read(path)
    except Exception as error:
        raise InputError(
            f"the checkpoint cannot be read ({type(error).__name__})", where=path,
            fix=f"take {PREVIOUS}, the one before, or the finished run's weights",
        ) from error  # fmt: skip
    _check_format(content, path)
    average = content.get("callbacks", {}).get("Average")
    tensors = _trained(content) if average is None else average["network"]
    try:
        network = quantized.as_in_file(models.build(config), tensors)
    except ValueError as error:
        raise InputError(f"the checkpoint is of another network: {error}", where=path) from error
    _check_tensors(tensors, network, path)
    network.load_state_dict(tensors)
    return network.eval(), config


def _settings_config(path: Path) -> Any:
    """The configuration of the network that is trained in the checkpoint's folder."""
    if not path.is_file():
        raise InputError("no such checkpoint", where=path, fix="train with: pipersr-build train")
    beside = path.with_name(SETTINGS)
    try:
        settings = json.loads(beside.read_text())
        model, form = settings["model"], settings["training"]["form"]
        config = models.FAMILIES[model["family"]].config(**model)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the file that says which network the checkpoint holds cannot be used ({error})", where=beside,
            fix=f"keep a run's checkpoints beside its {SETTINGS}",
        ) from error  # fmt: skip
    return forms.training_config(config, TrainingConfig(form=form))


def _trained(content: dict[str, Any]) -> dict[str, Tensor]:
    tensors = content.get("state_dict", {})
    return {key.removeprefix(_NETWORK): value for key, value in tensors.items() if key.startswith(_NETWORK)}


def _check_format(content: dict[str, Any], path: Path) -> None:
    """Checkpoints without a mark are of format 1."""
    found = content.get(MARK, {}).get("format", FORMAT)
    if found != FORMAT:
        raise InputError(
            f"the checkpoint has format {found}, this version reads {FORMAT}", where=path,
            fix="use the toolkit version that wrote it",
        )  # fmt: skip


def _check_tensors(found: dict[str, Tensor], network: nn.Module, path: Path) -> None:
    wanted = network.state_dict()
    odd = sorted(wanted.keys() ^ found.keys())
    shapes = [key for key in wanted if key in found and found[key].shape != wanted[key].shape]
    if not odd and not shapes:
        return
    what = [f"{key} is only in the {'checkpoint' if key in found else 'network'}" for key in odd]
    what += [f"{key} is {tuple(found[key].shape)}, not {tuple(wanted[key].shape)}" for key in shapes]
    more = f" and {len(what) - 3} more" if len(what) > 3 else ""
    raise InputError(
        f"the checkpoint is of another network: {'; '.join(what[:3])}{more}", where=path,
        fix="train under another name=…, or delete the checkpoint to start again",
    )  # fmt: skip
