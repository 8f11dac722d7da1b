import contextlib
import gc
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipersr_build.errors import InputError
from pipersr_build.runtime.pipeline import FrameSession
from pipersr_build.runtime.switching import quick_switching

HEIGHT, WIDTH = 6, 10
NAMES = ("convert in", "predict", "convert out")


def twice(tensor):
    return tensor.repeat(2, axis=2).repeat(2, axis=3)


def twice_rgb(frame, out):
    out[...] = frame.repeat(2, axis=0).repeat(2, axis=1)


def frames(count):
    return [np.full((HEIGHT, WIDTH, 3), index % 256, np.uint8) for index in range(count)]


def session(predict=twice, **more):
    return FrameSession(predict, height=HEIGHT, width=WIDTH, scale=2, **more)


def levels(results):
    return [int(result[0, 0, 0]) for result in results]


@pytest.fixture(autouse=True)
def _no_thread_stays():
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name in NAMES]
    assert left == []


@pytest.fixture(
    params=[{}, {"dtype": np.float32}, {"predict": None, "predict_rgb": twice_rgb}, {"depth": 1}],
    ids=["fp16", "fp32", "rgb", "depth 1"],
)
def opened(request):
    with session(**request.param) as made:
        yield made


def test_every_frame_comes_out_enlarged_and_in_order(opened):
    for _ in range(2):  # a session serves several videos
        results = [(result.shape, result.copy()) for result in opened.run(iter(frames(300)))]
        assert {shape for shape, _ in results} == {(2 * HEIGHT, 2 * WIDTH, 3)}
        assert all((made == index % 256).all() for index, (_, made) in enumerate(results))
        assert len(results) == 300
    assert [stage.frames for stage in opened.stages.values()] == [600] * 4
    assert opened.stages["predict"].seconds > 0


def test_no_frames_give_no_frames(opened):
    assert list(opened.run([])) == []


def test_one_frame_at_a_time_comes_in_one_buffer(opened):
    made = []
    for level, frame in enumerate(frames(4)):
        made.append(opened.upscale(frame))
        assert (made[-1] == level).all()
    assert len(addresses(made)) == 1
    assert opened.stages["predict"].frames == 4


def test_a_yielded_frame_keeps_while_the_stages_go_on(opened):
    for index, result in enumerate(opened.run(frames(20))):
        time.sleep(0.002)
        assert (result == index).all()


def test_the_stages_work_at_the_same_time():
    """Reading the third frame and predicting the second wait for each other: in turn they never meet."""
    together = threading.Barrier(2, timeout=20)
    meeting = iter(range(3))

    def reading():
        yield from frames(2)
        together.wait()
        yield frames(1)[0]

    def predict(tensor):
        if next(meeting) == 1:  # the second frame is predicted while the third is read
            together.wait()
        return twice(tensor)

    with session(predict) as made:
        assert len(list(made.run(reading()))) == 3


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_slow_consumer_holds_the_stages_back(depth):
    taken = []

    def watched():
        for index, frame in enumerate(frames(100)):
            taken.append(index)
            yield frame

    with session(depth=depth) as made:
        results = made.run(watched())
        for used in range(1, 20):
            next(results)
            time.sleep(0.005)
            # in each input buffer, in each output buffer, one being read: none more
            assert len(taken) <= used + 2 * depth + 2
        results.close()


def addresses(arrays):
    return {array.ctypes.data for array in arrays}


def test_buffers_are_allocated_once():
    seen = []

    def predict(tensor):
        seen.append(tensor)
        return big

    big = np.zeros((1, 3, 360, 640), np.float16)
    made = FrameSession(predict, height=180, width=320, scale=2)
    frame = np.zeros((180, 320, 3), np.uint8)
    results = addresses(made.run(frame for _ in range(30)))
    inputs = addresses(seen)
    assert (len(inputs), len(results)) == (2, 3)
    assert addresses(made.run(frame for _ in range(30))) == results
    assert addresses(seen) == inputs


