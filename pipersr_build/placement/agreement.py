"""How often the rules agree with what Core ML really said about packages, operation by operation.

The truth is a file of JSON lines, one per package and compute-unit setting: `case`, `kind` (the folder
the package lies in), `compute_units`, and `ops` with `output_name`, `operator_name` and `supported`.
"""

import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipersr_build.errors import InputError
from pipersr_build.evidence import OperationPlacement
from pipersr_build.mil.package import open_package
from pipersr_build.placement.check import DEFAULT_CHIP, check

ENGINE = "ANE"
COMPUTE_UNITS = "CPU_AND_NE"


class TrueOperation(BaseModel):
    """What Core ML said about one operation; other keys are not needed here."""

    model_config = ConfigDict(frozen=True)

    output_name: str
    operator_name: str
    supported: tuple[str, ...]

    @property
    def operator(self) -> str:
        """The operator's name without its operation set (`ios18.conv` → `conv`)."""
        return self.operator_name.rpartition(".")[2]


class Case(BaseModel):
    """What Core ML said about one package under one setting."""

    model_config = ConfigDict(frozen=True)

    case: str
    kind: str
    compute_units: str
    ops: tuple[TrueOperation, ...]


@dataclass(slots=True)
class Agreement:
    """Counts over all operations of all packages.

    Attributes:
        agree: the rules gave the verdict that Core ML gave.
        disagree: they gave the other one.
        unknown: they gave none.
        inserted: operations that Core ML added and the packages do not have, by operator.
        unmeasured: operations of the packages that the truth does not name.
        packages: packages with a truth.
        without_truth: packages without one.
        differences: a line for every disagreement and every unknown.
    """

    agree: int = 0
    disagree: int = 0
    unknown: int = 0
    inserted: Counter[str] = field(default_factory=Counter)
    unmeasured: int = 0
    packages: int = 0
    without_truth: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """Agreeing ÷ all with a verdict; None where there is none."""
        judged = self.agree + self.disagree
        return self.agree / judged if judged else None

    def __str__(self) -> str:
        share = "no verdicts" if self.share is None else f"{100 * self.share:.2f} % of verdicts agree"
        return (
            f"{share}: {self.agree} agree, {self.disagree} disagree, {self.unknown} unknown in "
            f"{self.packages} packages; {sum(self.inserted.values())} operations inserted by Core ML, "
            f"{self.unmeasured} not measured, {self.without_truth} packages without truth"
        )


def compare(packages: Path, truth: Path, *, chip: str = DEFAULT_CHIP) -> Agreement:
    """Check every package and count how its verdicts agree with *supported on the ANE*.

    Args:
        packages: a folder, or a zip of one, with packages as `<kind>/<case>.mlpackage`.
        truth: the JSON lines; only rows for CPU and Neural Engine are used.
        chip: the chip that the truth is about.

    Raises:
        InputError: a file is missing or unreadable, or a line of the truth has another form.
    """
    cases = {(case.kind, case.case): case for case in _cases(truth) if case.compute_units == COMPUTE_UNITS}
    total = Agreement()
    with _folder(packages) as folder:
        for path in sorted(folder.rglob("*.mlpackage")):
            case = cases.get((path.parent.name, path.stem))
            if case is None:
                total.without_truth += 1
            else:
                _count(total, path, case, chip)
    return total


def _count(total: Agreement, path: Path, case: Case, chip: str) -> None:
    package = open_package(path)
    truth = {op.output_name: op for op in case.ops}
    total.packages += 1
    for predicted in check(package.main, chip=chip, interface=package.interface).operations:
        told = truth.pop(predicted.output_name, None)
        if told is None:
            total.unmeasured += 1
        else:
            _tally(total, f"{case.kind}/{case.case}", predicted, ENGINE in told.supported)
    total.inserted.update(op.operator for op in truth.values())


def _tally(total: Agreement, case: str, predicted: OperationPlacement, supported: bool) -> None:
    said = "yes" if supported else "no"
    if predicted.verdict == said:
        total.agree += 1
        return
    if predicted.verdict == "unknown":
        total.unknown += 1
    else:
        total.disagree += 1
    total.differences.append(
        f"{case}: {predicted.operator} {predicted.output_name!r}: rules {predicted.verdict}, "
        f"Core ML {said} ({'; '.join(predicted.reasons)})"
    )


def _cases(truth: Path) -> Iterator[Case]:
    try:
        lines = truth.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError("the truth file cannot be read", where=truth, fix="check the path") from error
    for number, line in enumerate(lines, 1):
        try:
            yield Case.model_validate_json(line)
        except ValidationError as error:
            what = f"line {number} is not a case: {error.errors()[0]['msg']}"
            raise InputError(what, where=truth) from error


@contextmanager
def _folder(packages: Path) -> Iterator[Path]:
    """The folder itself, or a temporary one with the zip's content."""
    if packages.is_dir():
        yield packages
        return
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with zipfile.ZipFile(packages) as archive:
                archive.extractall(scratch)
        except (OSError, zipfile.BadZipFile) as error:
            fix = "give a folder of packages or a zip of one"
            raise InputError("the packages cannot be read", where=packages, fix=fix) from error
        yield Path(scratch)
