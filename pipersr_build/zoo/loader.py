"""From a weights file that somebody else wrote to a network with its facts."""

import json
import re
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipersr_build import files
from pipersr_build.errors import InputError
from pipersr_build.models.loaded import FORMAT, METADATA_KEY, Weights
from pipersr_build.models.third_party import ThirdPartyConfig
from pipersr_build.zoo import contents, wrapping
from pipersr_build.zoo.network import ThirdPartyNetwork
from pipersr_build.zoo.radius import receptive_radius
from pipersr_build.zoo.spandrel import spandrel

FAMILY = "third_party"
TRIED = (24, 32)  # height and width of the picture that a network is tried on


def is_third_party(path: Path) -> bool:
    """Whether a file's weights are not of one of this project's networks, by its name and its metadata."""
    if path.suffix.lower() != ".safetensors":
        return path.suffix.lower() in (*contents.PICKLES, ".onnx")
    about = _about(path)
    if about is None:
        return False
    return not about or about.get("model", {}).get("family") == FAMILY


def load(path: Path) -> Weights:
    """Read weights that others trained, and build their network.

    Raises:
        InputError: not weights, damaged ones, ones that hold code, of an unknown architecture or of one
            that does not enlarge RGB pictures, missing, unexpected or non-finite tensors.
        MachineError: spandrel is not installed.
    """
    tensors = contents.read(path)
    descriptor = describe(tensors, path)
    about = _about(path) if path.suffix.lower() == ".safetensors" else None
    known = _known(about, str(descriptor.architecture.id), path) if about else None
    config = known or ThirdPartyConfig(
        architecture=str(descriptor.architecture.id),
        scale=int(descriptor.scale),
        size_multiple=int(descriptor.size_requirements.multiple_of),
        file=path.name,
        file_sha256=files.sha256(path),
        stored=contents.stored_as(path),
    )
    network = ThirdPartyNetwork(descriptor, config).eval()
    _check_runs(network, path)
    if known is None:
        config.receptive_radius = receptive_radius(network, config.scale)
    name = str(about["name"]) if about else run_name(path)
    return Weights(network, config, name, path, files.sha256(path))


@torch.inference_mode()
def _check_runs(network: ThirdPartyNetwork, path: Path) -> None:
    """Run the network twice on a grey picture."""
    picture, name = torch.full((1, 3, *TRIED), 0.5), network.config.architecture
    try:
        sr, again = network(picture), network(picture)
    except Exception as error:  # hyper-parameters that do not show in the weights may be deduced wrongly
        what = f"does not run on a picture of {TRIED[1]}x{TRIED[0]}: {error}"
        raise InputError(f"{name} with these weights {what}", where=path, fix=_OTHERS) from error
    what = _wrong(sr, again, network.config.scale)
    if what:
        raise InputError(f"{name} with these weights {what}", where=path, fix=_OTHERS)


_OTHERS = "give other weights"


def _wrong(sr: Tensor, again: Tensor, scale: int) -> str:
    """What is wrong with two results of one picture; empty if nothing is."""
    if sr.shape != (1, 3, TRIED[0] * scale, TRIED[1] * scale):
        return f"gives a tensor {tuple(sr.shape)} where its scale is {scale}"
    if not torch.isfinite(sr).all():
        return "makes NaN or infinite values of a grey picture"
    if not torch.allclose(sr, again, atol=1e-5):
        return "draws random numbers: it makes something else of the same picture each time"
    return ""


def run_name(path: Path) -> str:
    """A folder's name made of a file's."""
    name = re.sub(r"[^\w.-]+", "_", path.stem, flags=re.ASCII).lstrip("._-")[:100]
    return name if files.SAFE_NAME.fullmatch(name) else "third_party"


