"""The record of what tests run: made of coverage's report, read back, and as a table."""

import pytest

from pipersr_build import machine
from pipersr_build.errors import InputError
from pipersr_build.report import coverage_record
from tests.conftest import ROOT

REPORT = {
    "meta": {"version": "7.0"},
    "files": {
        "a.py": {"summary": {"num_statements": 10}, "missing_lines": []},
        "b.py": {"summary": {"num_statements": 20}, "missing_lines": [7]},
        "c.py": {"summary": {"num_statements": 8}, "missing_lines": [3, 4, 5, 9]},
        "empty.py": {"summary": {"num_statements": 0}, "missing_lines": []},
    },
}


@pytest.fixture(scope="module")
def record():
    return coverage_record.from_report(REPORT, {"c.py": "on a Mac only"}, machine.provenance("make coverage"))


def test_totals_and_files_that_lack_something(record):
    assert (record.statements, record.missing) == (38, 5)
    assert record.percent == pytest.approx(100 * 33 / 38)
    assert [(one.file, one.percent) for one in record.files] == [("b.py", 95.0), ("c.py", 50.0)]


def test_the_table_names_files_below_the_limit_with_lines_and_reason(record):
    text = coverage_record.table(record)
    assert "**86.8 %** of 38 statements" in text
    assert "| `c.py` | 50 % | 4 of 8 | 3-5, 9 | on a Mac only |" in text
    assert "b.py" not in text


def test_a_file_without_a_reason_says_so():
    bare = coverage_record.from_report(REPORT, {}, machine.provenance("make coverage"))
    assert "| 3-5, 9 | no test yet |" in coverage_record.table(bare)


def test_a_reason_for_no_file_is_refused():
    with pytest.raises(InputError, match="not in the report"):
        coverage_record.from_report(REPORT, {"gone.py": "x"}, machine.provenance("make coverage"))


def test_it_is_read_back_as_it_was_written(record, tmp_path):
    coverage_record.save(record, tmp_path / "coverage.json")
    assert coverage_record.load(tmp_path / "coverage.json") == record


def test_what_is_no_record_is_refused(tmp_path):
    (tmp_path / "coverage.json").write_text("{}")
    with pytest.raises(InputError, match="not a record of coverage"):
        coverage_record.load(tmp_path / "coverage.json")


def test_the_reasons_are_of_files_that_exist():
    for file in coverage_record.load_reasons(ROOT / "tools/not_covered.toml"):
        assert (ROOT / file).is_file(), file
