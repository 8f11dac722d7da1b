"""Packages of the reference weights, made once and kept in the user's cache folder."""

import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock
from torch import nn

import pipersr_build
from pipersr_build import files, models
from pipersr_build.commands.checks import check_parity
from pipersr_build.data.photos import load_photos
from pipersr_build.errors import BuildError, InputError
from pipersr_build.export.build import build
from pipersr_build.export.contracts import Contract
from pipersr_build.export.sizes import parse_size
from pipersr_build.fusion import to_deploy
from pipersr_build.mil.package import check_weights, open_package
from pipersr_build.models import quantized
from pipersr_build.models.reference import FIRST, FOLDER
from pipersr_build.models.weights import load_weights
from pipersr_build.progress import say
from pipersr_build.runtime.frames import HALO_KEY
from pipersr_build.shipped import shipped

DEPLOYMENT = "macOS13"
MAKERS = ("export", "fusion", "models")  # the rooms whose code decides what is in a package


def reference_packages(sizes: Iterable[str]) -> dict[str, Path]:
    """Packages of the shipped 2x weights, made now where the cache does not have them.

    They are kept by the hashes of the weights and of the code that makes packages, and stand only if they
    agree with PyTorch; several processes may ask at once.

    Args:
        sizes: names of packages: `image_128` (or `128`), `video_360p` (or `360p`), `video_720x400`.

    Returns:
        The package of each name, as it was given.

    Raises:
        InputError: a size that is not understood, no weights are shipped, or the cache cannot be written to.
        BuildError: a package does not agree with PyTorch.
    """
    wanted = {name: contract_of(name) for name in sizes}
    weights = _weights()
    folder = cache_folder() / "reference" / f"{pipersr_build.__version__}-{_key(weights)}"
    paths = {name: folder / f"{contract.name}.mlpackage" for name, contract in wanted.items()}
    if all(_is_whole(path) for path in paths.values()):
        return paths
    files.make_folder(folder)
    with FileLock(folder / ".lock"):
        missing = {paths[name]: contract for name, contract in wanted.items() if not _is_whole(paths[name])}
        if missing:
            _make(missing, weights, folder)
    return paths


def contract_of(name: str) -> Contract:
    """The contract that `image_128`, `128`, `video_360p` or `360p` names.

    Raises:
        InputError: it names none.
    """
    kind, _, label = name.rpartition("_")
    if (kind or "image") == "image" and label.isascii() and label.isdigit() and 8 <= int(label) <= 4096:
        return Contract("image", label, int(label), int(label))
    if kind in ("", "video"):
        size = parse_size(label)
        return Contract("video", size.label, size.height, size.width)
    raise InputError(f"{name!r} names no package", fix="say image_128, video_360p or video_720x400")


def cache_folder() -> Path:
    """Where the user's system keeps what programs can make again, and `pipersr-build` in it."""
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "pipersr-build"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "pipersr-build"
    return Path.home() / ".cache" / "pipersr-build"


def _weights() -> Path:
    folder = shipped(FOLDER, FIRST)
    if folder is None:
        fix = "reinstall pipersr-build, or give a package: package=PATH"
        raise InputError("the reference weights are missing", where=FIRST, fix=fix)
    return folder / FIRST


def _key(weights: Path) -> str:
    """Sixteen digits that are others where the weights, or the code that makes packages, are others."""
    here = Path(pipersr_build.__file__).parent
    code = (file for room in MAKERS for file in sorted((here / room).rglob("*.py")))
    digests = "".join(files.sha256(file) for file in (weights, *code))
    return hashlib.sha256(digests.encode()).hexdigest()[:16]


def _is_whole(path: Path) -> bool:
    """Whether the package is there and can be read."""
    try:
        check_weights(open_package(path))
    except InputError:
        return False
    return True


def _make(missing: dict[Path, Contract], weights: Path, folder: Path) -> None:
    say(f"making packages of the reference weights (once): {', '.join(path.stem for path in missing)}")
    loaded = load_weights(weights)
    facts = models.facts(loaded.config)
    deployed = to_deploy(quantized.plain(loaded.network).double()).float()
    metadata = {HALO_KEY: str(facts.receptive_radius), "pipersr_build.scale": f"{facts.scale:g}"}
    with files.staging(folder) as stage:
        made = build(
            deployed,
            list(missing.values()),
            stage,
            deployment=DEPLOYMENT,
            title=facts.title,
            metadata=metadata,
        )
        for _, path in made:
            _check(path, loaded.network)
            files.replace(path, folder / path.name)


def _check(path: Path, network: nn.Module) -> None:
    """Let the package pass only if it computes what PyTorch does."""
    photo = load_photos()[0]
    gates = check_parity(open_package(path), network, [(photo.name, photo.rgb)])[1]
    for gate in gates:
        if gate.verdict == "fail":
            raise BuildError(f"{gate.name}: {gate.subject} does not agree with PyTorch", where=path)
