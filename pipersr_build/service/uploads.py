"""Receive a form with one file: its bytes go to a private folder as they come, counted as they come."""

import asyncio
import logging
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

from pipersr_build.service.refusals import BODY_READ, Refusal

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # else clients could fill the log
MIB = 2**20
_FIELD_BYTES = 256
_FORM_BYTES = 64 * 1024  # that boundaries, headers and fields may add to the file


@dataclass(frozen=True)
class Upload:
    """A received form: the file where it lies, the client's name for it made harmless, other fields."""

    path: Path
    name: str
    fields: dict[str, str]


@dataclass
class _Form:
    """The parser's callbacks: the part that is being read, and what is known of the form so far."""

    path: Path
    file: BinaryIO
    known: tuple[str, ...] = ()  # fields that mean something, besides the file
    name: str | None = None  # the client's file name; None until a file has begun
    fields: dict[str, bytearray] = field(default_factory=dict)
    _header: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    _disposition: bytes = b""
    _field: bytearray | None = None  # None while the part is the file
    ended: bool = False

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self.on_part_begin,
            "on_header_field": self.on_header_field,
            "on_header_value": self.on_header_value,
            "on_header_end": self.on_header_end,
            "on_headers_finished": self.on_headers_finished,
            "on_part_data": self.on_part_data,
            "on_end": self.on_end,
        }

    def on_part_begin(self) -> None:
        self._disposition, self._field = b"", None

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def on_header_end(self) -> None:
        key, value = self._header
        if bytes(key).lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = (bytearray(), bytearray())

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        key = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options or key == "file":
            if b"filename" not in options or key != "file" or self.name is not None:
                raise Refusal(400, "the form must have one file, in its field 'file'")
            self.name = safe_name(options[b"filename"].decode("utf-8", "replace"))
            return
        if key not in self.known:  # what is asked for must not be passed over without a word
            fields = " and ".join(f"'{field}'" for field in ("file", *self.known))
            raise Refusal(400, "the form has a field that means nothing here", f"its fields are {fields}")
        if key in self.fields:
            raise Refusal(400, "the form has a field twice")
        self._field = self.fields.setdefault(key, bytearray())

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self.file.write(data[start:end])
            return
        self._field.extend(data[start:end])
        if len(self._field) > _FIELD_BYTES:
            raise Refusal(400, "a field of the form is too long")

    def on_end(self) -> None:
        self.ended = True

    def done(self) -> Upload:
        if not self.ended:
            raise Refusal(400, "the form breaks off before its end")
        if self.name is None or not self.path.stat().st_size:
            raise Refusal(400, "the form has no file, or an empty one", "send it in the field 'file'")
        fields = {key: bytes(value).decode("utf-8", "replace") for key, value in self.fields.items()}
        return Upload(self.path, self.name, fields)


def safe_name(name: str) -> str:
    """A client's file name as it may be shown and sent back: its last part, harmless characters only.

    It never names a file on this machine.
    """
    last = re.split(r"[/\\]", name)[-1]
    return re.sub(r"[^\w.() -]", "_", last).strip(" .")[-100:] or "file"


async def receive(
    request: Request, folder: Path, *, mib: int, seconds: float, idle: float, fields: tuple[str, ...] = ()
) -> Upload:
    """Read a `multipart/form-data` request with one file into `folder`.

    Args:
        request: its body has not been read.
        folder: private to this request; the file's name in it is ours.
        mib: MiB that the file may have; counted while they come, whatever Content-Length says.
        seconds: that the whole may take.
        idle: seconds that may pass without a byte.
        fields: that the form may have besides the file.

    Raises:
        Refusal: 400 a form that is none or has other fields, 408 too slow, 413 too large, 415 another type.
    """
    limit = mib * MIB + _FORM_BYTES
    boundary = _boundary(request)
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(mib)
    path = folder / "upload"
    with path.open("xb") as file:
        form = _Form(path, file, fields)
        parser = MultipartParser(boundary, form.callbacks())
        try:
            await _read(request, parser, limit, seconds, idle)
            request.scope[BODY_READ] = True
            parser.finalize()
        except MultipartParseError as error:
            raise Refusal(400, "the body is not a well-formed multipart form") from error
        except _Overflow as error:
            raise _too_large(mib) from error
    return form.done()


class _Overflow(Exception):  # noqa: N818
    """More bytes came than are let in."""


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= 200:
        raise Refusal(415, "the body must be multipart/form-data", "send the file as the form's field 'file'")
    return boundary


def _too_large(mib: int) -> Refusal:
    return Refusal(413, f"the upload is larger than {mib} MiB")


async def _read(request: Request, parser: MultipartParser, limit: int, seconds: float, idle: float) -> None:
    """Feed the body to the parser, in a thread: a slow disk must not hold up other clients."""
    end, received = time.monotonic() + seconds, 0
    while True:
        try:
            async with asyncio.timeout(min(idle, end - time.monotonic())):
                message = await request.receive()
        except TimeoutError as error:
            raise Refusal(408, "the upload was too slow") from error
        if message["type"] == "http.disconnect":
            raise Refusal(499, "the client left")
        chunk = message.get("body", b"")
        received += len(chunk)
        if received > limit:
            raise _Overflow
        await asyncio.to_thread(parser.write, chunk)
        if not message.get("more_body", False):
            return
