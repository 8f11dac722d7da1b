"""Temporary folders: private, removed, also after a crash."""

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipersr_build.errors import InputError
from pipersr_build.service.results import Results
from pipersr_build.service.workplace import default_folder, job_folder, sweep, workplace


def test_folders_are_private_and_gone_at_the_end(tmp_path):
    with workplace(tmp_path / "w") as place, job_folder(place) as job:
        for folder in (place, job):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (job / "upload").write_bytes(b"x")
    assert not list((tmp_path / "w").iterdir())


def test_they_are_gone_after_an_error_too(tmp_path):
    with pytest.raises(ZeroDivisionError), workplace(tmp_path / "w") as place, job_folder(place):
        raise ZeroDivisionError
    assert not list((tmp_path / "w").iterdir())


def test_what_a_killed_server_left_is_removed_and_a_living_ones_is_kept(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from pipersr_build.service.workplace import workplace\n"
        "with workplace(Path(sys.argv[1])) as p: (p / 'secret').touch(); print(p, flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        left = other.stdout.readline().strip()
        assert sweep(tmp_path) == []
        assert Path(left, "secret").is_file()
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert Path(left, "secret").is_file()
    with workplace(tmp_path) as place:
        assert list(tmp_path.iterdir()) == [place]


def test_a_folder_that_others_may_write_to_is_refused(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(InputError, match="others may write"), workplace(shared):
        pass
    assert not list(shared.iterdir())


def test_links_are_not_followed(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "w"
    outside.mkdir()
    folder.mkdir()
    (outside / "lock").touch()
    (folder / "run-link").symlink_to(outside)
    assert sweep(folder) == []
    assert (outside / "lock").exists()


def test_the_default_is_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "pipersr-build" / "service"


def test_results_are_given_once_and_not_for_ever(tmp_path):
    now = [0.0]
    results = Results(tmp_path, 10, clock=lambda: now[0])

    def add(name):
        (tmp_path / name).write_text(name)
        return results.add(tmp_path / name, name)

    key = add("a")
    assert results.take("b") is None
    taken = results.take(key)
    assert taken.path.read_text() == "a"
    assert results.take(key) is None
    taken.path.unlink()
    old = add("old")
    now[0] = 11
    assert results.take(old) is None
    keys = [add(str(number)) for number in range(6)]
    assert len(list(tmp_path.iterdir())) == 4
    assert [results.take(key) is not None for key in keys] == [False, False, True, True, True, True]