BIG = np.zeros((1, 3, 360, 640), np.float16)
WAYS = {
    "fp16": {"predict": lambda _: BIG},
    "rgb": {"predict_rgb": lambda frame, out: np.copyto(out[::2, ::2], frame)},
}


@contextlib.contextmanager
def no_memory_of_a_frames_size():
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("way", WAYS)
def test_a_frame_allocates_no_memory_of_a_frames_size(way):
    frame = np.zeros((180, 320, 3), np.uint8)  # 172,800 bytes; four times that come out
    with FrameSession(**WAYS[way], height=180, width=320, scale=2) as made:
        results = made.run(frame for _ in range(60))
        for _ in range(20):
            next(results)
        with no_memory_of_a_frames_size():
            for _ in range(30):
                next(results)
        results.close()
        made.upscale(frame)
        with no_memory_of_a_frames_size():
            made.upscale(frame)


class OddError(Exception):
    pass


def failing_at(index, action):
    count = iter(range(10_000))

    def act(*given):
        if next(count) == index:
            raise OddError("of its own")
        return action(*given)

    return act


@pytest.mark.parametrize("kind", ["fp16", "rgb"])
def test_an_error_of_the_prediction_comes_after_the_frames_before_it(kind):
    failing = failing_at(5, twice if kind == "fp16" else twice_rgb)
    more = {} if kind == "fp16" else {"predict": None, "predict_rgb": failing}
    got = []
    with session(**({"predict": failing} | more)) as made:
        with pytest.raises(OddError, match="of its own"):
            got.extend(levels([result])[0] for result in made.run(frames(30)))
        assert got == [0, 1, 2, 3, 4]
        assert levels(made.run(frames(0))) == []
        assert len(list(made.run(frames(7)))) == 7  # and the session goes on


def test_an_error_while_reading_comes_after_the_frames_before_it():
    def broken():
        yield from frames(3)
        raise OddError("file ends here")

    got = []
    with session() as made, pytest.raises(OddError, match="file ends here"):
        got.extend(levels([result])[0] for result in made.run(broken()))
    assert got == [0, 1, 2]


@pytest.mark.parametrize("result", [np.zeros((1, 3, 4, 4), np.float16), np.zeros((1, 3, 12, 20), np.int32)])
def test_a_prediction_of_another_shape_or_type_is_an_error(result):
    with session(lambda _: result) as made, pytest.raises(ValueError, match="tensor is float16 or float32"):
        list(made.run(frames(1)))


def test_a_frame_of_another_size_is_an_error_that_says_both():
    smaller = np.zeros((HEIGHT, WIDTH - 1, 3), np.uint8)
    with session() as made:
        with pytest.raises(InputError, match=r"\(6, 9, 3\), not uint8 of \(6, 10, 3\)"):
            list(made.run([*frames(2), smaller]))
        with pytest.raises(InputError, match="not uint8"):
            made.upscale(smaller)
        with pytest.raises(InputError, match="float64"):
            made.upscale(np.zeros((HEIGHT, WIDTH, 3)))
        with pytest.raises(InputError, match="a frame is NoneType"):
            made.upscale(None)


def test_cancelling_ends_the_iterator_between_two_frames():
    with session() as made:
        got = []
        for result in made.run(frames(100)):
            got += levels([result])
            if len(got) == 3:
                made.cancel()
        assert got == [0, 1, 2]
        assert len(list(made.run(frames(5)))) == 5


def test_cancelling_before_the_first_frame_is_asked_for_holds():
    with session() as made:
        results = made.run(iter(frames(3)))
        made.cancel()
        assert list(results) == []
        assert made.stages["read"].frames == 0
        assert len(list(made.run(frames(5)))) == 5  # which was asked for afterwards


def test_cancelling_ends_the_run_that_is_on_and_those_that_wait():
    with session() as made:
        on, waiting = made.run(frames(50)), made.run(frames(50))
        next(on)
        made.cancel()
        assert list(on) == []
        assert list(waiting) == []


def test_cancelling_what_has_ended_does_nothing_to_the_next():
    with session() as made:
        assert len(list(made.run(frames(2)))) == 2
        made.cancel()
        assert len(list(made.run(frames(2)))) == 2


