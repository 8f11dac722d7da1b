import errno
import os
import sys
from pathlib import Path

import pytest

from pipersr_build import cli
from pipersr_build.errors import BuildError, InputError, InterruptedRunError, MachineError

GOLDEN = Path(__file__).parent.parent / "golden" / "help.txt"


def test_the_help_is_as_agreed():
    text = "\n\n".join([cli.overview(), *(cli.help_for(name) for name in cli.COMMANDS)]) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_help_imports_nothing_heavy(pipersr_build, tmp_path):
    code = "import sys; from pipersr_build.cli import main; main(['--help']); print(sorted(sys.modules))"
    done = pipersr_build(tmp_path, "--help")
    assert done.returncode == 0
    import subprocess

    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("torch", "coremltools", "lightning", "hydra", "numpy", "rich", "pydantic"):
        assert f"'{heavy}'" not in modules


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_a_module_and_help(name, capsys):
    import importlib

    assert callable(importlib.import_module(f"pipersr_build.commands.{name}").main)
    assert cli.main([name, "--help"]) == 0
    assert f"pipersr-build {name}" in capsys.readouterr().out


def test_unknown_commands_and_options_are_refused(capsys):
    assert cli.main(["fly"]) == 2
    assert "fly" in capsys.readouterr().err
    assert cli.main(["verify", "--wings"]) == 2
    assert "--wings" in capsys.readouterr().err
    assert cli.main(["train", "sometext"]) == 2
    assert "key=value" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("i"), 2),
        (MachineError("m"), 3),
        (InterruptedRunError("r"), 130),
        (KeyboardInterrupt(), 130),
        (OSError(errno.ENOSPC, "No space left on device", "x"), 2),
    ],
)
def test_exit_codes(error, code, monkeypatch, capsys):
    class Module:
        @staticmethod
        def main(_words):
            raise error

    monkeypatch.setattr(cli.importlib, "import_module", lambda _: Module)
    assert cli.main(["doctor"]) == code
    assert capsys.readouterr().err.startswith("error: ")


def test_our_own_bugs_are_not_hidden(monkeypatch):
    class Module:
        @staticmethod
        def main(_words):
            raise ZeroDivisionError

    monkeypatch.setattr(cli.importlib, "import_module", lambda _: Module)
    with pytest.raises(ZeroDivisionError):
        cli.main(["doctor"])


def test_a_message_has_what_where_and_what_to_do():
    message = str(BuildError("it is broken", where=Path("a/b"), fix="mend it"))
    assert message.splitlines() == ["it is broken", "  where: a/b", "  to do: mend it"]
