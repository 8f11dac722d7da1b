"""Open a film: told from its contents, and nothing that could lead to other files."""

from pathlib import Path

import av
from av.container import InputContainer

from pipersr_build.errors import InputError

# The format is told from the contents. FFmpeg would also play text files as a terminal does, pictures, and
# playlists, which could name other files and addresses; only what films come in is read.
_FILMS = ("mov", "matroska", "avi", "mpegts", "mpeg", "asf", "flv", "ogg", "mxf", "gxf", "nut", "wtv", "rm",
          "dv", "gif", "yuv4mpegpipe")  # fmt: skip
_STREAMS = ("ivf", "h264", "hevc", "vvc", "obu", "m4v", "mpegvideo")  # video alone, without a container
_ONLY_FILMS = {"protocol_whitelist": "file", "format_whitelist": ",".join(_FILMS + _STREAMS)}
_STILLS = ("heic", "heix", "heim", "heis", "mif1", "avif")  # brands of pictures in a film's container


def open_input(path: Path) -> InputContainer:
    """Open a media file.

    Raises:
        InputError: it is not there, not readable, no film, or a still picture of a kind that films use.
    """
    if not path.is_file():
        raise InputError("no such file" if not path.exists() else "not a file", where=path)
    try:  # tags of old files are in no encoding that is known: what is not UTF-8 becomes U+FFFD
        container = av.open(str(path.resolve()), options=_ONLY_FILMS, metadata_errors="replace")
    except av.FFmpegError as error:
        what = "it cannot be opened as a video" if path.stat().st_size else "the file is empty"
        fix = "give a whole video file; an MP4 that was cut off while it was written has no index and is lost"
        refused = isinstance(error, av.ArgumentError)  # by the list of formats above
        why = error.strerror
        if refused:
            why, fix = (
                "it is no film of a kind that is read here",
                "give MP4, MOV, Matroska, WebM, AVI …",
            )
        raise InputError(f"{what} ({why})", where=path, fix=fix) from error
    except OSError as error:
        raise InputError(f"it cannot be read ({error.strerror})", where=path) from error
    if container.metadata.get("major_brand") in _STILLS:
        container.close()
        raise InputError("it is a still picture of a kind that is not read", where=path,
                         fix="save it as PNG or JPEG")  # fmt: skip
    return container
