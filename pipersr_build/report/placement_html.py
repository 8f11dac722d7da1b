"""The page that `verify --html` writes: every package's operations in order, coloured by verdict."""

from dataclasses import dataclass

from pipersr_build.placement.analysis import Analysis, Verification
from pipersr_build.report.placement_facts import residency
from pipersr_build.report.placement_view import PlacementView, heading, placement_view
from pipersr_build.report.templates import environment


@dataclass(frozen=True)
class FunctionView:
    """A function's heading and its one or two answers."""

    name: str
    heading: str
    resident: bool
    views: tuple[PlacementView, ...]


@dataclass(frozen=True)
class PackageView:
    """A package and its functions."""

    name: str
    analysis: Analysis
    resident: bool
    functions: tuple[FunctionView, ...]


def to_html(found: Verification) -> str:
    """One self-contained page; everything that a package says is escaped."""
    packages = [
        _package(analysis, name, found.chip, f"package-{index}")
        for index, (name, analysis) in enumerate(found.named, 1)
    ]
    page = environment().get_template("verify.html")
    return page.render(packages=packages, chip=found.chip, changes=found.changes)


def _package(analysis: Analysis, name: str, chip: str, key: str) -> PackageView:
    functions = []
    for index, found in enumerate(analysis.functions, 1):
        answers = {"Prediction": found.predicted, "Core ML's compute plan": found.measured}
        views = [
            placement_view(title, placement, f"{key}-{index}-{number}")
            for number, (title, placement) in enumerate(answers.items(), 1)
        ]
        resident = residency(found.answer).all_resident
        functions.append(FunctionView(found.name, heading(found, name, chip), resident, tuple(views)))
    resident = bool(functions) and all(function.resident for function in functions)
    return PackageView(name, analysis, resident, tuple(functions))
