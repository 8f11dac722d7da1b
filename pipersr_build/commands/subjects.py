"""What `evaluate` can judge: packages, weights, checkpoints and bicubic, each as one method."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipersr_build import files, models
from pipersr_build.errors import InputError
from pipersr_build.evaluation import packages
from pipersr_build.evaluation.names import distinct
from pipersr_build.evaluation.parameters import count_parameters
from pipersr_build.evaluation.published import BICUBIC
from pipersr_build.evaluation.record import Kind
from pipersr_build.evaluation.record import Subject as SubjectRecord
from pipersr_build.evaluation.testset import Upscale, bicubic
from pipersr_build.fusion import collapse_branches
from pipersr_build.mil.package import Feature, Package, check_weights, open_package
from pipersr_build.models.upscaler import upscaler
from pipersr_build.models.weights import load_weights
from pipersr_build.zoo.contents import PICKLES

PYTORCH = "PyTorch float32, the whole picture at once"


@dataclass(frozen=True)
class Subject:
    """Something that enlarges pictures, and what a record says about it."""

    upscale: Upscale
    record: SubjectRecord

    @property
    def name(self) -> str:
        """What tables and records call it."""
        return self.record.name


def open_subjects(paths: Sequence[Path], scale: float) -> list[Subject]:
    """Bicubic, and after it what the paths name; a path that is given twice is opened once.

    Args:
        paths: packages, weights, checkpoints, or the word `bicubic`.
        scale: bicubic's, where nothing else is named.

    Raises:
        InputError: nothing is named, something cannot be opened, or the scales differ.
    """
    if not paths:
        raise InputError(
            "nothing to evaluate is given",
            where="command line",
            fix="say: pipersr-build evaluate exports/quickstart/image_128.mlpackage",
        )
    chosen = {path.resolve(): path for path in paths if str(path) != BICUBIC}
    named = list(chosen.values())
    opened = [open_subject(path, name) for path, name in zip(named, distinct(named), strict=True)]
    _check_scales(opened)
    return [bicubic_subject(opened[0].record.scale if opened else scale), *opened]


def bicubic_subject(scale: float) -> Subject:
    """The baseline of every table."""
    record = SubjectRecord(name=BICUBIC, kind="bicubic", scale=scale, parameters=None, runner="NumPy float64")
    return Subject(bicubic(scale), record)


def open_subject(path: Path, name: str | None = None) -> Subject:
    """A package, weights or a checkpoint, by the path's ending.

    Raises:
        InputError: it is none of these, is not there or cannot be used; names the path.
    """
    opened = _opener(path)(path)
    digest = files.sha256(path)
    return replace(
        opened, record=opened.record.model_copy(update={"name": name or path.name, "sha256": digest})
    )


def _opener(path: Path) -> Callable[[Path], Subject]:
    known: dict[str, Callable[[Path], Subject]] = {
        ".mlpackage": _package,
        ".safetensors": _weights,
        ".ckpt": _checkpoint,
        **dict.fromkeys(PICKLES, _weights),
    }
    if path.suffix in known:
        return known[path.suffix]
    if (path / "Manifest.json").is_file():
        return _package
    raise _unknown(path, tuple(known))


def _unknown(path: Path, endings: Sequence[str]) -> InputError:
    if not path.exists():
        return InputError(
            "no such file", where=path, fix=f"give a package, weights or a checkpoint ({', '.join(endings)})"
        )
    inside = sorted(entry.name for ending in endings for entry in path.glob(f"*{ending}"))
    if inside:
        return InputError(
            "a folder where one file or package is needed",
            where=path,
            fix=f"name one of: {', '.join(inside)}",
        )
    return InputError(
        "neither a package nor weights nor a checkpoint", where=path, fix=f"give one of {', '.join(endings)}"
    )


def _package(path: Path) -> Subject:
    package = open_package(path)
    check_weights(package)
    method = packages.open_method(package)
    tiles = f"tiles of {method.tile[1]}x{method.tile[0]}"
    record = SubjectRecord(
        name=path.name,
        kind="package",
        scale=method.scale,
        parameters=count_parameters(package.main),
        runner=f"MIL interpreter, fp16, {tiles}{', each a first frame: no state' * method.state}",
        config=_interface(package, method.contract),
    )
    return Subject(method.upscale, record)


def _interface(package: Package, contract: str) -> dict[str, Any]:
    """What a package says about itself: what it takes and returns, and what its maker wrote into it."""
    interface = package.interface
    return {
        "contract": contract,
        "inputs": [_feature(feature) for feature in interface.inputs],
        "outputs": [_feature(feature) for feature in interface.outputs],
        "operation_set": package.main.opset,
        "metadata": dict(sorted(package.spec.description.metadata.userDefined.items())),
    }


def _feature(feature: Feature) -> dict[str, Any]:
    kind = f"{feature.layout} image" if feature.kind == "image" else feature.kind
    return {"name": feature.name, "kind": kind, "dtype": feature.dtype, "shape": list(feature.shape)}


def _weights(path: Path) -> Subject:
    weights = load_weights(path)
    return _network(path, "weights", weights.network, weights.config)


def _checkpoint(path: Path) -> Subject:
    """The network of a run that is not finished, as validation judges it: averaged if the run averages."""
    from pipersr_build.training.checkpoint_file import load_network  # the training room, only for these

    return _network(path, "checkpoint", *load_network(path))


def _network(path: Path, kind: Kind, network: Any, config: Any) -> Subject:
    record = SubjectRecord(
        name=path.name,
        kind=kind,
        scale=models.facts(config).scale,
        parameters=models.parameters(collapse_branches(network)),
        runner=PYTORCH,
        config=models.describe(config),
    )
    return Subject(upscaler(network), record)


def _check_scales(opened: Sequence[Subject]) -> None:
    scales = {subject.record.scale for subject in opened}
    if len(scales) > 1:
        each = ", ".join(f"{subject.name} {subject.record.scale}x" for subject in opened)
        raise InputError(f"the scales differ: {each}", where="command line", fix="evaluate them one by one")
