"""Stages of a pipeline: threads that hand items on in order, with bounded memory and without polling."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np


@dataclass(slots=True)
class StageTime:
    """How long a stage worked, in seconds without its waiting, and on how many frames."""

    seconds: float = 0.0
    frames: int = 0

    @property
    def milliseconds(self) -> float:
        """Mean milliseconds of a frame; 0 before the first."""
        return 1e3 * self.seconds / self.frames if self.frames else 0.0

    def timed(self, action: Callable[..., Any], *arguments: Any) -> Any:
        """Call `action` and count its time as one frame's."""
        started = time.perf_counter()
        result = action(*arguments)
        self.seconds += time.perf_counter() - started
        self.frames += 1
        return result


@dataclass(frozen=True, slots=True)
class _End:
    """What follows the last item: nothing, or the error that ended the run."""

    error: BaseException | None = None


@dataclass(frozen=True)
class Work:
    """What the stages do.

    Attributes:
        convert_in: writes a frame into an input buffer.
        predict: makes a result of an input buffer; may write it into the output buffer that it is given.
        convert_out: writes a result into that output buffer.
        times: of `read` and the three stages, counted while they work.
        prepare: called once in each converting thread.
    """

    convert_in: Callable[[np.ndarray, np.ndarray], None]
    predict: Callable[[np.ndarray, np.ndarray], np.ndarray]
    convert_out: Callable[[np.ndarray, np.ndarray], None]
    times: dict[str, StageTime]
    prepare: Callable[[], None]


class Run:
    """One pass of frames through three threads: read and convert in, predict, convert out.

    Buffers circulate: a stage takes an empty one, fills it and hands it on, and gets it back when the next
    stage is done with it. So a stage that is ahead waits for a buffer, one that is behind waits for an item,
    both in a queue, and no more frames are on their way than there are buffers. An error travels behind the
    items that were before it.
    """

    def __init__(self, work: Work, inputs: list[np.ndarray], outputs: list[np.ndarray]) -> None:
        self._work = work
        self._empty_in: SimpleQueue[Any] = SimpleQueue()
        self._filled: SimpleQueue[Any] = SimpleQueue()
        self._empty_out: SimpleQueue[Any] = SimpleQueue()
        self._predicted: SimpleQueue[Any] = SimpleQueue()
        self._done: SimpleQueue[Any] = SimpleQueue()
        for queue, buffers in ((self._empty_in, inputs), (self._empty_out, outputs)):
            for buffer in buffers:
                queue.put(buffer)
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def frames(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The results in order; each is valid until the next is asked for."""
        try:
            self._start(frames)
            while True:
                item = self._done.get()
                if self._stopped.is_set():
                    return
                if isinstance(item, _End):
                    if item.error is not None:
                        raise item.error
                    return
                yield item
                self._empty_out.put(item)
        finally:
            self.end()

    def end(self) -> None:
        """Stop, and wait until every stage has; a stage that calls this does not wait for itself."""
        self.stop()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def stop(self) -> None:
        """Let every stage end after its frame, from any thread; frames on their way are lost."""
        self._stopped.set()
        for queue in (self._empty_in, self._filled, self._empty_out, self._predicted, self._done):
            queue.put(_End())

    def _start(self, frames: Iterable[np.ndarray]) -> None:
        stages: list[tuple[str, Callable[[], None], SimpleQueue[Any]]] = [
            ("convert in", lambda: self._read(frames), self._filled),
            ("predict", self._predict, self._predicted),
            ("convert out", self._finish, self._done),
        ]
        for name, stage, following in stages:
            thread = threading.Thread(target=self._guard, args=(stage, following), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _guard(self, stage: Callable[[], None], following: "SimpleQueue[Any]") -> None:
        """Run a stage; what it raises goes on to the consumer."""
        try:
            stage()
        except BaseException as error:
            following.put(_End(error))

    def _take(self, queue: "SimpleQueue[Any]", following: "SimpleQueue[Any]") -> Any:
        """The next item; None where there is none any more, which the following stage is told."""
        item = queue.get()
        if not self._stopped.is_set() and not isinstance(item, _End):
            return item
        following.put(item if isinstance(item, _End) else _End())
        return None

    def _read(self, frames: Iterable[np.ndarray]) -> None:
        self._work.prepare()
        times, iterator = self._work.times, iter(frames)
        while (buffer := self._take(self._empty_in, self._filled)) is not None:
            try:
                frame = times["read"].timed(next, iterator)
            except StopIteration:
                self._filled.put(_End())
                return
            times["convert in"].timed(self._work.convert_in, frame, buffer)
            self._filled.put(buffer)

    def _predict(self) -> None:
        while (given := self._take(self._filled, self._predicted)) is not None:
            if (buffer := self._take(self._empty_out, self._predicted)) is None:
                return
            result = self._work.times["predict"].timed(self._work.predict, given, buffer)
            self._empty_in.put(given)
            self._predicted.put((result, buffer))

    def _finish(self) -> None:
        self._work.prepare()
        while (item := self._take(self._predicted, self._done)) is not None:
            result, buffer = item
            self._work.times["convert out"].timed(self._work.convert_out, result, buffer)
            self._done.put(buffer)
