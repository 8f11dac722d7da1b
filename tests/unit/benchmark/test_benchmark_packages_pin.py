import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipersr_build import machine
from pipersr_build.benchmark.packages_pin import compare, kind, missing, open_pin, table
from pipersr_build.benchmark.packages_record import Load, Packages, Row, Times, save
from pipersr_build.errors import InputError

MACHINE = machine.describe()


def row(p50=10.0, *, configuration="video 360p", engine="MIL interpreter, fp16", sha="a"):
    return Row(
        configuration=configuration,
        engine=engine,
        package="video_360p.mlpackage",
        package_sha256=sha,
        input="640x360",
        tiles=1,
        warm_up=1,
        iterations=5,
        times=Times(minimum=p50, p50=p50, p90=p50, p99=p50),
        stages={},
        per_second=1.0,
        load=Load(process=1, cold=1, cold_first=1, warm=1, warm_first=1),
    )


def record(*rows):
    made = machine.provenance("pipersr-build bench packages")
    return Packages(provenance=made, threads=1, load_average=0.5, rows=list(rows), not_measured=[])


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=300))
def test_percentiles_are_times_that_were_measured_and_as_many_are_below(seconds):
    times, measured = Times.of(seconds), [round(1e3 * each, 4) for each in seconds]
    for share, value in ((0.5, times.p50), (0.9, times.p90), (0.99, times.p99)):
        assert value in measured
        assert sum(each <= value for each in measured) >= share * len(measured) - 1e-9
        assert sum(each < value for each in measured) < math.ceil(share * len(measured) + 1e-9)
    assert times.minimum == min(measured)


def test_percentiles_of_a_hundred_are_the_ranks_they_say():
    times = Times.of([n / 1000 for n in range(100, 0, -1)])
    assert (times.minimum, times.p50, times.p90, times.p99) == (1, 50, 90, 99)


@pytest.mark.parametrize(("now", "holds"), [(5.0, True), (11.5, True), (11.6, False), (30.0, False)])
def test_slower_than_the_tolerance_allows_fails(now, holds):
    (found,) = compare(record(row(now)), record(row(10.0)), 0.15)
    assert found.ratio == pytest.approx(now / 10)
    assert found.holds == holds


def test_only_equal_configurations_on_equal_engines_are_compared():
    now = record(row(), row(20.0, engine="Core ML, all"), row(configuration="video 480p"))
    pinned = record(row(40.0, engine="Core ML, all"), row(configuration="video 720p"), row())
    found = compare(now, pinned, 0.1)
    assert [(each.row.engine, each.ratio) for each in found] == [
        ("MIL interpreter, fp16", 1),
        ("Core ML, all", 0.5),
    ]
    assert missing(now, pinned) == [
        "not in the pinned record: video 480p, MIL interpreter, fp16, 640x360",
        "only in the pinned record: video 720p, MIL interpreter, fp16, 640x360",
    ]
    with pytest.raises(InputError, match="nothing that was measured"):
        compare(record(row(configuration="video 480p")), record(row()), 0.1)


def test_the_table_says_what_is_slower_and_which_package_is_another():
    slow = compare(record(row(12.0, sha="b")), record(row(10.0)), 0.1)
    expected = "| 12.0 ms | 10.0 ms | 1.200 | 1.100 | fail: slower (another package) |"
    assert expected in table(slow)
    assert "| 1.000 | 1.100 | pass |" in table(compare(record(row()), record(row()), 0.1))


def test_the_kind_of_a_machine_is_not_its_kernel():
    assert kind(MACHINE.model_copy(update={"system": f"{MACHINE.system.split()[0]} 99.9"})) == kind(MACHINE)
    for key, value in {"processor": "Apple M4", "cores": 99, "architecture": "riscv"}.items():
        assert kind(MACHINE.model_copy(update={key: value})) != kind(MACHINE)


@pytest.mark.parametrize("key", ["processor", "cores", "architecture"])
def test_records_of_another_machine_are_refused(key, tmp_path):
    save(record(row()), tmp_path / "pin.json")
    other = MACHINE.model_copy(update={key: 99 if key == "cores" else "another"})
    assert open_pin(tmp_path / "pin.json", MACHINE, tmp_path / "new.json").rows == [row()]
    with pytest.raises(InputError, match="another machine"):
        open_pin(tmp_path / "pin.json", other, tmp_path / "new.json")


def test_the_record_that_is_about_to_be_replaced_is_no_pin(tmp_path):
    save(record(row()), tmp_path / "pin.json")
    with pytest.raises(InputError, match="would be replaced"):
        open_pin(tmp_path / "pin.json", MACHINE, tmp_path / "folder" / ".." / "pin.json")
