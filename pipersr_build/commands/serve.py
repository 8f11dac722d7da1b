"""`serve`: upscaling over HTTP and a web socket, with a page, on this machine."""

import importlib
from typing import Any

from pipersr_build.commands import arguments
from pipersr_build.config import Config, load
from pipersr_build.errors import MachineError
from pipersr_build.progress import say

_SETTINGS = ("host", "port", "token_file")
_UPSCALE = ("package", "backend", "compute_units")
SHORT = {
    **{key: f"serve.{key}" for key in _SETTINGS},
    **{key: f"upscale.{key}" for key in _UPSCALE},
}


def main(words: list[str]) -> int:
    """Listen until Ctrl-C or a signal to end."""
    require_extra("fastapi", "uvicorn", "python_multipart", "websockets")
    from pipersr_build.service import server

    config = settings_of(words)
    token = server.read_token(config.serve)
    with server.listen(config.serve) as bound:
        app = _app(config, token)
        say(f"listening on {server.url(config.serve, bound)} (Ctrl-C ends it)")
        if token is not None:
            say("clients must send the token")
        server.make_server(app, config.serve).run(sockets=[bound])
    return 0


def settings_of(words: list[str]) -> Config:
    """The configuration that the words describe; short names stand for their keys."""
    return load([arguments.in_full(word, SHORT) for word in arguments.overrides_only(words)])


def require_extra(*modules: str) -> None:
    """Check that what the extra `serve` installs is there.

    Raises:
        MachineError: a module is missing.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            fix = "install it with: python -m pip install 'pipersr-build[serve]'"
            raise MachineError(f"the service needs {module}, which is not installed", fix=fix) from error


def _app(config: Config, token: str | None) -> Any:
    """The application with its packages opened: what is wrong with them, or its folder, is said at once."""
    from pipersr_build.commands.service_engine import PackageEngine
    from pipersr_build.service.app import create_app
    from pipersr_build.service.workplace import prepared

    prepared(config.serve.temporary)
    return create_app(config.serve, PackageEngine(config), token)
