"""The native library; its import fails where the framework is missing."""

import os

if os.environ.get("FAKE_CORE_ML") == "no framework":
    raise ImportError("No module named 'coremltools.libcoremlpython'")
