"""`run`: the main job, from photographs to verified packages."""

from pipersr_build.commands import arguments, export
from pipersr_build.commands.train import train_network
from pipersr_build.config import command_line, load
from pipersr_build.models.weights import load_weights


def main(words: list[str]) -> int:
    """Train and export what the configuration describes; 0 if all gates passed, 1 if one failed."""
    config = load(arguments.overrides_only(words))
    export.preflight(config)
    weights = train_network(config)
    if weights is None:  # one of several processes; the first one exports
        return 0
    return export.export(config, load_weights(weights), command_line("run", words))
