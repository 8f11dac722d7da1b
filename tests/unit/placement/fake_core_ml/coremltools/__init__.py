"""Stands in for coremltools on a Mac: the documented classes of the compute plan, and nothing else.

The name of the package under test says how Core ML behaves; see `models/utils.py`.
"""

from enum import Enum


class ComputeUnit(Enum):
    ALL = 1
    CPU_AND_GPU = 2
    CPU_ONLY = 3
    CPU_AND_NE = 4
