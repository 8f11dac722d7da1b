import json

import numpy as np
import pytest
import torch

from pipersr_build import files
from pipersr_build.cli import main
from pipersr_build.commands.inspect import parse
from pipersr_build.errors import InputError
from pipersr_build.export.build import build
from pipersr_build.export.bundle import bundle
from pipersr_build.export.compression.methods import METHODS
from pipersr_build.export.compression.variants import Smaller
from pipersr_build.export.contracts import Contract
from pipersr_build.inspection.inspect import inspect
from pipersr_build.mil.package import open_package

PICTURES = [("noise", np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))]


@pytest.fixture(scope="module")
def report(tiny):
    return inspect(open_package(tiny.video), PICTURES)


def test_every_weight_is_there_with_its_own_numbers(tiny, report):
    found = {tuple(sorted((one.least, one.greatest))) for one in report.functions[0].weights}
    expected = {(float(p.half().min()), float(p.half().max())) for p in tiny.deployed.state_dict().values()}
    assert found == expected
    assert sum(one.elements for one in report.functions[0].weights) == report.functions[0].parameters


@torch.inference_mode()
def test_the_largest_values_are_those_of_the_network(tiny, report):
    lr = torch.from_numpy(PICTURES[0][1][:20, :34].copy()).permute(2, 0, 1)[None] / 255
    head = tiny.deployed.head(lr)
    first = report.functions[0].operations[0]
    assert first.operator == "conv"
    assert first.largest == pytest.approx(float(head.abs().max()), rel=2e-3)
    weight, bias = tiny.deployed.head.weight, tiny.deployed.head.bias
    each = weight.clamp(min=0).sum((1, 2, 3)) + bias.clamp(min=0)
    below = weight.clamp(max=0).sum((1, 2, 3)) + bias.clamp(max=0)
    assert first.sum_of_any == pytest.approx(float(torch.maximum(each, -below).max()), rel=2e-3)


def test_sums_on_pictures_are_no_larger_than_those_of_any_input_and_above_what_was_seen(report):
    rows = [op for op in report.functions[0].operations if op.operator == "conv"]
    assert len(rows) == 4
    for op in rows:
        assert op.largest <= op.sum_on_pictures * 1.002
        assert op.sum_on_pictures <= op.sum_of_any * 1.002
    assert report.margins["sum_on_pictures"] == max(op.sum_on_pictures for op in rows)


def test_the_image_package_and_one_with_a_state_are_run_too(tiny, remembering):
    for path in (tiny.image, remembering.video):
        found = inspect(open_package(path), PICTURES).functions[0]
        assert found.pictures == ["noise"]
        assert found.note == ""
        assert all(op.largest is not None for op in found.operations)


def test_without_pictures_nothing_is_run(tiny):
    found = inspect(open_package(tiny.video), [])
    assert found.margins["largest"] is None
    assert found.margins["sum_of_any"] > 0


def test_compressed_weights_are_measured_as_they_are_computed_with(tiny, tmp_path):
    smaller = Smaller([METHODS["int8"]])
    wanted = [Contract("video", "24x16", 16, 24)]
    made = list(build(tiny.deployed, wanted, tmp_path, deployment="macOS13", title="t", metadata={},
                      smaller=smaller))  # fmt: skip
    whole, less = (inspect(open_package(path), PICTURES).functions[0] for _, path in made)
    assert [one.elements for one in less.weights] == [one.elements for one in whole.weights]
    for one, other in zip(less.weights, whole.weights, strict=True):
        assert one.greatest == pytest.approx(other.greatest, abs=0.02 * max(1, abs(other.greatest)))


@pytest.fixture(scope="module")
def bundled(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundled")
    sizes = [Contract("video", "a", 16, 24), Contract("video", "b", 20, 28)]
    made = build(tiny.deployed, sizes, folder, deployment="macOS15", title="t", metadata={})
    return bundle({c.label: path for c, path in made}, folder / "both.mlpackage", "d", {})


def test_every_function_is_told_and_the_chosen_one_is_run(bundled, capsys):
    assert main(["inspect", str(bundled), "--json", "function=b"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert [(one["name"], bool(one["pictures"])) for one in found["functions"]] == [("b", True), ("a", False)]
    assert found["default"] == "b"


def test_the_terminal_shows_what_the_record_holds(tiny, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["inspect", str(tiny.video), "pictures=none"]) == 0
    shown = capsys.readouterr().out
    assert "macOS 13, iOS 16 and later (specification 7)" in shown
    assert "R, G, B in [0, 1]" in shown
    assert "partial sums at most, of any input" in shown
    assert "pixel_shuffle" in shown


def test_a_narrow_terminal_cuts_no_hash_off(tiny, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["inspect", str(tiny.video), "pictures=none"]) == 0
    assert files.sha256(tiny.video) in "".join(capsys.readouterr().out.split())


def test_json_goes_to_a_file_and_the_terminal_is_told_as_well(tiny, tmp_path, capsys):
    target = tmp_path / "found.json"
    assert main(["inspect", "--json", str(target), str(tiny.video), "pictures=none"]) == 0
    (found,) = json.loads(target.read_text())
    assert found["stated"]["pipersr_build.halo"] == "4"
    assert "function main" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a.mlpackage", "--json"], "-"),
        (["--json", "a.mlpackage"], "-"),
        (["--json", "x.json", "a.mlpackage"], "x.json"),
        (["--json=x", "a.mlpackage"], "x"),
        (["a.mlpackage"], None),
    ],
)
def test_where_json_goes(words, expected):
    options = parse(words)
    assert options.json == expected
    assert [str(path) for path in options.paths] == ["a.mlpackage"]


@pytest.mark.parametrize("word", ["chip=m4", "--graph"])
def test_an_unknown_word_is_refused(word):
    with pytest.raises(InputError):
        parse(["a.mlpackage", word])


def test_a_package_that_is_not_there_is_refused(tmp_path, capsys):
    assert main(["inspect", str(tmp_path / "none.mlpackage")]) == 2
    assert "no such package" in capsys.readouterr().err


def test_no_number_is_cut_off_on_a_narrow_terminal(tiny, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["inspect", str(tiny.video), "pictures=none"]) == 0
    out = capsys.readouterr().out
    assert "…" not in out
    assert all(
        f"{one.least:.3g}" in out for one in inspect(open_package(tiny.video), []).functions[0].weights
    )
