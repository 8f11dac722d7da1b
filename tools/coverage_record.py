"""Keep what `coverage json` says as a record: `python tools/coverage_record.py coverage.json`.

The reasons in `tools/not_covered.toml` go with it. `make coverage` runs the tests, this, and the documents.
"""

import sys
from pathlib import Path

from pipersr_build import machine
from pipersr_build.report import coverage_record, documents

REASONS = Path(__file__).with_name("not_covered.toml")


def main(report: Path) -> None:
    """Write the record of a report."""
    reasons = coverage_record.load_reasons(REASONS)
    made = machine.provenance(coverage_record.COMMAND)
    record = coverage_record.from_report(coverage_record.load_report(report), reasons, made)
    coverage_record.save(record, documents.RECORDS / "coverage.json")
    print(f"{record.percent:.1f} % of {record.statements} statements")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
