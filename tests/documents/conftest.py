"""Documents run whole commands, one after the other."""

import pytest


def pytest_collection_modifyitems(items):
    """Give them the time that `tests/integration` has; the hook sees the tests of others too."""
    for item in items:
        if "documents" in item.path.parts and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(1800))
