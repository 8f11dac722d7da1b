"""`train`: train a network, or go on with an interrupted run."""

from pathlib import Path
from statistics import fmean

from torch import nn

from pipersr_build.commands import arguments
from pipersr_build.commands.pictures import corpus_of, holdout_set
from pipersr_build.config import Config, load
from pipersr_build.evaluation.protocol import compare_psnr, validation_protocol
from pipersr_build.evaluation.testset import bicubic
from pipersr_build.models.upscaler import Upscaler, upscaler
from pipersr_build.progress import console, say
from pipersr_build.training.processes import is_first_process

MULTIRUN = ("-m", "--multirun")


def main(words: list[str]) -> int:
    """Train what the configuration describes and say where the weights are; with `--multirun`, a sweep."""
    if set(words) & set(MULTIRUN):
        from pipersr_build.commands import sweep

        return sweep.main([word for word in words if word not in MULTIRUN])
    weights = train_network(load(arguments.overrides_only(words)))
    if weights is not None:
        say(f"weights: {weights}\nexport them with: pipersr-build export weights={weights}")
    return 0


def train_network(config: Config) -> Path | None:
    """Train with the held-out pictures as validation; print their PSNR beside bicubic's.

    Returns:
        The weights; None in all processes of a run but the first, which have nothing left to do.
    """
    from pipersr_build.training.run import train
    from pipersr_build.training.samples import SampleSheet

    console.quiet = not is_first_process()
    corpus = corpus_of(config)
    held_out = holdout_set(config, corpus)
    protocol, scale = validation_protocol(config.evaluation.protocol), held_out.scale

    def psnr(upscale: Upscaler) -> float:
        return fmean(compare_psnr(upscale(pair.lr), pair.hr, protocol, scale) for pair in held_out.pictures)

    def score(network: nn.Module) -> float:
        return psnr(upscaler(network))

    draw = SampleSheet(held_out.pictures, scale) if config.training.samples else None
    result = train(config, corpus, score, draw)
    if result is None:
        return None
    say(f"{held_out.name} ({protocol}): {result.psnr:.3f} dB, bicubic {psnr(bicubic(scale)):.3f} dB")
    return result.weights
