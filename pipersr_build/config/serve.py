"""The settings of the service (`serve`) and of the MCP server (`mcp`), with their checks."""

import ipaddress
import math
import re
from dataclasses import dataclass, field

from pipersr_build.config.refused import refused

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


@dataclass
class ServeConfig:
    """Where the service listens, what it lets in, and how long it waits."""

    host: str = "127.0.0.1"  # an address other than this machine's own needs a token
    port: int = 9998  # 0: any free one
    token_file: str | None = None  # file with the token that clients must send; or $PIPERSR_BUILD_TOKEN
    hosts: list[str] = field(default_factory=list)  # names besides localhost that clients may call it by
    image_side: int = 8192  # pixels that a picture may be wide or high, going in and coming out
    video_side: int = 4096  # the same of a video and of a streamed frame
    image_mib: int = 256  # that the upload of a picture may have
    video_mib: int = 2048  # that the upload of a video may have
    queue: int = 16  # pictures that may wait for the one at work
    image_seconds: float = 900.0  # for one picture, without its upload and its waiting
    video_seconds: float = 21600.0  # for one video, without its upload
    upload_seconds: float = 600.0  # for a whole upload
    idle_seconds: float = 60.0  # without a byte of an upload, or without a frame of a stream
    result_seconds: float = 600.0  # that a finished video waits to be fetched
    temporary: str | None = None  # folder for what is being worked on; none: the user's cache folder


def check_serve(serve: ServeConfig) -> None:
    """Check each setting.

    Raises:
        InputError: naming the key, its value and what is allowed.
    """
    address(serve.host)
    if not 0 <= serve.port <= 65535:
        raise refused("serve.port", serve.port, "give a number from 0 to 65535")
    for name in serve.hosts:
        if not isinstance(name, str) or not _HOST.fullmatch(name):
            raise refused("serve.hosts", serve.hosts, "give names without port, for example [studio.local]")
    for key in ("image_side", "video_side", "image_mib", "video_mib"):
        if not 1 <= getattr(serve, key) <= 65536:
            raise refused(f"serve.{key}", getattr(serve, key), "give a number from 1 to 65536")
    if serve.queue < 0:
        raise refused("serve.queue", serve.queue, "it must be at least 0")
    for key in ("image", "video", "upload", "idle", "result"):
        seconds = getattr(serve, f"{key}_seconds")
        if not 0 < seconds < math.inf:
            raise refused(f"serve.{key}_seconds", seconds, "give seconds, more than 0")


def address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address that `serve.host` stands for; `localhost` is 127.0.0.1.

    Raises:
        InputError: it is a name. What a name stands for can change between the check and the use.
    """
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise refused(
            "serve.host", host, "give an address such as 127.0.0.1 or 0.0.0.0, or localhost"
        ) from None
