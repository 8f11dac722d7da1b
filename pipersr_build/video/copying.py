"""Which streams go along into the new file unchanged, and the names of those that it cannot hold."""

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

if TYPE_CHECKING:
    AnyPacket = Packet[Stream]
else:  # generic for type checkers only
    AnyPacket = Packet

_TAGS_OF_THE_OLD_STREAM = ("BPS", "DURATION", "NUMBER_OF_", "_STATISTICS", "encoder", "ENCODER", "rotate")


def divide(streams: Iterable[Stream], container_format: str) -> tuple[list[Stream], list[Stream]]:
    """The streams that the container holds, and those it does not.

    Each is tried in a container in memory: what muxers take is written down nowhere, and some refuse
    only when they write the header.

    Args:
        streams: of the source.
        container_format: FFmpeg's name of the output's.
    """
    held: list[Stream] = []
    refused: list[Stream] = []
    for stream in streams:
        (held if _holds(container_format, stream) else refused).append(stream)
    return held, refused


def add_copy(output: OutputContainer, template: Stream) -> Stream:
    """A stream of `output` for the packets of `template`, with its language, title and disposition."""
    stream: Stream = output.add_stream_from_template(template, opaque=True)
    stream.time_base = template.time_base
    stream.metadata.update(kept_tags(template.metadata))
    stream.disposition = template.disposition
    return stream


def kept_tags(metadata: dict[str, str]) -> dict[str, str]:
    """Tags that stay true: not those about the sizes and times of the old stream."""
    return {k: v for k, v in metadata.items() if not k.startswith(_TAGS_OF_THE_OLD_STREAM)}


def name(stream: Stream) -> str:
    """A stream as a person knows it: `subtitle stream 3 (mov_text, deu)`."""
    context = stream.codec_context
    codec = context.codec.canonical_name if context is not None else getattr(stream, "name", None)
    told = [codec, stream.metadata.get("language"), stream.metadata.get("filename")]
    words = ", ".join(dict.fromkeys(word for word in told if word and word != "und"))
    return f"{stream.type} stream {stream.index}" + (f" ({words})" if words else "")


def _holds(container_format: str, stream: Stream) -> bool:
    """Attached pictures are video streams too; a second film is not copied beside an enlarged one."""
    if stream.type not in ("audio", "subtitle", "attachment") and not _is_picture(stream):
        return False
    output = av.open(io.BytesIO(), "w", format=container_format)
    try:
        add_copy(output, stream)
        output.start_encoding()
        output.close()
    except (av.FFmpegError, ValueError):
        return False
    return True


def _is_picture(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)
