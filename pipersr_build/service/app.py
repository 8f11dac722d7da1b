"""The application: the paths, the guard before them, the private folder under them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from pipersr_build import __version__
from pipersr_build.config.serve import ServeConfig
from pipersr_build.errors import BuildError
from pipersr_build.service import pictures, stream, videos
from pipersr_build.service.engine import Engine
from pipersr_build.service.guard import Guard
from pipersr_build.service.page import page
from pipersr_build.service.refusals import Refusal, answer
from pipersr_build.service.state import State, make_state, state_of
from pipersr_build.service.workplace import workplace

_PURGE_EVERY = 15.0  # seconds
_CALLS = 64  # that may be under way besides the pictures that wait


def create_app(settings: ServeConfig, engine: Engine, token: str | None = None) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: checked ones.
        engine: what does the work.
        token: that clients must show; None: none is asked for.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with workplace(settings.temporary) as place:
            app.state.service = make_state(settings, engine, place)
            purging = asyncio.ensure_future(_purge(app.state.service))
            try:
                yield
            finally:
                purging.cancel()

    app = FastAPI(
        title="pipersr-build",
        version=__version__,
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # these two fetch scripts from the net
        redoc_url=None,
        exception_handlers=dict.fromkeys((Refusal, BuildError, HTTPException, Exception), answer),
    )
    app.add_middleware(Guard, hosts=settings.hosts, token=token, calls=_CALLS + settings.queue)
    app.include_router(pictures.router)
    app.include_router(videos.router)
    app.include_router(stream.router)
    app.add_api_route("/health", health, methods=["GET"])
    app.add_api_route("/", index, methods=["GET"], include_in_schema=False)
    return app


async def health(request: Request) -> dict[str, Any]:
    """Whether the service lives, what runs the packages, and what is at work."""
    state = state_of(request)
    return {
        "status": "ok",
        "version": __version__,
        "engine": state.engine.name,
        "scale": state.engine.scale,
        "pictures": state.pictures.jobs,
        "video_busy": state.videos.busy,
        "stream_busy": state.streams.busy,
        "limits": {
            "image_side": state.settings.image_side,
            "video_side": state.settings.video_side,
            "image_mib": state.settings.image_mib,
            "video_mib": state.settings.video_mib,
        },
    }


async def index() -> HTMLResponse:
    """The page."""
    text, policy = page()
    return HTMLResponse(text, headers={"Content-Security-Policy": policy})


async def _purge(state: State) -> None:
    while True:
        await asyncio.sleep(_PURGE_EVERY)
        state.results.purge()
