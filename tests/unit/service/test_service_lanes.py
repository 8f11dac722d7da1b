"""Waiting for jobs, and what becomes of them when the waiting is cancelled."""

import asyncio
import time

import pytest

from pipersr_build.service import lanes


async def cancelled(task, times=1):
    await asyncio.sleep(0.01)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0.01)


def test_a_thread_is_waited_for_however_often_it_is_cancelled():
    ended = []

    def work(stop):
        assert stop.wait(30)
        time.sleep(0.2)
        ended.append(True)

    async def main():
        task = asyncio.ensure_future(lanes.in_thread(work))
        await cancelled(task, times=5)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended

    asyncio.run(main())


def test_work_apart_is_cancelled_once_and_not_waited_for():
    seen = []

    async def work():
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            seen.append("cancelled")
            await asyncio.sleep(0.1)
            seen.append("over")
            raise

    async def main():
        task = asyncio.ensure_future(lanes.apart(work()))
        await cancelled(task)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ["cancelled"]
        await asyncio.sleep(0.2)
        assert seen == ["cancelled", "over"]

    asyncio.run(main())


def test_work_apart_gives_its_result_or_its_error():
    async def fails():
        raise KeyError("a")

    assert asyncio.run(lanes.apart(asyncio.sleep(0, "done"))) == "done"
    with pytest.raises(KeyError):
        asyncio.run(lanes.apart(fails()))
