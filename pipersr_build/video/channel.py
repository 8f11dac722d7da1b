"""A bounded queue between two threads that either side can end, and the threads at its ends."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Stopped(Exception):  # noqa: N818 - not an error: the other side wants no more
    """The receiving side has ended without a reason of its own."""


class Channel(Generic[Item]):
    """At most `size` items on their way from one thread to another.

    Whoever ends it with an error shows that error to the other side.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = self._stopped = False
        self._error: BaseException | None = None

    def put(self, item: Item) -> None:
        """Hand an item over, waiting for room.

        Raises:
            Stopped: the receiver has ended; its own exception if it failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._items) < self._size)
            if self._stopped:
                raise self._error or Stopped
            self._items.append(item)
            self._changed.notify_all()

    def close(self, error: BaseException | None = None) -> None:
        """The sender has no more; the receiver gets what is on its way, then the error."""
        self._end(error, stopped=False)

    def stop(self, error: BaseException | None = None) -> None:
        """The receiver wants no more: what is on its way is forgotten."""
        self._end(error, stopped=True)

    def __iter__(self) -> Iterator[Item]:
        """The items, in order."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._closed or self._stopped)
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

    def _end(self, error: BaseException | None, *, stopped: bool) -> None:
        with self._changed:
            self._error = self._error or error
            self._closed = True
            if stopped:
                self._stopped = True
                self._items.clear()
            self._changed.notify_all()


@contextmanager
def producer(channel: Channel[Item], items: Iterable[Item], name: str) -> Iterator[None]:
    """A thread that puts the items into the channel; at the end of the block it is stopped and over."""

    def work() -> None:
        try:
            for item in items:
                channel.put(item)
        except Stopped:
            pass
        except BaseException as error:
            channel.close(error)
        else:
            channel.close()

    thread = _start(work, name)
    try:
        yield
    finally:
        channel.stop()
        thread.join()


@contextmanager
def consumer(channel: Channel[Item], take: Callable[[Item], None], name: str) -> Iterator[None]:
    """A thread that takes every item; at the end of the block all are taken, after an error none.

    Raises:
        BaseException: what `take` raised.
    """

    def work() -> None:
        try:
            for item in channel:
                take(item)
        except BaseException as error:
            failed.append(error)
            channel.stop(error)

    failed: list[BaseException] = []
    thread = _start(work, name)
    try:
        yield
    except BaseException:
        channel.stop()
        thread.join()
        raise
    channel.close()
    thread.join()
    if failed:
        raise failed[0]


def _start(work: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread
