import numpy as np

from pipersr_build.commands import histograms
from pipersr_build.commands.checks import Checked
from pipersr_build.errors import InputError
from tests.unit.report.report_records import package

PICTURES = [(name, np.full((40, 40, 3), level, np.uint8)) for name, level in (("dark", 3), ("light", 250))]


def checked(*paths):
    return [Checked(package(path.name, "image"), []) for path in paths]


def test_the_smallest_package_is_counted_on_both_pictures(tiny):
    found = histograms.of_export(tiny.image.parent, checked(tiny.video, tiny.image), PICTURES)
    assert (found.subject, found.pictures) == (tiny.image.name, ["dark", "light"])


def test_a_large_one_on_the_first_alone(tiny, monkeypatch):
    monkeypatch.setattr(histograms, "LARGE", 500)
    found = histograms.of_export(tiny.image.parent, checked(tiny.image), PICTURES)
    assert found.pictures == ["dark"]


def test_what_cannot_be_counted_is_said_and_stops_no_export(tiny, monkeypatch, capsys):
    def refuse(*_):
        raise InputError("an operation is not known")

    monkeypatch.setattr(histograms, "activations", refuse)
    assert histograms.of_export(tiny.image.parent, checked(tiny.image), PICTURES) is None
    assert "activations are not counted: an operation is not known" in "".join(capsys.readouterr())
    assert histograms.of_export(tiny.image.parent, [], PICTURES) is None
