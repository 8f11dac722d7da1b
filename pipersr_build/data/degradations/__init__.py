"""How pictures suffer before they reach a network: blur, resizing, noise, JPEG and H.264, in any order."""

from pipersr_build.data.degradations.pipeline import KINDS, Pipeline, parse

__all__ = ["KINDS", "Pipeline", "parse"]
