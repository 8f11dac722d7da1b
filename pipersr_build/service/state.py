"""What the parts of the running service share."""

from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import HTTPConnection

from pipersr_build.config.serve import ServeConfig
from pipersr_build.service.engine import Engine
from pipersr_build.service.jobs import Jobs
from pipersr_build.service.lanes import Lane
from pipersr_build.service.results import Results


@dataclass(frozen=True)
class State:
    """Settings, the engine, the lanes, and the private folder of this run."""

    settings: ServeConfig
    engine: Engine
    place: Path
    pictures: Lane
    videos: Lane
    streams: Lane
    results: Results
    jobs: Jobs


def make_state(settings: ServeConfig, engine: Engine, place: Path) -> State:
    """The state of a service that has not been asked anything yet."""
    return State(
        settings=settings,
        engine=engine,
        place=place,
        pictures=Lane("too many pictures are waiting", settings.queue),
        videos=Lane("a video is being upscaled", 0),
        streams=Lane("a stream is open", 0),
        results=Results(place, settings.result_seconds),
        jobs=Jobs(),
    )


def state_of(connection: HTTPConnection) -> State:
    """The state of the application that a request came to."""
    app: FastAPI = connection.app
    state = app.state.service
    assert isinstance(state, State)
    return state
