"""Read the analytics file that Core ML's compiler leaves in its cache: times, choices and refusals.

The format is private and undocumented. What is read here was seen in files made by macOS 27.0.1 on an M4
(github.com/751K/Apple-Neural-Engine-Microarchitecture-Study-M6, data/03_compile/opdispatch/ana) and in a
tool that reads files of macOS 14 (github.com/FL33TW00D/deCoreML):

* a MIL program as text, one operation per line: result types and names, ` = operator(arguments)`, then in
  brackets `BackendSupport = list<string, 5>([…])` (`"unsupported"` for a back end that cannot),
  `EstimatedRuntime = dict<string, fp64>({{"ane", 0.0046}, …})` in ms, `SelectedBackend = string("ane")`,
  and, not in every file, `ValidationMessage = dict<string, string>({{"ane", "…"}})`;
* in brackets after the function's inputs, what it costs to start a back end and to pass between two:
  `Launch_ane_ms = fp64(0x1p-3)`, `Src_ane_Dest_bnns_ms = fp64(0x1p-3)`;
* values with the suffix `_4D454D5F4F5054` ("MEM_OPT" in hexadecimal), which stand for the package's value
  of the name without it, and `tensor_buffer_to_tensor` and its inverse, which only convert.

Anything else is skipped, never an error: a file that cannot be read gives no operations.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipersr_build.evidence import Device

FILE = "analytics.mil"
LARGEST = 256 * 2**20  # bytes; beyond that it is no analytics file that anyone has seen
RENAMED = "_4D454D5F4F5054"
CONVERSIONS = {"tensor_buffer_to_tensor", "tensor_to_tensor_buffer"}
BACKENDS: dict[str, Device] = {
    "ane": "ane",
    "bnns": "cpu",
    "classic_cpu": "cpu",
    "e5_minimal_cpu": "cpu",
    "mps_graph": "gpu",
}

_STRING = r'"((?:[^"\\]|\\.)*)"'
_HEAD = re.compile(r"^\s*(.*?)\s=\s(\w+)(?:<\w+>)?\(")
_RESULT = re.compile(r">\s+([\w:/.@-]+)\s*(?:,|$)")
_SUPPORT = re.compile(r"\bBackendSupport = list<string, \d+>\(\[([^\]]*)\]\)")
_TIMES = re.compile(r"\bEstimatedRuntime = dict<string, fp64>\(\{(.*?)\}\)")
_MESSAGES = re.compile(rf"\bValidationMessage = dict<string, string>\(\{{((?:{_STRING}|[^\"])*?)\}}\)")
_SELECTED = re.compile(rf"\bSelectedBackend = string\({_STRING}\)")
_CONSTANT = re.compile(r"\b(Launch_\w+_ms|Src_\w+_Dest_\w+_ms) = fp64\(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Analysed:
    """What the compiler noted about one operation. Back ends have the compiler's names.

    `times_ms` are the estimates that the compiler compares; they are no latencies.
    """

    output_name: str
    operator: str
    supported: tuple[str, ...] = ()
    times_ms: dict[str, float] = field(default_factory=dict)
    selected: str = ""
    messages: dict[str, str] = field(default_factory=dict)

    def time(self, device: Device) -> float | None:
        """The lowest estimate in ms among the back ends of a device; None where there is none."""
        times = [ms for backend, ms in self.times_ms.items() if BACKENDS.get(backend) == device]
        return min(times, default=None)


@dataclass(frozen=True, slots=True)
class Analytics:
    """One analytics file: its operations by output name, and the costs in ms of starting and switching."""

    operations: dict[str, Analysed] = field(default_factory=dict)
    constants_ms: dict[str, float] = field(default_factory=dict)


def find(home: Path, names: Iterable[str]) -> Analytics:
    """The analytics below a home folder that know most of `names`; empty ones where there are none.

    Args:
        home: searched in full; the place inside it changes between versions of macOS.
        names: the output names of the operations in question.
    """
    wanted = set(names)
    found = [read(path) for path in sorted(home.rglob(FILE)) if path.is_file()]
    return max(found, key=lambda one: len(wanted & one.operations.keys()), default=Analytics())


def read(path: Path) -> Analytics:
    """Read one file; empty if it cannot be read."""
    try:
        if path.stat().st_size > LARGEST:
            return Analytics()
        return parse(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return Analytics()


def parse(text: str) -> Analytics:
    """Read the text of an analytics file; lines of another form are skipped."""
    operations = [one for one in map(_operation, text.splitlines()) if one is not None]
    constants = {name: _number(value) for name, value in _CONSTANT.findall(text)}
    return Analytics(
        operations={one.output_name: one for one in operations},
        constants_ms={name: ms for name, ms in constants.items() if ms is not None},
    )


def _operation(line: str) -> Analysed | None:
    """The operation of a line; None if it is of another form or only converts between buffers."""
    head = _HEAD.match(line)
    if head is None or "SelectedBackend" not in line or head[2] in CONVERSIONS:
        return None
    names = _RESULT.findall(head[1])
    if not names:
        return None
    support, selected = _SUPPORT.search(line), _SELECTED.search(line)
    backends = re.findall(_STRING, support[1]) if support else []
    return Analysed(
        output_name=names[0].removesuffix(RENAMED),
        operator=head[2],
        supported=tuple(name for name in backends if name != "unsupported"),
        times_ms=_times(line),
        selected=selected[1] if selected else "",
        messages=_messages(line),
    )


def _times(line: str) -> dict[str, float]:
    found = _TIMES.search(line)
    pairs = re.findall(rf"\{{{_STRING},\s*([^}}]+)\}}", found[1] + "}") if found else []
    times = {backend: _number(value) for backend, value in pairs}
    return {backend: ms for backend, ms in times.items() if ms is not None}


def _messages(line: str) -> dict[str, str]:
    found = _MESSAGES.search(line)
    pairs = re.findall(rf"\{{{_STRING},\s*{_STRING}\}}", found[1] + "}") if found else []
    return {backend: re.sub(r"\\(.)", r"\1", message) for backend, message in pairs}


def _number(text: str) -> float | None:
    """Decimal or C's hexadecimal form; None for anything that is no finite time."""
    try:
        value = float.fromhex(text) if "x" in text.lower() else float(text)
    except (ValueError, OverflowError):
        return None
    return value if 0 <= value < float("inf") else None
