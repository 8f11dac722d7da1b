"""The negative controls beside PiperSR: a record of `compare`, and what others claim of each change.

The record is predicted, the claims are a vendor's (`latency.toml`, `rules.toml`); the table keeps them apart.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from pipersr_build.benchmark.latency import Published, published
from pipersr_build.errors import InputError
from pipersr_build.placement import rules
from pipersr_build.report.compare_record import Comparison, Row

SHIPPED = Path(__file__).parent / "records" / "controls.json"
WHOLE = "pipersr_2x"  # what the controls are changes of
COMMAND = f"pipersr-build compare {WHOLE} 'control_*' chip=m2 compare.out=FOLDER"
FALL_BACK = "normalisation-report"  # source of the RMS norm's claim in `rules.toml`
_HEAD = (
    "| network | parameters | GFLOP | operations | placement, predicted | ms, predicted (band) "
    "| beside PiperSR | claimed by others |",
    "|---|---:|---:|---:|---|---:|---:|---|",
)
_RESIDENT = {True: "all ANE", False: "not all ANE", None: "not known"}


def load(path: Path = SHIPPED) -> Comparison:
    """Read a record.

    Raises:
        InputError: it is missing, not JSON, does not follow this schema, or lacks PiperSR.
    """
    try:
        found = Comparison.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError("no such record", where=path, fix=f"make it with: {COMMAND}") from error
    except ValidationError as error:
        what = f"the record does not follow the schema: {error.errors()[0]['msg']}"
        raise InputError(what, where=path, fix=f"make it anew with: {COMMAND}") from error
    if not any(row.name == WHOLE for row in found.rows):
        raise InputError(f"the record has no row {WHOLE}", where=path, fix=f"make it with: {COMMAND}")
    return found


def table(record: Comparison) -> str:
    """A row for each network as Markdown: what is predicted, how much more that is, what others claim."""
    whole = next(row for row in record.rows if row.name == WHOLE)
    notes = list(dict.fromkeys(text for row in record.rows for text in row.disputed))
    lines = [_line(row, whole, notes) for row in record.rows]
    told = [f"{number}. Not reproduced by the prediction: {text}." for number, text in enumerate(notes, 1)]
    return "\n".join([*_HEAD, *lines, "", _what(record), "", *told])


def _line(row: Row, whole: Row, notes: Sequence[str]) -> str:
    if row.error:
        return f"| `{row.name}` | – | – | – | no package: {row.error} | – | – | {claim(row)} |"
    marks = "".join(f" ({number})" for number, text in enumerate(notes, 1) if text in row.disputed)
    return (
        f"| `{row.name}` | {row.parameters:,} | {row.gflop:.4g} | {row.operations} "
        f"| {_RESIDENT[row.resident]}{marks} | {_band(row)} | {_more(row, whole)} | {claim(row)} |"
    )


def _band(row: Row) -> str:
    one = row.latency
    if one is None or one.expected is None:
        return "no rate known"
    return f"{one.expected:.1f} ({one.low:.1f} to {one.high:.1f})"


def _more(row: Row, whole: Row) -> str:
    """How much longer a frame takes than PiperSR's, and how many operations more there are."""
    if row is whole or row.latency is None or whole.latency is None:
        return "–"
    if row.latency.expected is None or whole.latency.expected is None:
        return "–"
    assert row.operations is not None
    assert whole.operations is not None
    longer = row.latency.expected - whole.latency.expected
    return f"{longer:+.1f} ms, {row.operations - whole.operations:+d} operations"


def claim(row: Row) -> str:
    """What others publish of a network or its change, in ms or words; a dash where nothing is."""
    said = _CLAIMS.get(row.name)
    return "–" if said is None else said(row)


def _published(network: str) -> Published:
    """The vendor's figure for an M2 at 640x360."""
    found = (
        one for one in published().row if (one.network, one.chip, one.size) == (network, "M2", (360, 640))
    )
    return next(found)


def _frame(row: Row) -> str:  # noqa: ARG001
    return f"{_published('PiperSR').ms:g} ms"


def _attention(row: Row) -> str:
    """One figure for each block: as many as there are means over the map."""
    each, blocks = _published("attention").ms, row.census.get("reduce_mean", 0)
    return f"{each:g} ms for each block, {each * blocks:.1f} ms for {blocks}"


def _separable(row: Row) -> str:  # noqa: ARG001
    return f"{_published('separable').ms:g} against {_published('conv').ms:g} ms for one layer alone"


def _fall_back(row: Row) -> str:  # noqa: ARG001
    return rules.load().sources[FALL_BACK].title


_CLAIMS: dict[str, Callable[[Row], str]] = {
    WHOLE: _frame,
    "control_channel_attention": _attention,
    "control_blueprint": _separable,
    "control_rms_norm": _fall_back,
}


def _what(record: Comparison) -> str:
    source, where = published().sources[_published("PiperSR").source], record.provenance
    return (
        f"{record.frame}, {record.target}; placement and latency predicted for {record.chip}, of deployed "
        f"networks with random weights. Claimed, without a published harness: {source}. `{COMMAND}`; "
        f"{where.created[:10]}, coremltools {where.coremltools}, "
        f"commit {(where.git_commit or 'unknown')[:10]}."
    )
