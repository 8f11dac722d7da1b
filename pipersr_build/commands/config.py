"""`config`: print the configuration that the given settings make."""

from omegaconf import OmegaConf

from pipersr_build.commands import arguments
from pipersr_build.config import load
from pipersr_build.shipped import conf_dir


def main(words: list[str]) -> int:
    """Print the groups' choices and the composed configuration as YAML."""
    config = load(arguments.overrides_only(words))
    for group in sorted(folder for folder in conf_dir().iterdir() if folder.is_dir()):
        print(f"# {group.name}={' | '.join(sorted(file.stem for file in group.glob('*.yaml')))}")
    print(OmegaConf.to_yaml(OmegaConf.structured(config)), end="")
    return 0
