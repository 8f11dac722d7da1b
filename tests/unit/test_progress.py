import pytest

from pipersr_build.progress import bar, say


def test_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("[red]title", 1) as shown:
        shown.advance(note="[new]half.png")
    shown_text = capsys.readouterr().err
    assert "[red]title" in shown_text
    assert "[new]half.png" in shown_text


def test_messages_are_neither_interpreted_nor_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    message = "[new]half.png :smile: " + "a long path/" * 20
    say(message)
    assert capsys.readouterr().err == message + "\n"
