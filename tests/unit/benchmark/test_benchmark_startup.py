from pipersr_build.benchmark import startup


def test_whole_processes_are_timed_in_turn(monkeypatch):
    calls, times = [], iter([0.4, 0.1, 0.2, 0.05, 0.3, 0.1])
    monkeypatch.setattr(startup, "RUNS", 3)
    monkeypatch.setattr(startup, "_seconds", lambda *words: calls.append(words) or next(times))
    (figure,) = startup.measure()
    assert calls == [("-m", "pipersr_build", "--help"), ("-c", "")] * 3
    assert (figure.value, figure.limit, figure.unit, figure.holds) == (0.3, 0.5, "s", True)
    assert figure.detail == "median of 3; 3.0 x an empty Python process"


def test_the_seconds_are_those_of_the_process():
    assert startup._seconds("-c", "import time; time.sleep(0.2)") >= 0.2


def test_the_command_really_starts_and_writes_nothing_into_the_table(capfd):
    assert startup._seconds("-m", "pipersr_build", "--version") > 0
    assert capfd.readouterr().out == ""
