"""Connections that are cut when their client is silent: uvicorn itself waits for such a client for ever."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_HEAD_SECONDS = 10.0  # that a request's head may take, at most


class _Untaken:
    """Cuts a connection whose client takes not a byte of what is to be sent for `seconds`.

    Closing would not do: that waits until the client has taken the rest.
    """

    def __init__(self, transport: asyncio.Transport, seconds: float) -> None:
        self._transport, self._seconds, self._bytes = transport, seconds, 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """There is more to send than the client takes."""
        self.end()
        self._bytes = self._transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def end(self) -> None:
        """The client took it, or went."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        if self._transport.get_write_buffer_size() < self._bytes:
            self.begin()
        else:
            self._transport.abort()


class _Watched(asyncio.Protocol):
    """A protocol whose connection is cut by `_Untaken`; to stand before uvicorn's in a class' bases."""

    idle_seconds = 60.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio's protocols have it, like what follows."""
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        self._untaken = _Untaken(transport, self.idle_seconds)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._untaken.begin()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._untaken.end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._untaken.end()
        super().connection_lost(exc)


class HttpConnection(_Watched, H11Protocol):
    """A connection that is also cut when no whole request head comes in time."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # noqa: D102
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:  # noqa: D102
        super().data_received(data)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        self._no_longer_await_head()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        """Set the clock where a head has begun, or must; further bytes of it do not turn it back."""
        if self.conn.their_state is not h11.IDLE:
            self._no_longer_await_head()
        elif self._head is None:
            seconds = min(_HEAD_SECONDS, self.idle_seconds)
            self._head = self.loop.call_later(seconds, self.transport.abort)

    def _no_longer_await_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


class SocketConnection(_Watched, WebSocketsSansIOProtocol):
    """A web socket's connection."""


def connections(idle_seconds: float) -> dict[str, Any]:
    """Uvicorn's options `http` and `ws`: connections that wait for so many seconds."""
    settings = {"idle_seconds": idle_seconds}
    return {
        "http": type("HttpConnection", (HttpConnection,), settings),
        "ws": type("SocketConnection", (SocketConnection,), settings),
    }
