"""Who works when: lanes of jobs that run one at a time, in threads that stop when nobody waits for them."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import Request

from pipersr_build.service.refusals import Refusal

Result = TypeVar("Result")


class Lane:
    """Jobs of one kind: one at a time, in the order of their arrival.

    Args:
        title: for the answer that turns a job away: "a video is being upscaled".
        waiting: jobs that may wait behind the one at work; any further one is turned away.
    """

    def __init__(self, title: str, waiting: int) -> None:
        self.title, self.waiting = title, waiting
        self.jobs = 0  # at work, waiting or still being uploaded
        self._lock = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether another job would be turned away."""
        return self.jobs > self.waiting

    @asynccontextmanager
    async def place(self) -> AsyncIterator[asyncio.Lock]:
        """A place in the lane; the lock that is yielded is the job's turn (asyncio's locks are fair).

        Raises:
            Refusal: 429, no place is free.
        """
        if self.busy:
            fix = "try again when it is done; GET /health tells"
            raise Refusal(429, self.title, fix, {"Retry-After": "5"})
        self.jobs += 1
        try:
            yield self._lock
        finally:
            self.jobs -= 1


async def in_thread(work: Callable[[threading.Event], Result]) -> Result:
    """Run `work` in a thread. If the waiting is cancelled, the event that it was given is set.

    The thread's end is awaited in any case, so that a lane is never free while its job still works.
    """
    stop = threading.Event()
    job = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        stop.set()
        await ended(job)
        _look_at(job)
        raise


async def ended(job: "asyncio.Future[Any]") -> None:
    """Wait until `job` is over, however often the waiting is cancelled."""
    while not job.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({job})


async def apart(work: Coroutine[Any, Any, Result]) -> Result:
    """Await `work` in a task of its own, which is cancelled once when the waiting is cancelled.

    Its end is not awaited then. That is for callers inside a scope of anyio's: such a scope cancels again
    and again whoever waits in it, so what is inside cannot wait for a thread's end, and must not let go of
    a lock before that end either.
    """
    job = asyncio.ensure_future(work)
    job.add_done_callback(_look_at)
    try:
        await asyncio.wait({job})
    except asyncio.CancelledError:
        job.cancel()
        raise
    return job.result()


def _look_at(job: "asyncio.Future[Any]") -> None:
    if not job.cancelled():
        job.exception()  # nobody is left to hear of it


async def within(seconds: float, work: Awaitable[Result], what: str) -> Result:
    """Await `work` for at most `seconds`.

    Raises:
        Refusal: 504, it took longer; it was cancelled.
    """
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise Refusal(504, f"{what} took longer than {seconds:g} s", "make it smaller") from error


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Await `work`, and cancel it when the client leaves. The request's body must have been read.

    Raises:
        Refusal: 499, the client left (nobody sees this answer, but the log does).
    """
    job, left = asyncio.ensure_future(work), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({job, left}, return_when=asyncio.FIRST_COMPLETED)
        if job.done():
            return job.result()
        raise Refusal(499, "the client left")
    finally:
        left.cancel()
        if not job.done():
            job.cancel()
            await ended(job)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
