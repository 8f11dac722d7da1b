"""`/v1/stream`: a web socket that upscales frame by frame in one session.

The client says `{"width": 640, "height": 360, "format": "rgb8"}` as text; the answer is `{"ready": true,
"width": 1280, "height": 720, "scale": 2}`. From then on every binary message is a frame and is answered
by one: `rgb8` is height x width x 3 bytes, rows from the top; `png` is a PNG, JPEG or WebP in, a PNG out.
"""

import asyncio
import contextlib
import io
import json
import threading
from collections.abc import Awaitable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from PIL import Image, UnidentifiedImageError

from pipersr_build.scales import to_hr
from pipersr_build.service import lanes
from pipersr_build.service.engine import Session
from pipersr_build.service.probes import check_size
from pipersr_build.service.refusals import Refusal, from_error
from pipersr_build.service.state import State, state_of

router = APIRouter()
PROTOCOL = "pipersr.v1"
_GOODBYE_SECONDS = 5.0  # that a client has to take the reason for the end
_FORMATS = ("rgb8", "png")
_WISH_LENGTH = 1000  # characters of the first message, at most
_CLOSE = {429: 1013, 413: 1009, 408: 1001, 504: 1011, 500: 1011}  # RFC 6455; 1008 for any other refusal


@dataclass(frozen=True)
class Wish:
    """What the client's first message asks for; `height` and `width` in LR pixels."""

    height: int
    width: int
    format: str

    @classmethod
    def parse(cls, text: str) -> "Wish":
        """Read the first message.

        Raises:
            Refusal: 400, it is not what it should be.
        """
        if len(text) > _WISH_LENGTH:  # the parser would hold up everybody
            raise _malformed()
        try:
            said = json.loads(text)
            wish = cls(said["height"], said["width"], said.get("format", "rgb8"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _malformed() from error
        sizes = all(type(length) is int and 0 < length <= 65536 for length in (wish.height, wish.width))
        if not sizes or wish.format not in _FORMATS:
            raise _malformed()
        return wish


def _malformed() -> Refusal:
    like = '{"width": 640, "height": 360, "format": "rgb8"} (or "png")'
    return Refusal(400, f"the first message must be text like {like}")


@router.websocket("/v1/stream")
async def stream(socket: WebSocket) -> None:
    """Upscale frames until the client goes, is silent for too long, or sends something else."""
    offered = socket.headers.get("sec-websocket-protocol", "").replace(" ", "").split(",")
    await socket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
    state = state_of(socket)
    try:
        async with state.streams.place():
            await _converse(state, socket)
    except WebSocketDisconnect:
        pass
    except Exception as error:
        refusal = from_error(error)
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):  # it may have gone by now
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await socket.send_json(refusal.body | {"status": refusal.status})
                await socket.close(_CLOSE.get(refusal.status, 1008))


async def _converse(state: State, socket: WebSocket) -> None:
    first = await _next(socket, state.settings.idle_seconds)
    wish = Wish.parse(first.get("text") or "")
    scale, side = state.engine.scale, state.settings.video_side
    check_size(wish.width, wish.height, scale=scale, side=side, kind="frame")
    opened = await asyncio.to_thread(_open, state, wish)
    try:
        size = {"width": to_hr(wish.width, scale), "height": to_hr(wish.height, scale)}
        ready = {"ready": True, **size, "scale": scale, "format": wish.format}
        await _taken(socket.send_json(ready), state.settings.idle_seconds)
        while True:
            message = await _next(socket, state.settings.idle_seconds)
            frame = await _upscaled(state, wish, opened[1], message.get("bytes"))
            await _taken(socket.send_bytes(frame), state.settings.idle_seconds)
    finally:
        await asyncio.to_thread(opened[0].__exit__, None, None, None)


def _open(state: State, wish: Wish) -> tuple[AbstractContextManager[Session], Session]:
    """A session takes its time to open (a package may have to be loaded), so it is opened in a thread."""
    context = state.engine.session(wish.height, wish.width)
    return context, context.__enter__()


async def _next(socket: WebSocket, seconds: float) -> dict[str, Any]:
    """The next message.

    Raises:
        Refusal: 408, none came in time.
        WebSocketDisconnect: the client went.
    """
    try:
        async with asyncio.timeout(seconds):
            message = dict(await socket.receive())
    except TimeoutError as error:
        raise Refusal(408, f"nothing came for {seconds:g} s") from error
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code") or 1005)
    return message


async def _taken(sending: Awaitable[None], seconds: float) -> None:
    """Send what is to be sent; it has to wait while the client does not take what was sent before.

    Raises:
        Refusal: 408, it took nothing in time.
    """
    try:
        async with asyncio.timeout(seconds):
            await sending
    except TimeoutError as error:
        raise Refusal(408, f"no frame was taken for {seconds:g} s") from error


async def _upscaled(state: State, wish: Wish, session: Session, data: bytes | None) -> bytes:
    if data is None:
        raise Refusal(400, "after the first message, every message must be binary: a frame")

    def work(_stop: threading.Event) -> bytes:
        return _encode(session.upscale(_decode(data, wish)), wish)

    return await lanes.within(state.settings.image_seconds, lanes.in_thread(work), "the frame")


def _decode(data: bytes, wish: Wish) -> np.ndarray:
    """The frame in a message, uint8 of shape height, width, 3.

    Raises:
        Refusal: 400, it is not one of the size that was agreed.
    """
    shape = (wish.height, wish.width, 3)
    if wish.format == "rgb8":
        if len(data) != wish.height * wish.width * 3:
            raise Refusal(400, f"a frame has {wish.height * wish.width * 3} bytes, this message {len(data)}")
        return np.frombuffer(data, np.uint8).reshape(shape)
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            if image.size != (wish.width, wish.height):  # known before anything is decoded
                raise Refusal(
                    400, f"the frame is {image.width}x{image.height}, not {wish.width}x{wish.height}"
                )
            if image.mode.startswith("I"):  # Pillow would clip these, not convert them
                raise Refusal(400, "a gray frame has 8 bits, not 16")
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise Refusal(400, "the frame is not a readable PNG, JPEG or WebP") from error


def _encode(frame: np.ndarray, wish: Wish) -> bytes:
    if wish.format == "rgb8":
        return frame.tobytes()
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "PNG", compress_level=1)
    return file.getvalue()
