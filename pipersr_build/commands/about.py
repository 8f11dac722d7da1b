"""What the packages of an export say about themselves."""

import hashlib
import json
from typing import Any

from pipersr_build import evidence, machine, models
from pipersr_build.commands.placing import EVIDENCE
from pipersr_build.config import Config
from pipersr_build.errors import InputError
from pipersr_build.evidence import Provenance, Training
from pipersr_build.export import metadata
from pipersr_build.export.metadata import About
from pipersr_build.models.facts import Facts
from pipersr_build.models.weights import Weights
from pipersr_build.runtime.frames import HALO_KEY
from pipersr_build.training.run import read_record

OURS = "Apache-2.0"  # the licence of this toolkit and of the weights that come with it
UNKNOWN = "not stated: that of the weights, which others trained"
_CHANGED = "+changes"
_TIMES = ("seconds", "legs")  # of a training record


def about(config: Config, network: Any, training: Training | None, digest: str) -> About:
    """Author, licence and version as configured; where the weights come from, and what made the packages.

    Args:
        config: author, licence and version.
        network: the configuration of the network that the weights are of.
        training: how the weights came to be, if that is known.
        digest: SHA-256 of the weights file.
    """
    facts, made = models.facts(network), machine.provenance("")
    theirs = facts.licence or UNKNOWN if network.family == "third_party" else OURS
    values = {
        metadata.NETWORK: facts.title,
        metadata.SOURCE: facts.source,
        metadata.WEIGHTS: digest,
        metadata.TOOLKIT: made.toolkit,
        **({metadata.TRAINING: training_sha256(training)} if training is not None else {}),
        **({metadata.COMMIT: revision(made)} if made.git_commit else {}),
    }
    licence = theirs if config.export.licence is None else config.export.licence
    return About(config.export.author, licence, config.export.version, values)


def facts_values(facts: Facts) -> dict[str, str]:
    """What a package says to those who run it; without a halo they guess one."""
    halo = {} if facts.receptive_radius is None else {HALO_KEY: str(facts.receptive_radius)}
    return {**halo, metadata.SCALE: f"{facts.scale:g}"}


def revision(made: Provenance) -> str:
    """The toolkit's commit, marked where its files were not as committed."""
    return f"{made.git_commit}{_CHANGED if made.git_dirty else ''}"


def training_of(weights: Weights) -> Training | None:
    """The training record of weights: the one beside them, or in the evidence of the export they lie in.

    Raises:
        InputError: the record beside them cannot be read.
    """
    found = read_record(weights.path, weights.sha256)
    if found is not None:
        return found
    try:
        exported = evidence.load(weights.path.with_name(EVIDENCE))
    except InputError:
        return None
    return exported.training if exported.weights_sha256 == weights.sha256 else None


def _without_times(training: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in training.items() if key not in _TIMES}
    return kept | {"before": _without_times(kept["before"])} if "before" in kept else kept


def training_sha256(training: Training) -> str:
    """SHA-256 of a training record: of its JSON with sorted keys and no spaces, without defaults.

    How long it took and in how many legs is left out: the same training gives the same packages again.
    """
    plain = _without_times(training.model_dump(mode="json", exclude_defaults=True))
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
