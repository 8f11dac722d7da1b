"""Make the packages of an export: separate ones, and video packages as functions of one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from pipersr_build import files, models
from pipersr_build.commands import about as described
from pipersr_build.commands.calibration import smaller_versions
from pipersr_build.config import Config
from pipersr_build.evidence import Training
from pipersr_build.export import bundle as bundles
from pipersr_build.export.build import build
from pipersr_build.export.compression.variants import Smaller
from pipersr_build.export.contracts import Contract
from pipersr_build.export.metadata import TARGET, About, frame_values
from pipersr_build.export.targets import both
from pipersr_build.models.weights import Weights


@dataclass(frozen=True)
class Made:
    """A package as it lies on disk, or one function of it.

    Attributes:
        contract: what it takes.
        path: the package.
        function: of a bundle; None where the package has only one.
        ratio: of a bundle: its size as a multiple of its largest package's.
        weights_ratio: of a bundle: the size of its weights likewise.
    """

    contract: Contract
    path: Path
    function: str | None = None
    ratio: float = 1.0
    weights_ratio: float = 1.0


@dataclass(frozen=True)
class Packing:
    """All that decides what is in the packages of an export."""

    config: Config
    network: nn.Module
    title: str
    metadata: dict[str, str]
    about: About
    smaller: Smaller

    def make(self, wanted: list[Contract], folder: Path) -> Iterator[Made]:
        """Write the packages into `folder`, and yield each as soon as it is there.

        Raises:
            InputError: `folder` cannot be written to.
            ConversionError: an operation stands in the way.
        """
        joined = self.config.export.video.bundle
        bundled = [contract for contract in wanted if joined and contract.kind == "video"]
        alone = [contract for contract in wanted if contract not in bundled]
        yield from (Made(contract, path) for contract, path in self._build(alone, folder))
        if bundled:
            yield from self._bundle(bundled, folder)

    def _bundle(self, wanted: list[Contract], folder: Path) -> Iterator[Made]:
        with files.staging(folder) as scratch:
            parts = dict(self._build(wanted, scratch))
            functions = {bundles.function_name(contract): path for contract, path in parts.items()}
            said = f"{self.title}, video, a function for each size: {', '.join(functions)}"
            stated = {**frame_values(), TARGET: both(self.config.target.deployment), **self.metadata}
            path = folder / f"{bundles.NAME}.mlpackage"
            bundles.bundle(functions, path, said, stated, self.about)
            ratios = bundles.ratio(path, parts.values()), bundles.weights_ratio(path, parts.values())
        yield from (Made(contract, path, bundles.function_name(contract), *ratios) for contract in parts)

    def _build(self, wanted: list[Contract], folder: Path) -> Iterator[tuple[Contract, Path]]:
        return build(
            self.network,
            wanted,
            folder,
            deployment=self.config.target.deployment,
            title=self.title,
            metadata=self.metadata,
            rewrite=self.config.export.rewrite,
            smaller=self.smaller,
            about=self.about,
        )


def packing(
    config: Config, weights: Weights, deployed: nn.Module, training: Training | None, digest: str
) -> Packing:
    """What decides the packages of `weights`.

    Args:
        config: sizes, target and what is written into the packages.
        weights: as they were read.
        deployed: their network as it is to be converted.
        training: how they came to be, if that is known.
        digest: SHA-256 of the weights file that stands beside the packages.
    """
    facts = models.facts(weights.config)
    smaller = smaller_versions(config, weights, deployed)
    values = described.facts_values(facts)
    stated = described.about(config, weights.config, training, digest)
    return Packing(config, deployed, facts.title, values, stated, smaller)
