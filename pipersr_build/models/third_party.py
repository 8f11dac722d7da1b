"""Networks that others designed and trained, known by their weights files only; see the room `zoo`."""

from dataclasses import dataclass
from typing import NoReturn

from pipersr_build.models.facts import Facts

_NOTHING = type(None)
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("architecture", "file", "file_sha256", "stored"), (str,)),
    **dict.fromkeys(("scale", "size_multiple"), (int,)),
    "receptive_radius": (int, _NOTHING),
}


@dataclass
class ThirdPartyConfig:
    """What is known about a network that was read from somebody's weights file."""

    family: str = "third_party"
    architecture: str = "unknown"  # spandrel's identifier
    scale: int = 2
    size_multiple: int = 1  # sizes that are multiples of it need no padding
    receptive_radius: int | None = None  # measured; None: not known, or the whole picture
    file: str = ""  # the original weights' name
    file_sha256: str = ""
    stored: str = "float32"  # the type of the numbers in that file

    def __post_init__(self) -> None:
        """Refuse values that name no network.

        Raises:
            ValueError: naming the key, its value and what is allowed.
        """
        for key, kinds in _TYPES.items():  # read from metadata that anybody can have written
            if type(getattr(self, key)) not in kinds:
                names = " or ".join("nothing" if kind is _NOTHING else kind.__name__ for kind in kinds)
                raise ValueError(f"model.{key} is {getattr(self, key)!r}; it must be of type {names}")
        if not 2 <= self.scale <= 16:
            raise ValueError(f"model.scale is {self.scale}; it must lie between 2 and 16")
        if self.size_multiple < 1:
            raise ValueError(f"model.size_multiple is {self.size_multiple}; it must be at least 1")
        if self.receptive_radius is not None and self.receptive_radius < 0:
            raise ValueError(f"model.receptive_radius is {self.receptive_radius}; it must be at least 0")


def build(config: ThirdPartyConfig) -> NoReturn:
    """There is nothing to build a network from without its weights.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{config.architecture} comes with weights only: give weights=FILE")


def facts(config: ThirdPartyConfig) -> Facts:
    """What the file and a measurement say."""
    return Facts(
        title=f"{config.architecture} {config.scale}x, {config.file}, SHA-256 {config.file_sha256[:16]}",
        scale=config.scale,
        receptive_radius=config.receptive_radius,
        size_multiple=config.size_multiple,
        source=f"weights by others: {config.file}, SHA-256 {config.file_sha256}",
        licence="as the weights' authors say",
    )
