"""Which networks come through as ONNX files and Core AI models: those that are tried, and the record."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pipersr_build import files
from pipersr_build.evidence import OtherFormat, Provenance, Record
from pipersr_build.export.formats import COREAI, ONNX
from pipersr_build.models.abpn import ABPNConfig
from pipersr_build.models.ecbsr import ECBSRConfig
from pipersr_build.models.edsr import EDSRConfig
from pipersr_build.models.espcn import ESPCNConfig
from pipersr_build.models.fsrcnn import FSRCNNConfig
from pipersr_build.models.imdn import IMDNConfig
from pipersr_build.models.paragonsr2 import ParagonSR2Config
from pipersr_build.models.pipersr import PiperSRConfig
from pipersr_build.models.pipersr_control import PiperSRControlConfig
from pipersr_build.models.quicksrnet import QuickSRNetConfig
from pipersr_build.models.rfdn import RFDNConfig
from pipersr_build.models.sesr import SESRConfig
from pipersr_build.models.span import SPANConfig
from pipersr_build.models.xlsr import XLSRConfig

REFERENCE = "pipersr_2x"  # the weights that come with the toolkit; all others are random
SIZE = 32, 48  # height, width of a locked file: multiples of every window
_PIPER: dict[str, Any] = {"blocks": 1, "channels": 8}
_SMALL: dict[str, Any] = {"blocks": 1, "channels": 16, "window": 8}
SAMPLES: dict[str, Any] = {
    REFERENCE: PiperSRConfig(),
    "pipersr": PiperSRConfig(**_PIPER),
    "pipersr, prelu": PiperSRConfig(**_PIPER, activation="prelu"),
    "pipersr, gelu": PiperSRConfig(**_PIPER, activation="gelu"),
    "quicksrnet": QuickSRNetConfig(blocks=1, channels=8),
    "quicksrnet, 3x": QuickSRNetConfig(blocks=1, channels=8, scale=3),
    "quicksrnet, 1.5x": QuickSRNetConfig(blocks=1, channels=8, scale=1.5),
    "quicksrnet, anchor": QuickSRNetConfig(blocks=1, channels=8, anchor=True),
    "span": SPANConfig(channels=8),
    "sesr": SESRConfig(blocks=1, expansion=16),
    "ecbsr": ECBSRConfig(blocks=1, channels=8),
    "espcn": ESPCNConfig(),
    "fsrcnn": FSRCNNConfig(channels=8, shrunk=4, blocks=1),
    "abpn": ABPNConfig(channels=8, blocks=1),
    "xlsr": XLSRConfig(blocks=1),
    "edsr": EDSRConfig(blocks=1, channels=8),
    "imdn": IMDNConfig(blocks=1, channels=16),
    "rfdn": RFDNConfig(blocks=1, channels=8),
    "paragonsr2, nano": ParagonSR2Config(**_SMALL),
    "paragonsr2, stream": ParagonSR2Config(**_SMALL, block="stream", alpha=0.0),
    "paragonsr2, photo": ParagonSR2Config(**_SMALL, block="photo"),
    "paragonsr2, photo, export-safe": ParagonSR2Config(**_SMALL, block="photo", window_attention=False),
    "paragonsr2, pro": ParagonSR2Config(**_SMALL, block="pro"),
    "paragonsr2, pro, export-safe": ParagonSR2Config(**_SMALL, block="pro", window_attention=False),
    **{
        f"control, {change.replace('_', ' ')}": PiperSRControlConfig(change=change, blocks=1, channels=16)
        for change in ("channel_attention", "blueprint", "rms_norm", "window_attention")
    },
}
Form = Literal["locked", "any size", "state"]
FORMS: dict[OtherFormat, tuple[Form, ...]] = {
    ONNX: ("locked", "any size", "state"),
    COREAI: ("locked", "state"),
}
TITLES: dict[OtherFormat, str] = {ONNX: "ONNX", COREAI: "Core AI"}
NOT_MEASURED = "not measured: `pipersr-build bench formats`"


class Row(Record):
    """How one network fared as one form of one format; of a state the lower of its files."""

    network: str
    format: OtherFormat
    form: Form
    files: int
    parity_db: float | None = None
    reaches: float = Field(description="largest absolute value of what PyTorch computes of noise in [0, 1]")
    failed: list[str] = Field(default=[], description="the gates that failed")
    error: str = ""

    @property
    def passes(self) -> bool:
        """Whether there is a file, and no gate of it failed."""
        return bool(self.files) and not self.failed and not self.error


class Formats(Record):
    """The rows of one run, and what made and ran the files."""

    provenance: Provenance
    versions: dict[str, str]
    rows: list[Row]


def save(record: Formats, path: Path) -> None:
    """Write the record as JSON, atomically."""
    files.write_text(path, record.model_dump_json(indent=2) + "\n")


def load(path: Path) -> Formats:
    """Read a record."""
    return Formats.model_validate_json(path.read_bytes())


def ordered(rows: Sequence[Row]) -> list[Row]:
    """Rows in the order of the networks, formats and forms; rows of networks that are not tried fall out."""
    names, kinds = list(SAMPLES), [(kind, form) for kind, forms in FORMS.items() for form in forms]
    known = [row for row in rows if row.network in SAMPLES]
    return sorted(known, key=lambda row: (names.index(row.network), kinds.index((row.format, row.form))))


def table(record: Formats) -> str:
    """The networks as rows, the forms of the formats as columns."""
    columns = [(kind, form) for kind, forms in FORMS.items() for form in forms]
    head = " | ".join(f"{TITLES[kind]}, {form}" for kind, form in columns)
    lines = [f"| network | {head} | what stands in the way |", f"|---|{'---:|' * len(columns)}---|"]
    measured = {row.format for row in record.rows}
    for name in dict.fromkeys(row.network for row in record.rows):
        own = {(row.format, row.form): row for row in record.rows if row.network == name}
        cells = [
            _cell(own[place]) if place in own else "–" if place[0] in measured else "not measured"
            for place in columns
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {_obstacles(list(own.values())) or '–'} |")
    return "\n".join(lines)


def _cell(row: Row) -> str:
    if row.error:
        return "no file"
    found = "identical" if row.parity_db is None else f"{row.parity_db:.1f} dB"
    return found if row.passes else f"**{found}**"


def _obstacles(rows: Sequence[Row]) -> str:
    """What failed, each reason once, with the formats that it concerns."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        values = f" (its values reach {row.reaches:.1f})" if row.reaches > 1.5 else ""
        for reason in (*(f"{one}{values}" for one in row.failed), *([row.error] if row.error else [])):
            reasons.setdefault(reason, []).append(TITLES[row.format])
    return "; ".join(f"{', '.join(dict.fromkeys(names))}: {reason}" for reason, names in reasons.items())
