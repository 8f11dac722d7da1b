"""What the service answers where it does not do what it was asked: a status, what is wrong, what to do."""

import asyncio
import contextlib
import errno
import logging
from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from pipersr_build.errors import BuildError, InputError, MachineError, TooLargeError

_LINGER_BYTES = 256 * 2**20  # of an upload nobody wants, read so that the client gets to see the answer
_LINGER_SECONDS = 5.0
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
BODY_READ = "pipersr_build.body_read"  # in the scope of a request all of whose body has come
log = logging.getLogger(__name__)


class Refusal(Exception):  # noqa: N818 - it is the service's answer, not its failure
    """A request that is not served.

    Args:
        status: of HTTP (RFC 9110), 400 to 599.
        what: what is wrong, in one sentence without a full stop.
        fix: what the client can do about it.
        headers: to send with it, such as Retry-After.
    """

    def __init__(
        self, status: int, what: str, fix: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(what)
        self.status, self.what, self.fix, self.headers = status, what, fix, dict(headers or {})

    @property
    def body(self) -> dict[str, str]:
        """The answer's JSON: `error` and, where there is one, `fix`."""
        return {"error": self.what} | ({"fix": self.fix} if self.fix else {})


def from_error(error: Exception) -> Refusal:
    """The refusal that an error of the work stands for.

    `where` is left out: it names files of this machine. A bug is logged here and not shown.
    """
    if isinstance(error, Refusal):
        return error
    if isinstance(error, HTTPException):  # the router's: no such path, another method
        fix = "GET /v1/openapi.json tells the paths and their methods"
        return Refusal(error.status_code, error.detail.lower(), fix, error.headers)
    if isinstance(error.__cause__ or error, OSError) and _number(error) in _DISK_FULL:
        return Refusal(507, "the server's disk is full")
    if isinstance(error, TooLargeError):
        return Refusal(413, error.what, "send a smaller one (the limits: serve.image_side, serve.video_side)")
    if isinstance(error, InputError):
        return Refusal(422, error.what, error.fix)
    if isinstance(error, MachineError):
        return Refusal(501, error.what, error.fix)
    if isinstance(error, BuildError):
        return Refusal(500, error.what, error.fix)
    log.error("a request failed", exc_info=error)
    return Refusal(500, "the server failed; its log says why")


def _number(error: Exception) -> int | None:
    cause = error.__cause__ or error
    return cause.errno if isinstance(cause, OSError) else None


async def answer(_request: Request, error: Exception) -> JSONResponse:
    """The response for an error; the exception handler of the application."""
    return answer_of(from_error(error))


def answer_of(refusal: Refusal) -> JSONResponse:
    """The response for a refusal."""
    return LingeringResponse(refusal.body, refusal.status, {**refusal.headers, "Connection": "close"})


class LingeringResponse(JSONResponse):
    """Answers, then reads for a while what the client is still sending, then closes.

    A connection that is closed while the other side sends is reset, and a reset can take the answer
    with it. What is read is thrown away. A client that waits to be asked for the body is not asked.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer as the ASGI protocol has it."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        if scope["method"] == "POST" and not scope.get(BODY_READ):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_SECONDS):
                    await _read_away(receive, _LINGER_BYTES)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _read_away(receive: Receive, left: int) -> None:
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body", False):
            return
