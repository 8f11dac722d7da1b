"""The page templates, and what they may call."""

import base64
import hashlib
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipersr_build.report import facts, placement_facts
from pipersr_build.report import format as fmt
from pipersr_build.report.graph_svg import swatch
from pipersr_build.report.histogram_chart import share

_NUMBERS = ("count", "decibels", "gain", "ssim", "scientific", "megabytes", "duration", "short_hash", "plain")
_PLACEMENT = (
    "percent",
    "milliseconds",
    "flop",
    "volume",
    "placement_summary",
    "totals_line",
    "latency_line",
    "estimates_line",
)


@cache
def environment() -> Environment:
    """The environment of all pages: everything is escaped, and an undefined name is an error."""
    made = Environment(
        loader=PackageLoader("pipersr_build.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {name: getattr(fmt, name) for name in _NUMBERS}
    made.filters |= {name: getattr(placement_facts, name) for name in _PLACEMENT}
    made.filters |= {
        "policy_hash": policy_hash,
        "share": share,
        "swatch": lambda verdict: Markup(swatch(verdict)),
    }
    made.globals |= {
        "facts": facts,
        "not_measured": fmt.NOT_MEASURED,
        "not_recorded": fmt.NOT_RECORDED,
    }
    return made


def text_of(name: str) -> Markup:
    """A style sheet or script of this folder, as it is to stand in a page."""
    return Markup(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))  # safe: ours


def policy_hash(text: str) -> str:
    """What a content policy calls an inline style sheet or script by: SHA-256 in base 64."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
