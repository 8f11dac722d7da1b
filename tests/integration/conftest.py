"""What the tests that run whole commands have in common."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
SECONDS = 1800  # several commands one after the other, and packages installed from the network


def pytest_collection_modifyitems(items):
    """Give tests of this folder more time than the default; the hook sees those of others too."""
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SECONDS))
