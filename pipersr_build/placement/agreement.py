"""How often the prediction agrees with what Core ML really decided for packages, operation by operation.

The truth is a file of JSON lines, one per package and compute-unit setting: `case`, `kind` (the folder
the package lies in: `iso` for an operation alone, `ctx` for one inside a network), `compute_units`, and
`ops` with `output_name`, `supported` and `preferred`. What Core ML prefers for an operation that is alone
says nothing about it in a network, so only `ctx` counts there.
"""

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipersr_build import files, machine
from pipersr_build.errors import InputError
from pipersr_build.evidence import OperationPlacement, Provenance, Record
from pipersr_build.mil.package import open_package
from pipersr_build.placement.check import DEFAULT_CHIP
from pipersr_build.placement.gate import can
from pipersr_build.placement.predict import predict
from pipersr_build.progress import track

ENGINE = "ANE"
COMPUTE_UNITS = "CPU_AND_NE"
CONTEXT = "ctx"


class TrueOperation(BaseModel):
    """What Core ML said about one operation; other keys are not needed here."""

    model_config = ConfigDict(frozen=True)

    output_name: str
    supported: tuple[str, ...]
    preferred: str | None


class Case(BaseModel):
    """What Core ML said about one package under one setting."""

    model_config = ConfigDict(frozen=True)

    case: str
    kind: str
    compute_units: str
    ops: tuple[TrueOperation, ...]


class Count(Record):
    """How many of `total` agree, how many of those with a tie in them, and how many are not predicted.

    `exact`: how many agree where the device that is named for a tie (the ANE) has to be the chosen one.
    """

    agree: int = 0
    exact: int = 0
    ties: int = 0
    unknown: int = 0
    total: int = 0

    @property
    def share(self) -> float | None:
        """Agreeing ÷ all, where no prediction counts as not agreeing; None where there is nothing."""
        return self.agree / self.total if self.total else None

    def plus(self, agrees: bool, *, exact: bool = True, tie: bool = False, unknown: bool = False) -> "Count":
        """The count with one more."""
        return Count(
            agree=self.agree + agrees,
            exact=self.exact + (agrees and exact),
            ties=self.ties + (agrees and tie),
            unknown=self.unknown + unknown,
            total=self.total + 1,
        )


class Agreement(Record):
    """Counts over all packages that have a truth.

    Attributes:
        chip: the chip family that was predicted for.
        supported: operations: can the engine run it, alone and in a network.
        preferred: operations in a network: the device that Core ML chose, with exact ties as ties.
        cases: networks in which every operation's device is right, with exact ties as ties.
        whole: packages in which everything above is right.
        left_out: packages whose program takes another path, which are not in `preferred` and `cases`.
        differences: a line for every disagreement and every unknown.
        truth_sha256: of the truth.
    """

    provenance: Provenance
    chip: str
    truth_sha256: str
    supported: Count = Count()
    preferred: Count = Count()
    cases: Count = Count()
    whole: Count = Count()
    left_out: list[str] = Field(default_factory=list)
    without_truth: int = 0
    differences: list[str] = Field(default_factory=list)


def compare(packages: Path, truth: Path, *, chip: str = DEFAULT_CHIP, command: str = "") -> Agreement:
    """Predict the placement of every package and count how it agrees with the truth.

    Args:
        packages: a folder, or a zip of one, with packages as `<kind>/<case>.mlpackage`.
        truth: the JSON lines; only rows for CPU and Neural Engine are used.
        chip: the chip that the truth is about.
        command: what the user typed, for the record.

    Raises:
        InputError: a file is missing or unreadable, or a line of the truth has another form.
    """
    cases = {(case.kind, case.case): case for case in _cases(truth) if case.compute_units == COMPUTE_UNITS}
    tally = _Tally()
    with _folder(packages) as folder:
        paths = sorted(folder.rglob("*.mlpackage"))
        for path in track("predicting", paths, len(paths)):
            case = cases.get((path.parent.name, path.stem))
            if case is None:
                tally.without_truth += 1
            else:
                tally.add(case, _predicted(path, chip))
    return tally.record(machine.provenance(command), chip, files.sha256(truth))


