"""Who may talk to the service. Every request and web socket passes here before anything reads it.

A browser lets any page in the world send requests to 127.0.0.1. Two things tell such a page from a
client of ours: it must say its own name in `Origin`; and where it has made its name point to 127.0.0.1
(DNS rebinding), it says that name in `Host`.
"""

import hmac
import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pipersr_build.service.refusals import Refusal, answer_of

OPEN_PATHS = ("/", "/health")  # hold no secret: the page itself asks for the token
_BEARER = "bearer."  # of a web socket's subprotocol: browsers can set no other header on one
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


class Guard:
    """Refuses calls under foreign names, from foreign pages and without the token, and too many at once.

    What it refuses does not count, so that nobody without the token can keep others out.

    Args:
        app: what is guarded.
        hosts: names that clients may call it by, besides localhost and addresses.
        token: that clients must show; None: none is asked for.
        calls: that may be under way at once.
    """

    def __init__(
        self, app: ASGIApp, hosts: Sequence[str] = (), token: str | None = None, calls: int = 64
    ) -> None:
        self.app, self.token, self.calls = app, token, calls
        self._under_way = 0
        self.hosts = {"localhost", *(name.lower() for name in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the call through or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = self.refusal(Headers(scope=scope), scope["path"]) or self._full()
        if refusal is None:
            self._under_way += 1
            try:
                await self.app(scope, receive, _with_headers(send))
            finally:
                self._under_way -= 1
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.what})
        else:
            await answer_of(refusal)(scope, receive, send)

    def refusal(self, headers: Headers, path: str) -> Refusal | None:
        """Why the call is refused; None if it is let through."""
        host = headers.get("host", "")
        if not self._known(host):
            fix = "call it localhost, or add the name to serve.hosts"
            return Refusal(421, "the service is not known by that name", fix)
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return Refusal(403, "pages of other sites may not use the service")
        if path not in OPEN_PATHS and not self._shows_token(headers):
            fix = "send the header Authorization: Bearer TOKEN"
            return Refusal(401, "the token is missing or wrong", fix, {"WWW-Authenticate": "Bearer"})
        return None

    def _full(self) -> Refusal | None:
        if self._under_way < self.calls:
            return None
        return Refusal(503, "too many calls are under way", "try again later", {"Retry-After": "5"})

    def _known(self, host: str) -> bool:
        """An address cannot be rebound, so only names are held against the list."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            ipaddress.ip_address(name)
        except ValueError:
            return _name(host) in self.hosts
        return True

    def _shows_token(self, headers: Headers) -> bool:
        if self.token is None:
            return True
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        shown = [bearer.strip() if kind.lower() == "bearer" else "", headers.get("x-session-key", "")]
        protocols = headers.get("sec-websocket-protocol", "").split(",")
        shown += [word.strip()[len(_BEARER) :] for word in protocols if word.strip().startswith(_BEARER)]
        return any(hmac.compare_digest(word.encode(), self.token.encode()) for word in shown)


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # such as an unclosed bracket
        return ""


def _with_headers(send: Send) -> Send:
    """Add the headers that every response has."""

    async def sending(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            given = message.get("headers", [])
            assert isinstance(given, list)
            message["headers"] = [*given, *_HEADERS]
        await send(message)

    return sending  # type: ignore[return-value]
