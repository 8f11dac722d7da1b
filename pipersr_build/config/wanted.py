"""The packages that a configuration asks for."""

from pipersr_build.config.schemas import ExportConfig
from pipersr_build.errors import InputError
from pipersr_build.export.contracts import Contract
from pipersr_build.export.sizes import FrameSize, parse_sizes


def contracts(config: ExportConfig) -> list[Contract]:
    """The packages to make, images first.

    Raises:
        InputError: a size that is not understood, or nothing to make.
    """
    tile = config.image.tile
    wanted = [Contract("image", str(tile), tile, tile)] if config.image.enabled else []
    if config.video.enabled:
        wanted += [_video(size, state=config.video.state) for size in parse_sizes(config.video.size)]
    if not wanted:
        raise InputError("no package is to be made", where="configuration group export", fix="use export=all")
    return wanted


def _video(size: FrameSize, *, state: bool) -> Contract:
    label = f"{size.label}_state" if state else size.label
    return Contract("video", label, size.height, size.width, state)
