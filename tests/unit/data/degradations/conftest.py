import numpy as np
import pytest
from numpy.typing import NDArray

from pipersr_build.data.photos import load_photos


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """A real photograph: 96 high, 120 wide."""
    return next(photo.rgb for photo in load_photos() if photo.name == "astronaut")[100:196, 100:220]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)
