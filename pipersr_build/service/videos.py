"""`POST /v1/video/upscale`: a video in, events while it is upscaled, the address of the result at the end."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pipersr_build.service import lanes
from pipersr_build.service.engine import Step, VideoDone
from pipersr_build.service.probes import check_video
from pipersr_build.service.refusals import Refusal, from_error
from pipersr_build.service.schemas import VIDEO_FORM, refusals
from pipersr_build.service.sending import PassingFile, event
from pipersr_build.service.state import State, state_of
from pipersr_build.service.uploads import Upload, receive
from pipersr_build.service.workplace import job_folder

router = APIRouter(prefix="/v1/video")
_TELL_EVERY = 0.25  # seconds between two events, at least
_ALIVE_EVERY = 10.0  # seconds without a frame after which a comment shows that the connection lives


@router.post(
    "/upscale",
    response_class=Response,
    openapi_extra=VIDEO_FORM,
    responses={200: {"content": {"text/event-stream": {}}}, **refusals(400, 401, 408, 413, 415, 429, 507)},
)
async def upscale(request: Request) -> Response:
    """Upscale a video (the form's field `file`); the answer is a stream of server-sent events.

    `progress` {done, total, per_second, seconds_left}; at the end `done` {url, frames, skipped, seconds,
    notes, bytes, keep_seconds} or `error` {error, fix, status}. While one runs, a second is answered 429.
    The work stops when the client leaves.
    """
    state = state_of(request)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(state.videos.place())
        folder = stack.enter_context(job_folder(state.place))
        upload = await receive(
            request,
            folder,
            mib=state.settings.video_mib,
            seconds=state.settings.upload_seconds,
            idle=state.settings.idle_seconds,
        )
        await asyncio.to_thread(check_video, upload.path)
        return _Events(state, upload, folder / "result.mp4", stack.pop_all())


@router.get("/results/{key}", response_class=Response, responses=refusals(401, 404))
async def result(request: Request, key: str) -> Response:
    """The finished video, once: it is gone when this has been answered."""
    waiting = state_of(request).results.take(key)
    if waiting is None:
        raise Refusal(404, "there is no such result, or it was fetched", "upscale the video again")
    return PassingFile(waiting.path, "video/mp4", waiting.name, lambda: waiting.path.unlink(missing_ok=True))


class _Events(StreamingResponse):
    """Runs the job and tells of it in events. It stops the job when the client leaves."""

    def __init__(self, state: State, upload: Upload, target: Path, stack: AsyncExitStack) -> None:
        super().__init__((), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._state, self._upload, self._target, self._stack = state, upload, target, stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events as the ASGI protocol has it; the lane is free when the job's thread has ended."""
        bulletin = _Bulletin()
        async with self._stack:
            job = asyncio.ensure_future(_job(self._state, self._upload, self._target, bulletin))
            self.body_iterator = self._told(job, bulletin)
            try:
                await super().__call__(scope, receive, send)
            finally:
                job.cancel()
                await lanes.ended(job)

    async def _told(self, job: "asyncio.Future[VideoDone]", bulletin: "_Bulletin") -> AsyncIterator[str]:
        yield ": the work begins\n\n"
        try:
            while not job.done():
                step = await bulletin.news(job)
                yield ": alive\n\n" if step is None else event("progress", asdict(step))
            yield event("done", _done(self._state, self._upload, self._target, job.result()))
        except Exception as error:
            refusal = from_error(error)
            yield event("error", refusal.body | {"status": refusal.status})


async def _job(state: State, upload: Upload, target: Path, bulletin: "_Bulletin") -> VideoDone:
    side = state.settings.video_side

    def work(stop: threading.Event) -> VideoDone:
        return state.engine.video(upload.path, target, side=side, told=bulletin.tell, stop=stop)

    return await lanes.within(state.settings.video_seconds, lanes.in_thread(work), "the video")


def _done(state: State, upload: Upload, target: Path, done: VideoDone) -> dict[str, object]:
    """What the last event says; from now on the result can be fetched."""
    size = target.stat().st_size
    key = state.results.add(target, f"{Path(upload.name).stem}_upscaled.mp4")
    more = {"bytes": size, "keep_seconds": state.settings.result_seconds}
    return {"url": f"/v1/video/results/{key}", **asdict(done), **more}


class _Bulletin:
    """The job's thread pins its last step here; the events are read off it, none too often."""

    def __init__(self) -> None:
        self._loop, self._pinned = asyncio.get_running_loop(), asyncio.Event()
        self._step: Step | None = None

    def tell(self, step: Step) -> None:
        """Pin a step; from any thread."""
        self._step = step
        with contextlib.suppress(RuntimeError):  # the server has stopped
            self._loop.call_soon_threadsafe(self._pinned.set)

    async def news(self, job: "asyncio.Future[VideoDone]") -> Step | None:
        """The last step once there is a new one; None if there was none for a while, or the job ended."""
        pinned = asyncio.ensure_future(self._pinned.wait())
        either: set[asyncio.Future[Any]] = {pinned, job}
        try:
            await asyncio.wait(either, timeout=_ALIVE_EVERY, return_when=asyncio.FIRST_COMPLETED)
            if not pinned.done():
                return None
        finally:
            pinned.cancel()
        await asyncio.wait({job}, timeout=_TELL_EVERY)
        self._pinned.clear()
        return self._step
