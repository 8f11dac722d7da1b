"""The page templates, and what they may call."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipersr_build.report import facts, placement_facts
from pipersr_build.report import format as fmt

_NUMBERS = ("count", "decibels", "gain", "ssim", "scientific", "megabytes", "duration", "short_hash", "plain")
_PLACEMENT = ("placement_summary", "totals_line", "latency_line", "estimates_line")


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
    made.globals["facts"] = facts
    return made