def describe(tensors: wrapping.Tensors, path: Path) -> Any:
    """Have spandrel build the network that the tensors belong to; return its descriptor.

    Raises:
        InputError: see `load`.
    """
    registry = spandrel().MAIN_REGISTRY
    architecture, inner = _detect(registry, tensors)
    if architecture is None:
        raise InputError(
            "the weights file does not say which network it belongs to, and none of the"
            f" {len(registry)} architectures that spandrel reads has these tensors"
            f" ({', '.join(sorted(tensors)[:2])}, …)",
            where=path,
            fix="docs/how_to/third_party.md lists those it reads; our own come from pipersr-build train",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old calls in the architectures' own code
            descriptor = architecture.load(inner)
    except (
        Exception
    ) as error:  # sizes are deduced from the tensors, which fails in as many ways as they can be wrong
        raise InputError(
            f"these are no complete weights of {architecture.name}: {_mismatch(error)}",
            where=path,
            fix="give the file that its authors published",
        ) from error
    _check_kind(descriptor, path)
    return descriptor


def _detect(registry: Any, tensors: wrapping.Tensors) -> tuple[Any, wrapping.Tensors]:
    """The architecture whose tensors these are, or None; and the tensors by the names that it gives them.

    First parts of the names are taken off only where nothing is known with them: `params_ema.` is a
    trainer's, while `model.` belongs to the names of some architectures.
    """
    for supported in registry.architectures("detection"):
        if supported.detect(tensors):
            return supported.architecture, tensors
    for inner in wrapping.inside(tensors):
        architecture, named = _detect(registry, inner)
        if architecture is not None:
            return architecture, named
    return None, tensors


def _mismatch(error: Exception) -> str:
    """What is wrong with the tensors, in one line."""
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[1:] if len(lines) > 1 else lines  # torch's first line names its own class
    return " ".join(said)[:300] or type(error).__name__


_NOT_SR = {"FaceSR": "restores faces", "Inpainting": "fills holes", "Restoration": "does not enlarge"}


def _check_kind(descriptor: Any, path: Path) -> None:
    """Refuse networks that do not enlarge RGB pictures."""
    name = str(descriptor.architecture.name)
    fix = "give weights of a network that enlarges RGB pictures"
    if descriptor.purpose != "SR" or descriptor.scale < 2:
        does = _NOT_SR.get(descriptor.purpose, f"has scale {descriptor.scale}")
        raise InputError(f"{name} {does}: it is no super-resolution network", where=path, fix=fix)
    taken, returned = descriptor.input_channels, descriptor.output_channels
    if (taken, returned) != (3, 3):
        raise InputError(
            f"this {name} takes {_channels(taken)} and returns {_channels(returned)}; packages are RGB",
            where=path,
            fix=fix,
        )


def _channels(number: int) -> str:
    return {1: "1 channel (grey)", 4: "4 channels (RGB and alpha)"}.get(number, f"{number} channels")


def _about(path: Path) -> dict[str, Any] | None:
    """What our own metadata in a safetensors file say; empty where there are none, None if unreadable."""
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
    except (SafetensorError, OSError):
        return None
    if text is None:
        return {}
    try:
        about = json.loads(text)
    except ValueError:
        return None
    return about if isinstance(about, dict) and isinstance(about.get("model"), dict) else None


def _known(about: dict[str, Any], architecture: str, path: Path) -> ThirdPartyConfig:
    """The description that an export of ours put beside third-party weights, of this architecture."""
    names = {field.name for field in fields(ThirdPartyConfig)}
    model, name = about["model"], about.get("name")
    try:
        if set(model) - names or not isinstance(name, str) or not files.SAFE_NAME.fullmatch(name):
            raise ValueError("unknown settings or no name")
        if about.get("format") != FORMAT:
            raise ValueError(f"format {about.get('format')} is not known (this version reads {FORMAT})")
        found = ThirdPartyConfig(**model)
        if found.architecture != architecture:
            raise ValueError(
                f"model.architecture is {found.architecture!r}, the tensors are {architecture}'s"
            )
        return found
    except (TypeError, ValueError) as error:
        raise InputError(f"the weights describe no valid network: {error}", where=path) from error