def _predicted(path: Path, chip: str) -> dict[str, OperationPlacement]:
    package = open_package(path)
    operations = predict(package, chip=chip, function=package.default)[0].operations
    return {operation.output_name: operation for operation in operations}


class _Tally:
    """Counts cases one after the other."""

    def __init__(self) -> None:
        self.supported = self.preferred = self.cases = self.whole = Count()
        self.left_out: list[str] = []
        self.differences: list[str] = []
        self.without_truth = 0

    def add(self, case: Case, predicted: dict[str, OperationPlacement]) -> None:
        """Count one case; what Core ML names and the package does not have counts as unknown."""
        name, before = f"{case.kind}/{case.case}", len(self.differences)
        found = [(told, predicted.get(told.output_name)) for told in case.ops]
        for told, ours in found:
            self._supported(name, told, ours)
        dynamic = any(ours is not None and ours.verdict == "dynamic" for _, ours in found)
        if dynamic:
            self.left_out.append(name)
        elif case.kind == CONTEXT:
            right = [self._preferred(name, told, ours) for told, ours in found]
            tied = any(ours is not None and ours.verdict == "tie" for _, ours in found)
            exact = all(_same(told, ours) for told, ours in found)
            self.cases = self.cases.plus(all(right), exact=exact, tie=tied)
        self.whole = self.whole.plus(len(self.differences) == before)

    def _supported(self, name: str, told: TrueOperation, ours: OperationPlacement | None) -> None:
        answer = "unknown" if ours is None else can(ours)
        right = answer == ("yes" if ENGINE in told.supported else "no")
        self.supported = self.supported.plus(right, unknown=answer == "unknown")
        if not right:
            self._differs(name, told, ours, f"can: predicted {answer}, Core ML lists {told.supported}")

    def _preferred(self, name: str, told: TrueOperation, ours: OperationPlacement | None) -> bool:
        tie = ours is not None and ours.verdict == "tie"
        device, same = None if ours is None else ours.preferred, _same(told, ours)
        right = tie or same
        self.preferred = self.preferred.plus(right, exact=same, tie=tie, unknown=device is None)
        if not right:
            self._differs(name, told, ours, f"will: predicted {device}, Core ML chose {told.preferred}")
        return right

    def _differs(self, name: str, told: TrueOperation, ours: OperationPlacement | None, what: str) -> None:
        reasons = "not in the package" if ours is None else f"{ours.operator}: {'; '.join(ours.reasons)}"
        self.differences.append(f"{name} {told.output_name!r}: {what} ({reasons})")

    def record(self, provenance: Provenance, chip: str, truth_sha256: str) -> Agreement:
        """What was counted."""
        return Agreement(
            provenance=provenance,
            chip=chip,
            truth_sha256=truth_sha256,
            supported=self.supported,
            preferred=self.preferred,
            cases=self.cases,
            whole=self.whole,
            left_out=self.left_out,
            without_truth=self.without_truth,
            differences=self.differences,
        )


def _same(told: TrueOperation, ours: OperationPlacement | None) -> bool:
    """Whether the predicted device is the chosen one; false without a prediction."""
    if ours is None or ours.preferred is None:
        return False
    return (ours.preferred == "ane") == (told.preferred == ENGINE)


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


def save(record: Agreement, path: Path) -> None:
    """Write the record as JSON, atomically."""
    files.write_text(path, record.model_dump_json(indent=2) + "\n")


def load(path: Path) -> Agreement:
    """Read a record."""
    return Agreement.model_validate_json(path.read_bytes())


def table(record: Agreement) -> str:
    """The counts as a Markdown table."""
    rows = {
        "operation: the engine can run it, or cannot": record.supported,
        "operation in a network: the device that Core ML chose": record.preferred,
        "network: the device of every operation": record.cases,
        "package: all of this": record.whole,
    }
    lines = ["| agreement | right | of | share | of these with a tie | ties as the ANE | not predicted |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for label, count in rows.items():
        share = "–" if count.share is None else f"{100 * count.share:.2f} %"
        cells = (label, count.agree, count.total, share, count.ties, count.exact, count.unknown)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)
