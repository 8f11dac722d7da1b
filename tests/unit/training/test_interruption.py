import signal
import threading

import pytest

from pipersr_build.errors import InterruptedRunError
from pipersr_build.training import interruption
from pipersr_build.training.interruption import SIGNALS, Interruption


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_and_its_meaning_comes_back(number):
    before, made = signal.getsignal(number), Interruption()
    with made.listening():
        assert not made.asked
        signal.raise_signal(number)
        assert made.asked
        signal.raise_signal(number)  # a launcher passes it on twice
    assert signal.getsignal(number) == before


def test_a_later_second_signal_interrupts(monkeypatch):
    monkeypatch.setattr(interruption, "PATIENCE", -1.0)
    before, made = signal.getsignal(signal.SIGINT), Interruption()
    with made.listening():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(InterruptedRunError, match="at once"):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


def test_signals_that_somebody_else_took_are_taken_back():
    made = Interruption()
    with made.listening():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        made.listen()
        signal.raise_signal(signal.SIGTERM)
    assert made.asked


def test_in_a_thread_nothing_is_changed():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with Interruption().listening():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
