"""`train`: train a network, or go on with an interrupted run."""

from pathlib import Path
from statistics import fmean

from torch import nn

from pipersr_build.commands import arguments
from pipersr_build.commands.pictures import corpus_of, holdout_set
from pipersr_build.config import Config, load
from pipersr_build.evaluation.protocol import compare_psnr
from pipersr_build.evaluation.testset import bicubic
from pipersr_build.models.upscaler import Upscaler, upscaler
from pipersr_build.progress import say
from pipersr_build.training.run import train


def main(words: list[str]) -> int:
    """Train what the configuration describes and say where the weights are."""
    weights = train_network(load(arguments.overrides_only(words)))
    say(f"weights: {weights}\nexport them with: pipersr-build export weights={weights}")
    return 0


def train_network(config: Config) -> Path:
    """Train with the held-out pictures as validation; print their PSNR beside bicubic's."""
    corpus = corpus_of(config)
    held_out = holdout_set(config, corpus)

    def psnr(upscale: Upscaler) -> float:
        protocol, scale = config.evaluation.protocol, held_out.scale
        return fmean(compare_psnr(upscale(pair.lr), pair.hr, protocol, scale) for pair in held_out.pictures)

    def score(network: nn.Module) -> float:
        return psnr(upscaler(network))

    result = train(config, corpus, score)
    baseline = psnr(bicubic(held_out.scale))
    say(f"{held_out.name} ({config.evaluation.protocol}): {result.psnr:.3f} dB, bicubic {baseline:.3f} dB")
    return result.weights
