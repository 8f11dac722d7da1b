"""Residency as a JUnit report, for continuous integration that shows tests.

A suite for each function of each package. Its first case is the gate (every operation is resident; with
`placement.gate=can`: the ANE can run it), then one failing case for each operation that is not. A package
that cannot be judged is an error.
"""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from pipersr_build.errors import BuildError
from pipersr_build.evidence import OperationPlacement, Placement
from pipersr_build.placement.analysis import FunctionAnalysis, Verification
from pipersr_build.report.placement_facts import estimates_line, placement_summary

GATES = {"will": "every operation is resident on the ANE", "can": "the ANE can run every operation"}
PIN = "placement is as pinned"


def to_junit(found: Verification) -> str:
    """The report as XML text."""
    root = ET.Element("testsuites", name="pipersr-build verify")
    for name, analysis in found.named:
        if analysis.error is not None:
            _broken(root, name, analysis.error)
        for function in analysis.functions:
            _suite(root, name, function, found)
    if found.changes is not None:
        _pinned(root, found.changes)
    for suite in (*root, root):
        _count(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _broken(root: ET.Element, name: str, error: BuildError) -> None:
    suite = ET.SubElement(root, "testsuite", name=_clean(name))
    case = ET.SubElement(suite, "testcase", classname=_clean(name), name="the package can be judged")
    ET.SubElement(case, "error", message=_clean(error.what)).text = _clean(str(error))


def _suite(root: ET.Element, name: str, function: FunctionAnalysis, found: Verification) -> None:
    title = _clean(f"{name}, function {function.name}")
    suite = ET.SubElement(root, "testsuite", name=title)
    answer = function.answer
    properties = ET.SubElement(suite, "properties")
    for key, value in (("source", answer.source), ("basis", answer.basis)):
        ET.SubElement(properties, "property", name=key, value=_clean(value))
    gate = ET.SubElement(suite, "testcase", classname=title, name=f"{GATES[found.require]} ({answer.source})")
    if not found.passes(answer):
        _fail(gate, "not resident", placement_summary(answer), "")
    for operation in answer.operations:
        if not found.accepts(operation):
            _operation(suite, title, operation, answer)


def _operation(suite: ET.Element, title: str, operation: OperationPlacement, answer: Placement) -> None:
    called = _clean(f"{operation.operator} {operation.output_name}")
    case = ET.SubElement(suite, "testcase", classname=title, name=called)
    message = f"{operation.verdict} ({answer.source}): {'; '.join(operation.reasons)}"
    lines = [*operation.reasons, *operation.advice, *filter(None, [estimates_line(operation)])]
    _fail(case, operation.verdict, message, "\n".join(lines))


def _pinned(root: ET.Element, changes: Sequence[str]) -> None:
    suite = ET.SubElement(root, "testsuite", name="pin")
    case = ET.SubElement(suite, "testcase", classname="pin", name=PIN)
    if changes:
        _fail(case, "changed", f"{len(changes)} changes", "\n".join(changes))


def _fail(case: ET.Element, kind: str, message: str, text: str) -> None:
    ET.SubElement(case, "failure", type=kind, message=_clean(message)).text = _clean(text)


def _count(suite: ET.Element) -> None:
    """Write the numbers that readers of the format expect on suites."""
    for key, path in (("tests", ".//testcase"), ("failures", ".//failure"), ("errors", ".//error")):
        suite.set(key, str(len(suite.findall(path))))


def _clean(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold."""
    return "".join(c if _allowed(ord(c)) else "\ufffd" for c in text)


def _allowed(code: int) -> bool:
    in_plane = 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD
    return code in (0x9, 0xA, 0xD) or in_plane or code >= 0x10000
