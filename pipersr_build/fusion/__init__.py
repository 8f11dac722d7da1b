"""From the network that is trained to the network that is deployed, with the proof that they are equal."""

from pipersr_build.fusion.batch_norm import fold_batch_norms
from pipersr_build.fusion.proof import Proof, prove_equal

__all__ = ["Proof", "fold_batch_norms", "prove_equal"]
