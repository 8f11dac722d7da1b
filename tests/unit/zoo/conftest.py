import importlib.util

import pytest
import torch


def pytest_collection_modifyitems(items):
    """Skip this room's tests where spandrel is not installed; it is an extra."""
    if importlib.util.find_spec("spandrel") is None:
        for item in items:
            if "/zoo/" in str(item.path):
                item.add_marker(pytest.mark.skip(reason="spandrel (the extra zoo) is not installed"))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def compact():
    """Weights of a small network of the architecture Compact, 2x."""
    from pipersr_build.zoo.samples import SAMPLES, weights_of

    return weights_of(SAMPLES["Compact"])
