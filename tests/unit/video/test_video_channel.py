import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipersr_build.video.channel import Channel, Stopped, consumer, producer


class BrokenError(Exception):
    pass


def broken_after(count):
    yield from range(count)
    raise BrokenError


@settings(max_examples=25, deadline=None)
@given(count=st.integers(0, 20), size=st.integers(1, 4))
def test_everything_arrives_in_order(count, size):
    there, back, taken = Channel(size), Channel(size), []
    with producer(there, range(count), "p"), consumer(back, taken.append, "c"):
        for item in there:
            back.put(item)
    assert taken == list(range(count))


@settings(max_examples=25, deadline=None)
@given(count=st.integers(0, 20), size=st.integers(1, 4))
def test_an_error_comes_after_what_was_sent(count, size):
    channel, got = Channel(size), []

    def receive():
        for item in channel:
            got.append(item)  # noqa: PERF402 - extend would lose them at the error

    with producer(channel, broken_after(count), "p"), pytest.raises(BrokenError):
        receive()
    assert got == list(range(count))


@settings(max_examples=25, deadline=None)
@given(taken=st.integers(0, 5), size=st.integers(1, 4))
def test_a_receiver_that_ends_early_stops_the_sender(taken, size):
    channel = Channel(size)
    before = threading.active_count()
    with producer(channel, iter(int, 1), "p"):
        for _ in zip(range(taken), channel, strict=False):
            pass
    assert threading.active_count() <= before


@settings(max_examples=25, deadline=None)
@given(at=st.integers(0, 5), size=st.integers(1, 4))
def test_a_failing_receiver_shows_its_error_to_the_sender(at, size):
    channel, seen = Channel(size), []

    def take(item):
        seen.append(item)
        if item == at:
            raise BrokenError

    def send():
        with consumer(channel, take, "c"):
            for number in range(at + 1 + size):
                channel.put(number)
            channel.put(-1)

    with pytest.raises(BrokenError):
        send()
    assert seen == list(range(at + 1))


def test_the_error_of_the_last_item_is_not_lost():
    channel = Channel(2)

    def take(_):
        raise BrokenError

    with pytest.raises(BrokenError), consumer(channel, take, "c"):
        channel.put(0)


def test_no_more_than_its_size_waits():
    channel, made = Channel(2), []

    def items():
        for number in range(10):
            made.append(number)
            yield number

    with producer(channel, items(), "p"):
        received = iter(channel)
        next(received)
        waiting = threading.Event()
        waiting.wait(0.05)  # time enough to run away
        assert len(made) <= 1 + 2 + 1


def test_a_stopped_channel_says_so():
    channel = Channel(1)
    channel.stop()
    with pytest.raises(Stopped):
        channel.put(0)
    assert list(channel) == []
