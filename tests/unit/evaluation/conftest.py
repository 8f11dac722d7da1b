import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture
def noise() -> NDArray[np.uint8]:
    """A picture in which every patch is different: 30 high, 44 wide."""
    return np.random.default_rng(0).integers(0, 256, (30, 44, 3), dtype=np.uint8)
