"""`bench SUITE`: which module gets which words, where the record lies, and what is refused."""

import importlib
from types import SimpleNamespace

import pytest

from pipersr_build import cli
from pipersr_build.benchmark.record import Figure, load
from pipersr_build.commands import bench

SIMPLE = {  # the suite: the module that runs it, the one that has its tables, their names
    "ablation": ("ablation", "ablation", ["table"]),
    "compression": ("compression", "compression_record", ["table"]),
    "numerics": ("numerics", "numerics_record", ["table", "margin_table"]),
    "quantization": ("quantization", "quantization_record", ["table"]),
    "zoo": ("zoo", "zoo", ["table"]),
}


@pytest.mark.parametrize("name", SIMPLE)
def test_a_suite_gets_the_words_without_its_name_wherever_that_stands(name, monkeypatch, tmp_path, capsys):
    runner, shown, tables = SIMPLE[name]
    called = []
    main = importlib.import_module(f"pipersr_build.benchmark.{runner}")
    monkeypatch.setattr(main, "main", lambda words, path, **more: called.append((words, path, more)) or "R")
    for table in tables:
        module = importlib.import_module(f"pipersr_build.benchmark.{shown}")
        monkeypatch.setattr(module, table, lambda record, table=table: f"[{table} of {record}]")
    runs = f"runs={tmp_path}"
    assert cli.main(["bench", runs, name, "one"]) == 0
    ((words, path, more),) = called
    assert (words, path) == ([runs, "one"], tmp_path / "bench" / f"{name}.json")
    assert more == ({"chip": "h16", "target": "macOS13"} if name == "zoo" else {})
    out = capsys.readouterr().out
    assert all(f"[{table} of R]" in out for table in tables)
    assert str(path) in out


def test_comparison_writes_its_plot_beside_the_record(monkeypatch, tmp_path):
    from pipersr_build.benchmark import comparison, comparison_record

    monkeypatch.setattr(comparison, "main", lambda words, _: words)
    monkeypatch.setattr(comparison_record, "plot", lambda record: f"<svg>{record}</svg>")
    monkeypatch.setattr(comparison_record, "table", lambda _: "table")
    assert cli.main(["bench", "comparison", "sesr_m5_2x", f"runs={tmp_path}"]) == 0
    assert "sesr_m5_2x" in (tmp_path / "bench" / "comparison.svg").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [(["agreement", "one"], "two paths, not 1"), (["latency", "more"], "'more' is not understood")],
)
def test_words_that_a_suite_does_not_take_are_refused(words, said, capsys):
    assert cli.main(["bench", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_figure_beyond_its_limit_is_a_miss_and_in_the_record(monkeypatch, tmp_path, capsys):
    figure = Figure(name="slow", value=2, limit=1, unit="s", detail="for once")
    suite = SimpleNamespace(measure=lambda: [figure])
    monkeypatch.setattr(bench, "importlib", SimpleNamespace(import_module=lambda _: suite))
    assert cli.main(["bench", "startup", f"runs={tmp_path}"]) == 1
    assert "fail" in capsys.readouterr().out
    record = load(tmp_path / "bench" / "startup.json")
    assert record.figures == [figure]
    assert record.provenance.command == f"pipersr-build bench startup runs={tmp_path.name}"


def test_every_suite_is_in_the_help_and_in_the_refusal(capsys):
    assert cli.main(["bench", "speed"]) == 2
    refusal, help_ = capsys.readouterr().err, cli.help_for("bench")
    for suite in (*bench.TABLES, *bench.SUITES, *bench.ON_REQUEST):
        assert suite in refusal
        assert suite in help_