def test_cancelling_wakes_a_consumer_that_waits():
    begun, go_on = threading.Event(), threading.Event()

    def predict(tensor):
        begun.set()
        go_on.wait(20)
        return twice(tensor)

    with session(predict) as made:

        def cancel():
            begun.wait(20)
            made.cancel()
            go_on.set()

        helper = threading.Thread(target=cancel)
        helper.start()
        assert list(made.run(frames(50))) == []
        helper.join()


def test_a_closed_session_takes_nothing_more():
    made = session()
    results = made.run(frames(50))
    next(results)
    made.close()
    made.close()
    assert list(results) == []
    with pytest.raises(RuntimeError, match="closed"):
        made.upscale(frames(1)[0])
    with pytest.raises(RuntimeError, match="closed"):
        next(made.run(frames(1)))


def test_two_runs_at_once_are_refused():
    with session() as made:
        results = made.run(frames(50))
        next(results)
        with pytest.raises(RuntimeError, match="other frames"):
            next(made.run(frames(1)))
        with pytest.raises(RuntimeError, match="other frames"):
            made.upscale(frames(1)[0])
        results.close()
        assert levels([made.upscale(frames(2)[1])]) == [1]


def test_a_forgotten_iterator_ends_its_threads():
    with session() as made:
        next(made.run(frames(50)))
        gc.collect()
        assert not [t for t in threading.enumerate() if t.name in NAMES]


def test_a_memory_begins_anew_with_each_run_and_lasts_over_single_frames():
    state = []
    with session(lambda t: (state.append(1), twice(t))[1], reset=state.clear) as made:
        list(made.run(frames(5)))
        list(made.run(frames(3)))
        assert len(state) == 3
        made.upscale(frames(1)[0])
        assert len(state) == 4


def test_a_session_needs_one_way_to_predict():
    with pytest.raises(ValueError, match="either predict or predict_rgb"):
        session(predict_rgb=twice_rgb)
    with pytest.raises(ValueError, match="either predict or predict_rgb"):
        session(None)


def test_quick_switching_ends_with_the_last():
    before = sys.getswitchinterval()
    with quick_switching():
        with quick_switching():
            assert sys.getswitchinterval() == pytest.approx(0.0005)
        assert sys.getswitchinterval() == pytest.approx(0.0005)
    assert sys.getswitchinterval() == before


WHO = st.sampled_from(["nobody", "read", "predict", "consumer stops", "consumer raises", "cancel"])


def consume(opened, given, who, when, slow):
    """The levels that a consumer gets which stops, raises or cancels after frame `when`."""
    got = []
    with contextlib.suppress(OddError):
        for result in opened.run(given):
            got += levels([result])
            time.sleep(0.0005 * slow)
            if len(got) <= when:
                continue
            if who == "consumer stops":
                break
            if who == "consumer raises":
                raise OddError
            if who == "cancel":
                opened.cancel()
    return got


@settings(deadline=None, max_examples=120)
@given(st.integers(0, 12), st.integers(1, 3), WHO, st.integers(0, 12), st.integers(0, 3), st.booleans())
def test_whoever_ends_it_and_whenever_nothing_hangs(count, depth, who, when, slow, rgb):
    """Any stage fails, or the consumer stops, raises or cancels, at any frame and any relative speed."""
    failing = {
        name: failing_at(when if who == name else -1, action)
        for name, action in {"read": np.copy, "predict": twice_rgb if rgb else twice}.items()
    }

    def reading():
        for frame in frames(count):
            time.sleep(0.0005 * (slow == 1))
            yield failing["read"](frame)

    def predict(*given):
        time.sleep(0.0005 * (slow == 2))
        return failing["predict"](*given)

    ways = {"predict": None, "predict_rgb": predict} if rgb else {"predict": predict}
    with session(**ways, depth=depth) as opened:
        got = consume(opened, reading(), who, when, slow == 3)
    ended = when if who in failing else when + 1
    assert got == list(range(count if who == "nobody" else min(count, ended)))
