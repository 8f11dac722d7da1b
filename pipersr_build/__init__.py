"""Train super-resolution networks for the Apple Neural Engine and prove the exported packages right."""

__version__ = "0.1.0"
