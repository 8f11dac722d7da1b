"""Weights on disk: a safetensors file that says in its metadata which network it belongs to."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from pipersr_build import files, models
from pipersr_build.errors import InputError
from pipersr_build.models import quantized
from pipersr_build.models.loaded import FORMAT
from pipersr_build.models.loaded import METADATA_KEY as METADATA_KEY
from pipersr_build.models.loaded import Weights as Weights


def save_weights(path: Path, network: nn.Module, config: Any, name: str) -> None:
    """Write the network's parameters and statistics as float32, and its configuration.

    The bytes depend on nothing else: same weights and configuration, same file.
    """
    tensors = {key: value.detach().cpu().contiguous() for key, value in sorted(network.state_dict().items())}
    about = {"format": FORMAT, "model": models.describe(config), "name": name}
    metadata = {METADATA_KEY: json.dumps(about, sort_keys=True)}
    files.write_bytes(path, save(tensors, metadata))


def load_weights(path: str | Path, expected: Any = None) -> Weights:
    """Read weights and build their network.

    Args:
        path: a file that `save_weights` wrote, or weights that others trained (see the room `zoo`).
        expected: the configuration that the weights must belong to; None takes the file's word.

    Raises:
        InputError: no such file, not such a file, another architecture, one that is not for RGB
            pictures, missing, unexpected or non-finite tensors.
    """
    path = Path(path)
    if (foreign := _third_party(path)) is not None:
        _check_architecture(foreign.config, expected, path)
        return foreign
    tensors, about = _read(path)
    config = _config(about, path)
    _check_architecture(config, expected, path)
    _check_colours(config, path)
    try:
        network = quantized.as_in_file(models.build(config), tensors)
    except ValueError as error:
        raise InputError(f"the weights do not fit their network: {error}", where=path) from error
    _check_tensors(network.state_dict(), tensors, path)
    network.load_state_dict(tensors)
    return Weights(network.eval(), config, about["name"], path, files.sha256(path))


def _check_colours(config: Any, path: Path) -> None:
    facts = models.facts(config)
    if facts.channels != 3:
        channels = "1 channel (grey)" if facts.channels == 1 else f"{facts.channels} channels"
        what = f"{facts.title} takes {channels}; packages are RGB"
        raise InputError(what, where=path, fix="give weights of a network that enlarges RGB pictures")


def _third_party(path: Path) -> Weights | None:
    """Weights that others trained, if these are such."""
    from pipersr_build.zoo import loader  # only now: few need it

    _check_kind(path)
    return loader.load(path) if loader.is_third_party(path) else None


def _check_architecture(found: Any, expected: Any, path: Path) -> None:
    if expected is not None and models.describe(expected) != models.describe(found):
        raise InputError(
            f"the weights belong to another architecture: {_difference(found, expected)}",
            where=path,
            fix="leave out the model overrides, or train weights for this model",
        )


def describe_weights(path: Path) -> dict[str, Any]:
    """The description (`models.describe`) of the network that a weights file belongs to.

    Raises:
        InputError: no such file, or not such a file.
    """
    return models.describe(_config(_read(path)[1], path))


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    _check_kind(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"not a readable safetensors file ({error})", where=path, fix=_READABLE) from error
    return tensors, _about(metadata.get(METADATA_KEY, ""), path)


def _check_kind(path: Path) -> None:
    """Refuse what is no weights file, before it is opened."""
    if path.is_dir():
        raise InputError("this is a folder", where=path, fix="give the weights.safetensors in it")
    if not path.is_file():
        raise InputError("no such weights file", where=path, fix="train them with: pipersr-build train")
    if path.suffix == ".ckpt":
        raise InputError(
            "a checkpoint is no weights file",
            where=path,
            fix="finish the run with the command that began it, then give its weights.safetensors",
        )


def _about(text: str, path: Path) -> dict[str, Any]:
    """What the file says of itself: a format, a name that may name a folder, a model."""
    try:
        about = json.loads(text)
    except ValueError:
        about = None
    if not isinstance(about, dict):
        raise InputError(
            "the weights file does not say which network it belongs to",
            where=path,
            fix=_OURS,
        )
    if about.get("format") != FORMAT:
        raise InputError(
            f"weights format {about.get('format')} is not known (this version reads {FORMAT})",
            where=path,
            fix="use the toolkit version that wrote them",
        )
    name = about.get("name")
    if not isinstance(name, str) or not files.SAFE_NAME.fullmatch(name):
        raise InputError(f"the weights file's run name {name!r} is not a name", where=path)
    return about


def _config(about: dict[str, Any], path: Path) -> Any:
    model = about.get("model")
    family = models.FAMILIES.get(str(model.get("family"))) if isinstance(model, dict) else None
    if family is None or not isinstance(model, dict):
        raise InputError(f"the weights belong to an unknown network family: {model!r}", where=path)
    known = {field.name: type(field.default) for field in fields(family.config)}
    unknown = sorted(model.keys() - known.keys())
    if unknown:
        raise InputError(
            f"the weights describe no valid network: this version knows no setting model.{unknown[0]}",
            where=path,
            fix="use the toolkit version that wrote them",
        )
    wrong = [key for key, value in model.items() if not _is_of(value, known[key])]
    try:
        if wrong:
            raise ValueError(f"model.{wrong[0]} is {model[wrong[0]]!r}")
        return family.config(**model)
    except ValueError as error:
        raise InputError(f"the weights describe no valid network: {error}", where=path) from error


def _is_of(value: Any, kind: type) -> bool:
    """Whether a setting read from JSON has its type; a whole number is good for a fractional one."""
    return type(value) is kind or (kind is float and type(value) is int)


def _difference(found: Any, wanted: Any) -> str:
    ours, theirs = models.describe(found), models.describe(wanted)
    named = {**ours, **theirs} if ours["family"] == theirs["family"] else [k for k in ours if k in theirs]
    keys = [key for key in named if ours.get(key) != theirs.get(key)]
    return ", ".join(f"{key} is {ours.get(key)!r}, asked for {theirs.get(key)!r}" for key in keys)


_OURS = "give weights that pipersr-build train wrote"
_READABLE = f"{_OURS}, or weights by others in a file called .safetensors, .pth, .pt or .bin"


def _check_tensors(wanted: dict[str, Tensor], found: dict[str, Tensor], path: Path) -> None:
    missing, unexpected = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing or unexpected:
        what = [
            f"lacks {', '.join(missing[:3])}" if missing else "",
            f"has unexpected {', '.join(unexpected[:3])}" if unexpected else "",
        ]
        raise InputError(
            f"the weights do not fit their network: it {' and '.join(filter(None, what))}",
            where=path,
            fix=_OURS,
        )
    for key, value in found.items():
        if value.shape != wanted[key].shape:
            raise InputError(
                f"tensor {key} has shape {tuple(value.shape)}, not {tuple(wanted[key].shape)}",
                where=path,
                fix=_OURS,
            )
        if wanted[key].is_floating_point() and not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise InputError(f"tensor {key} is {kind}, no floating point", where=path, fix=_OURS)
        _check_values(key, value, path)


def _check_values(key: str, value: Tensor, path: Path) -> None:
    """Refuse numbers that no network computes with, as they will be loaded: in float32."""
    fix = "the training run diverged: train again with a lower learning rate"
    if not torch.isfinite(value.float()).all():
        raise InputError(f"tensor {key} holds NaN or infinite values", where=path, fix=fix)
    if key.endswith("running_var") and (value < 0).any():
        raise InputError(f"tensor {key} holds negative variances", where=path, fix=_OURS)
