"""Which formats there are, and what is said where one cannot be made."""

import pytest

from pipersr_build import cli
from pipersr_build.errors import InputError, MachineError
from pipersr_build.export import formats


@pytest.mark.parametrize("value", [["coreml", "onnx", "onnx"], "coreml,onnx", ("coreml", "onnx")])
def test_formats_are_a_list_or_words_with_commas(value):
    assert formats.parse(value) == ["coreml", "onnx"]


@pytest.mark.parametrize("value", [[], "", None, ["tflite"], 3])
def test_another_format_is_refused_and_the_known_ones_named(value):
    with pytest.raises(InputError, match=r"export\.formats") as caught:
        formats.parse(value)
    assert "coreml, onnx, coreai" in str(caught.value)


@pytest.mark.parametrize("name", ["onnx", "coreai"])
def test_what_is_missing_is_found_before_anything_is_made(name, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(formats.NEEDS, name, ("no_such_library",))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MachineError, match="no_such_library"):
        formats.require(name)
    assert cli.main(["export", f"export.formats=[coreml,{name}]"]) == 3
    assert f"pip install 'pipersr-build[{name}]'" in capsys.readouterr().err
    assert not (tmp_path / "exports").exists()


def test_doctor_says_which_formats_can_be_written(monkeypatch, capsys):
    pytest.importorskip("onnxruntime")
    monkeypatch.setitem(formats.NEEDS, "coreai", ("no_such_library",))
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "onnxruntime 1." in shown
    assert "pip install 'pipersr-build[coreai]'" in shown
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["doctor"]) == 0
    assert "…" not in capsys.readouterr().out  # folded, not cut off
