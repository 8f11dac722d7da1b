"""Train super-resolution networks for the Apple Neural Engine and prove the exported packages right."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipersr_build.runtime.upscaler import Upscaler

__version__ = "0.1.0"
__all__ = ["Upscaler", "__version__"]


def __getattr__(name: str) -> object:
    """Import `Upscaler` when it is first asked for: importing the toolkit stays light."""
    if name == "Upscaler":
        from pipersr_build.runtime.upscaler import Upscaler

        return Upscaler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
