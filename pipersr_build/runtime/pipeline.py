"""The double-buffered pipeline: frames are converted, predicted and converted back at the same time.

While a package predicts frame N, frame N+1 is read and converted for it, and frame N-1 is converted back and
used. Buffers are allocated once for a session.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import numpy as np

from pipersr_build.errors import InputError
from pipersr_build.runtime.stages import Run, StageTime, Work
from pipersr_build.runtime.switching import quick_switching
from pipersr_build.scales import to_hr

Predict = Callable[[np.ndarray], np.ndarray]
PredictRGB = Callable[[np.ndarray, np.ndarray], object]
STAGES = ("read", "convert in", "predict", "convert out")


class FrameSession:
    """Upscales frames of one size, many of them as a pipeline or one at a time.

    Args:
        predict: of a tensor 1, 3, height, width in [0, 1] makes one of 1, 3, scale height, scale width. It
            may return a buffer of its own, if it does not write into it again for the next `depth` + 1 calls.
        predict_rgb: instead of `predict`: takes a frame, uint8 height, width, 3, and writes the one that it
            makes into its second argument, uint8 scale height, scale width, 3, a buffer of the session; what
            it returns is not used. For tiles, which need no conversion.
        height: of the frames that come in, in pixels.
        width: of the frames that come in.
        scale: HR pixels per LR pixel.
        dtype: of the tensors that `predict` takes.
        depth: how many frames may wait before and after the prediction; 2 is double buffering.
        reset: called before the first frame of each run, for a network that remembers the frame before.

    Attributes:
        stages: how long `read`, `convert in`, `predict` and `convert out` worked and on how many frames, over
            all the session.
    """

    def __init__(
        self,
        predict: Predict | None = None,
        *,
        height: int,
        width: int,
        scale: float,
        dtype: type[np.generic] = np.float16,
        depth: int = 2,
        reset: Callable[[], None] | None = None,
        predict_rgb: PredictRGB | None = None,
    ) -> None:
        if (predict is None) == (predict_rgb is None) or depth < 1:
            raise ValueError("give either predict or predict_rgb, and a depth of at least 1")
        self.height, self.width, self.scale = height, width, scale
        self._shape = (height, width, 3)
        out_shape = (to_hr(height, scale), to_hr(width, scale), 3)
        in_shape = self._shape if predict is None else (1, 3, height, width)
        in_dtype = np.uint8 if predict is None else dtype
        self._inputs = [np.zeros(in_shape, in_dtype) for _ in range(depth)]
        self._outputs = [np.zeros(out_shape, np.uint8) for _ in range(depth + 1)]  # the caller holds one
        self.stages = {name: StageTime() for name in STAGES}
        self._work = self._stages_of(predict, predict_rgb)
        self._reset = reset
        self._busy = threading.Lock()
        self._cancels = 0
        self._run: Run | None = None
        self._closed = False

    def run(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Upscale frames as a pipeline, in order.

        Args:
            frames: uint8 of shape height, width, 3. They are taken one by one in a thread of the session,
                ahead of the results; each has been used when the next is asked for. Whoever gives them must
                not wait for a result first, and should not keep `next` waiting for ever: the end of the run
                waits for it.

        Yields:
            uint8 of shape scale height, scale width, 3: a buffer of the session, valid until the next is
            asked for.

        Raises:
            InputError: a frame of another size or type.
            RuntimeError: the session is at other frames, or closed.

        What `frames` or `predict` raise is raised here, after the frames before it. Whoever stops early or
        raises ends the run: the stages finish what they are at and stop.
        """
        return self._results(frames, self._cancels)

    def upscale(self, frame: np.ndarray) -> np.ndarray:
        """Upscale one frame now.

        A network that remembers sees this frame after the one of the call before.

        Returns:
            A buffer of the session, valid until it is given the next frame.

        Raises:
            InputError: a frame of another size or type.
            RuntimeError: the session is at other frames, or closed.
        """
        with self._alone():
            given, result = self._inputs[0], self._outputs[0]
            self.stages["convert in"].timed(self._work.convert_in, frame, given)
            made = self.stages["predict"].timed(self._work.predict, given, result)
            self.stages["convert out"].timed(self._work.convert_out, made, result)
            return result

    def cancel(self) -> None:
        """End every run asked for so far between two frames, from any thread.

        Its iterator ends as if there were no more frames: at once where its first has not been asked for yet.
        Runs asked for afterwards are not concerned.
        """
        self._cancels += 1  # before the run is looked for: see `_results`
        if self._run is not None:
            self._run.stop()

    def close(self) -> None:
        """Cancel a run that is on, wait for its threads, and take no more frames."""
        self._closed = True
        self.cancel()
        if self._run is not None:
            self._run.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _results(self, frames: Iterable[np.ndarray], cancels: int) -> Iterator[np.ndarray]:
        """The results of a run that was asked for when there had been so many `cancels`."""
        with self._alone():
            self._run = run = Run(self._work, self._inputs, self._outputs)
            if self._cancels != cancels:  # who cancels from now on finds the run
                return
            if self._reset is not None:
                self._reset()
            with quick_switching():
                yield from run.frames(frames)

    def _stages_of(self, predict: Predict | None, predict_rgb: PredictRGB | None) -> Work:
        from pipersr_build.runtime import convert

        if predict_rgb is not None:
            return Work(self._copy_in, _writing(predict_rgb), _keep, self.stages, lambda: None)
        assert predict is not None
        made = _allocating(predict)
        return Work(self._convert_in, made, convert.fp16_to_rgb8, self.stages, convert.one_thread)

    def _convert_in(self, frame: np.ndarray, tensor: np.ndarray) -> None:
        from pipersr_build.runtime.convert import rgb8_to_fp16

        self._check(frame)
        rgb8_to_fp16(frame, tensor)

    def _copy_in(self, frame: np.ndarray, kept: np.ndarray) -> None:
        self._check(frame)
        kept[...] = frame

    def _check(self, frame: np.ndarray) -> None:
        given = type(frame).__name__
        if isinstance(frame, np.ndarray):
            if frame.shape == self._shape and frame.dtype == np.uint8:
                return
            given = f"{frame.dtype} of {frame.shape}"
        raise InputError(
            f"a frame is {given}, not uint8 of {self._shape}",
            fix="give frames of one size, 8-bit RGB, and begin another session for another size",
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._closed:
            raise RuntimeError("the session is closed")
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("the session is at other frames: use one session for each video")
        try:
            yield
        finally:
            self._busy.release()


def _allocating(predict: Predict) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """What predicts without the buffer, which is for the frame that its result is converted to."""
    return lambda tensor, _: predict(tensor)


def _writing(predict_rgb: PredictRGB) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def write(frame: np.ndarray, out: np.ndarray) -> np.ndarray:
        predict_rgb(frame, out)
        return out

    return write


def _keep(result: np.ndarray, frame: np.ndarray) -> None:
    """Leave the frame as it is: the prediction has written it."""
    assert result is frame
