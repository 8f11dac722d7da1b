import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pipersr_build import cli, files
from pipersr_build.benchmark import loading, packages
from pipersr_build.benchmark.packages_record import FILE, Load, load, save, table
from pipersr_build.benchmark.record import Figure
from pipersr_build.commands import bench as command
from pipersr_build.config import load as configure
from pipersr_build.errors import BuildError, MachineError
from pipersr_build.runtime import backends

MEASURE = loading.measure
LOAD = Load(process=1.0, cold=0.5, cold_first=0.1, warm=0.2, warm_first=0.1)
SIZES = ["bench.picture=40x28", "bench.video=[34x20,30x26]", "bench.iterations=3", "bench.warm_up=1"]


@pytest.fixture(autouse=True)
def _linux(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.fixture(autouse=True)
def loads(monkeypatch):
    """No fresh processes; which loads were asked for."""
    asked = []

    def measure(package, choice, units):
        asked.append((package.name, choice, units))
        return LOAD

    monkeypatch.setattr(loading, "measure", measure)
    return asked


@pytest.fixture
def mac(monkeypatch):
    """A Mac whose Core ML repeats pixels; the compute units that it was given are in the list."""
    told = []

    class MLModel:
        def __init__(self, _, compute_units):
            told.append(compute_units)

        def predict(self, inputs):
            ((_, given),) = inputs.items()
            if isinstance(given, Image.Image):
                return {"sr": given.resize((2 * given.width, 2 * given.height), Image.Resampling.NEAREST)}
            return {"sr": given.repeat(2, axis=2).repeat(2, axis=3)}

    units = SimpleNamespace(CPU_AND_NE="ne", CPU_AND_GPU="gpu", CPU_ONLY="cpu", ALL="all")
    fake = SimpleNamespace(models=SimpleNamespace(MLModel=MLModel), ComputeUnit=units)
    monkeypatch.setattr(backends.sys, "platform", "darwin")
    monkeypatch.setattr(backends.quiet, "coremltools", lambda: fake)
    return told


@pytest.fixture
def config(tiny):
    """Settings for the small packages; more of them in the call."""
    return lambda *more: configure([f"upscale.package={tiny.image.parent}", *SIZES, *more])


def test_every_configuration_is_timed_by_the_interpreter_off_a_mac(config, loads, tiny):
    record = packages.measure(config(), "typed", "on a Mac")
    rows = {row.configuration: row for row in record.rows}
    assert list(rows) == ["image tile", "image 0.0011 Mpx", "video 34x20", "video 30x26"]
    assert [(row.input, row.tiles) for row in record.rows] == [
        ("24x24", 1),
        ("40x28", 4),
        ("34x20", 1),
        ("30x26", 4),
    ]
    for row in record.rows:
        assert row.engine == "MIL interpreter, fp16"
        assert (row.iterations, row.warm_up) == (3, 1)
        assert 0 < row.times.minimum <= row.times.p50 <= row.times.p90 <= row.times.p99
        assert row.per_second > 0
        assert row.load == LOAD
    locked = rows["video 34x20"]
    assert (locked.package, locked.package_sha256) == (tiny.video.name, files.sha256(tiny.video))
    assert list(locked.stages) == ["convert in", "predict", "convert out"]
    assert all(value > 0 for value in locked.stages.values())
    assert rows["video 30x26"].package == tiny.image.name
    assert loads == [(path.name, "interpreter", "cpuAndNeuralEngine") for path in (tiny.image, tiny.video)]


def test_the_stages_of_a_row_are_parts_of_its_times(config):
    for row in packages.measure(config(), "typed", "on a Mac").rows:
        mean = (row.times.minimum + row.times.p50 + row.times.p99) / 3  # of three iterations
        whole = sum(row.stages.values())
        assert whole <= mean + 0.001
        if row.configuration.startswith("image"):
            assert whole == pytest.approx(mean, abs=0.001)


def test_what_core_ml_takes_is_not_measured_off_a_mac(config):
    record = packages.measure(config("bench.compute_units=[cpuOnly,all]"), "typed", "pipersr-build there")
    assert [one.engine for one in record.not_measured] == ["Core ML, cpuOnly", "Core ML, all"]
    assert {one.command for one in record.not_measured} == {"pipersr-build there"}
    assert "Not measured: Core ML, cpuOnly; Core ML, all. On a Mac: `pipersr-build there`" in table(record)
    with pytest.raises(MachineError, match="Mac"):
        packages.measure(config("upscale.backend=coreml"), "typed", "on a Mac")


def test_on_a_mac_every_setting_of_compute_units_is_timed(config, loads, mac):
    record = packages.measure(config(), "typed", "on a Mac")
    engines = [f"Core ML, {units}" for units in backends.COMPUTE_UNITS]
    assert [row.engine for row in record.rows] == [engine for engine in engines for _ in range(4)]
    assert record.not_measured == []
    assert mac == [units for units in ("ne", "gpu", "cpu", "all") for _ in range(2)]
    assert loads[0] == ("image_24.mlpackage", "coreml", "cpuAndNeuralEngine")
    assert len(loads) == 8


def test_more_is_timed_by_core_ml_than_by_the_interpreter_unless_a_number_is_given():
    coreml, interpreter = packages.Engine("coreml", "all"), packages.Engine("interpreter", "all")
    bench = configure().bench
    assert packages._often(bench, coreml) == (100, 10)
    assert packages._often(bench, interpreter) == (5, 1)
    given = configure(["bench.iterations=7", "bench.warm_up=0"]).bench
    assert packages._often(given, coreml) == packages._often(given, interpreter) == (7, 0)


@pytest.mark.usefixtures("mac")
def test_predicting_is_told_from_the_rest(config, monkeypatch):
    from pipersr_build.benchmark.packages import time as clock

    predict = backends.CoreMLBackend.run

    def slow(self, inputs):
        clock.sleep(0.02)
        return predict(self, inputs)

    monkeypatch.setattr(backends.CoreMLBackend, "run", slow)
    settings = config("bench.compute_units=[all]", "bench.video=[34x20]")
    tile, picture, video = packages.measure(settings, "typed", "on a Mac").rows
    assert tile.times.minimum >= 20
    assert picture.times.minimum >= 80
    assert picture.stages["predict"] >= 80
    assert video.stages["predict"] >= 20
    assert video.times.minimum >= 20


def test_the_rate_is_that_of_the_results_after_the_first(monkeypatch):
    now, advanced = iter([100.0, 100.1, 100.2, 100.5]), []
    session = SimpleNamespace(run=lambda frames: frames)
    shown = SimpleNamespace(advance=lambda: advanced.append(1))
    monkeypatch.setattr(packages, "time", SimpleNamespace(perf_counter=now.__next__))
    assert packages._sustained(session, np.zeros(1), 3, shown) == pytest.approx(3 / 0.5)
    assert len(advanced) == 3


def test_a_package_is_loaded_twice_in_a_process_of_its_own(tiny):
    found = MEASURE(tiny.video, "interpreter", "all")
    assert found.process > 0.2  # Python and its imports
    assert 0 < found.cold_first < found.cold < 60
    assert 0 < found.warm_first < found.warm < 60


def test_a_process_that_cannot_load_says_why(tmp_path, monkeypatch, capsys):
    words = [str(tmp_path / "none.mlpackage"), "interpreter", "all"]
    assert loading.main(words) == 1
    said = capsys.readouterr().err
    assert said == "no such package\n"
    code = f"import sys; sys.exit({said!r})"
    _instead(monkeypatch, code)
    with pytest.raises(BuildError, match="loading failed in a fresh process: no such package"):
        MEASURE(tmp_path, "interpreter", "all")


def test_a_process_that_does_not_end_is_ended(tmp_path, monkeypatch):
    _instead(monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(loading, "TIMEOUT", 0.2)
    with pytest.raises(BuildError, match=r"did not load in 0\.2 s"):
        MEASURE(tmp_path, "interpreter", "all")


def _instead(monkeypatch, code):
    """Let the fresh process run `code`."""
    run = loading.subprocess.run

    def other(words, **more):
        return run([words[0], "-c", code], **more)

    monkeypatch.setattr(loading, "subprocess", SimpleNamespace(**{**vars(subprocess), "run": other}))


def test_loading_twice_opens_the_package_twice(tiny, monkeypatch):
    opened = []
    original = loading.Upscaler.from_package

    def from_package(path, **more):
        opened.append(path)
        return original(path, **more)

    monkeypatch.setattr(loading.Upscaler, "from_package", from_package)
    found = loading.load_twice(tiny.image, "interpreter", "all")
    assert opened == [tiny.image, tiny.image]
    assert list(found) == ["cold", "cold_first", "warm", "warm_first"]


def test_the_timed_backend_adds_up_what_its_own_takes():
    class Slow:
        name, interface = "slow", None

        def run(self, inputs):
            packages.time.sleep(0.01)
            return {"sr": inputs["lr"]}

    timed = packages.TimedBackend(Slow())
    assert timed.run({"lr": np.ones(3)})["sr"].sum() == 3
    timed.run({"lr": np.ones(3)})
    assert timed.seconds >= 0.02


@pytest.fixture
def bench(tiny, tmp_path, capsys):
    """Run the command on the small packages: its exit code and what it printed."""

    def run(*words):
        sizes = [word.removeprefix("bench.") for word in SIZES]
        package, runs = f"package={tiny.image.parent}", f"runs={tmp_path}/runs"
        code = cli.main(["bench", *words, package, runs, *sizes])
        return code, capsys.readouterr()

    return run


def test_bench_without_a_word_times_packages_and_writes_the_record(bench, tmp_path):
    code, said = bench("backend=interpreter")
    target = tmp_path / "runs" / "bench" / FILE
    record = load(target)
    assert code == 0
    assert len(record.rows) == 4
    assert record.provenance.command.startswith("pipersr-build bench packages backend=interpreter package=")
    assert str(tmp_path) not in target.read_text()
    assert "backend" not in record.not_measured[0].command
    assert "| image tile, 24x24 |" in said.out
    assert "3 iterations after 1 to warm up" in said.out


def test_a_pinned_record_decides_the_exit_code(bench, tmp_path):
    assert bench("packages")[0] == 0
    pin, record = tmp_path / "pin.json", load(tmp_path / "runs" / "bench" / FILE)
    for factor, expected in ((1e-6, 1), (1e6, 0)):
        rows = [row.model_copy(update={"times": _scaled(row.times, factor)}) for row in record.rows]
        save(record.model_copy(update={"rows": rows}), pin)
        code, said = bench(f"pin={pin}")
        assert code == expected
        assert ("fail: slower" in said.out) == (expected == 1)


def _scaled(times, factor):
    return times.model_copy(update={"p50": factor * times.p50})


def test_a_pin_that_cannot_serve_is_refused_before_anything_is_measured(bench, tmp_path, monkeypatch):
    bench("packages")
    target = tmp_path / "runs" / "bench" / FILE
    other = json.loads(target.read_text())
    other["provenance"]["machine"]["processor"] = "Apple M4"
    (tmp_path / "other.json").write_text(json.dumps(other))
    (tmp_path / "broken.json").write_text("{")
    before = target.read_bytes()
    monkeypatch.setattr(packages, "measure", None)
    for pin, why in {
        tmp_path / "none.json": "No such file",
        tmp_path / "broken.json": "no record",
        tmp_path / "other.json": "another machine: Apple M4",
        target: "would be replaced",
    }.items():
        code, said = bench(f"pin={pin}")
        assert code == 2
        assert why in said.err
    assert target.read_bytes() == before


def test_suites_still_run_by_name_and_together(monkeypatch, tmp_path):
    ran = []

    def suite(module):
        name = module.rpartition(".")[2]
        figure = Figure(name=name, value=1, limit=2, unit="s", detail="")
        return SimpleNamespace(measure=lambda: ran.append(name) or [figure])

    monkeypatch.setattr(command, "importlib", SimpleNamespace(import_module=suite))
    assert cli.main(["bench", "toolkit", f"runs={tmp_path}"]) == 0
    assert cli.main(["bench", "step", "startup", f"runs={tmp_path}"]) == 0
    assert ran == ["startup", "export", "training", "step", "sampling", "step", "startup"]
    assert {path.name for path in Path(tmp_path, "bench").iterdir()} == {
        "startup-export-training-step-sampling.json",
        "step-startup.json",
    }


@pytest.mark.parametrize("words", [["speed"], ["packages", "more"], ["startup", "speed"]])
def test_words_that_are_no_benchmark_are_refused(words, capsys):
    assert cli.main(["bench", *words]) == 2
    assert words[-1] in capsys.readouterr().err


def test_a_folder_without_packages_is_refused(tmp_path, tiny, capsys):
    shutil.copytree(tiny.image, tmp_path / "packages" / "broken.mlpackage")
    (tmp_path / "packages" / "broken.mlpackage" / "Manifest.json").unlink()
    assert cli.main(["bench", f"package={tmp_path}/packages", f"runs={tmp_path}/runs"]) == 2
    assert "broken.mlpackage" in capsys.readouterr().err
    assert not (tmp_path / "runs" / "bench" / FILE).exists()
