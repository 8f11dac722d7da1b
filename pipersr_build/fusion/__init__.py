"""From the network that is trained to the network that is deployed, with the proof that they are equal."""

from pipersr_build.fusion.batch_norm import fold_batch_norms
from pipersr_build.fusion.branches import collapse_branches, expand_branches
from pipersr_build.fusion.deploy import count_batch_norms, to_deploy
from pipersr_build.fusion.insertion import insert_batch_norms
from pipersr_build.fusion.proof import Proof, prove_equal

__all__ = [
    "Proof",
    "collapse_branches",
    "count_batch_norms",
    "expand_branches",
    "fold_batch_norms",
    "insert_batch_norms",
    "prove_equal",
    "to_deploy",
]
