"""Listen: the rules of binding, the token, and uvicorn."""

import os
import socket
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from pipersr_build.config.serve import ServeConfig, address
from pipersr_build.errors import InputError
from pipersr_build.service.connections import connections

TOKEN_VARIABLE = "PIPERSR_BUILD_TOKEN"
_TOKEN_LENGTH = 16  # characters at least; it may be guessed at from the net
_CLOSING_SECONDS = 5  # that clients have to end when the server is told to


def read_token(serve: ServeConfig) -> str | None:
    """The token of `serve.token_file`, or of the environment; None where there is neither.

    It is never a word of the command line, which every user of the machine can read.

    Raises:
        InputError: the file cannot be read, the token is too short, or one is needed and there is none.
    """
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if serve.token_file is not None:
        try:
            token = Path(serve.token_file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError("the token cannot be read", where=serve.token_file, fix=_MAKE_ONE) from error
    if token and (len(token) < _TOKEN_LENGTH or not token.isascii() or not token.isprintable()):
        what = f"the token must have at least {_TOKEN_LENGTH} printable ASCII characters"
        raise InputError(what, where=serve.token_file or TOKEN_VARIABLE, fix=_MAKE_ONE)
    if not token and (serve.token_file is not None or not address(serve.host).is_loopback):
        what = f"listening on {serve.host}, where other machines can reach it, needs a token"
        raise InputError(what, where="configuration key serve.host", fix=_MAKE_ONE)
    return token or None


_MAKE_ONE = (
    'make one with: python -c "import secrets; print(secrets.token_urlsafe(32))" > token; chmod 600 token; '
    f"then give serve.token_file=token (or the variable {TOKEN_VARIABLE})"
)


def listen(serve: ServeConfig) -> socket.socket:
    """A socket that listens as the settings say: who connects before the server runs waits for it.

    Raises:
        InputError: the port is taken or may not be used, or the address is not this machine's.
    """
    host = address(serve.host)
    bound = socket.socket(socket.AF_INET6 if host.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((str(host), serve.port))
        bound.listen()  # two sockets may be bound to one port, but only one of them listens
    except OSError as error:
        bound.close()
        what = f"cannot listen on {serve.host}, port {serve.port}: {error.strerror}"
        raise InputError(what, where="serve.host, serve.port", fix="choose another serve.port") from error
    return bound


def url(serve: ServeConfig, bound: socket.socket) -> str:
    """Where a browser on this machine finds the page."""
    host = address(serve.host)
    name = "localhost" if host.is_unspecified else f"[{host}]" if host.version == 6 else str(host)
    return f"http://{name}:{bound.getsockname()[1]}/"


def make_server(app: FastAPI, serve: ServeConfig) -> uvicorn.Server:
    """The server, not yet running; `run(sockets=[bound])` runs it until a signal comes."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here depends on who the client says it is
        **connections(serve.idle_seconds),
        ws_max_size=min(3 * serve.video_side**2, 2**30) + 1024,
        ws_per_message_deflate=False,  # frames do not shrink, and a small message could become a huge one
        ws_max_queue=2,
        timeout_graceful_shutdown=_CLOSING_SECONDS,
    )
    return uvicorn.Server(config)
