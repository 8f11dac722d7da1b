"""`verify`: where the operations of packages that anyone made run: on the ANE, elsewhere, and why."""

import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from pipersr_build import files
from pipersr_build.commands import arguments, packages
from pipersr_build.commands.verify_options import Options, parse
from pipersr_build.config import PlacementConfig, load
from pipersr_build.errors import BuildError, InputError, MachineError
from pipersr_build.evaluation.names import distinct
from pipersr_build.files import explain_os_error
from pipersr_build.mil.package import open_package
from pipersr_build.placement import mlperf, pin, plan, rules
from pipersr_build.placement.analysis import Analysis, Measure, Verification, analyse
from pipersr_build.progress import say, track
from pipersr_build.report.placement_github import annotations
from pipersr_build.report.placement_html import to_html
from pipersr_build.report.placement_json import to_json
from pipersr_build.report.placement_junit import to_junit
from pipersr_build.report.placement_terminal import conclusion, package_view

SHORT = {"chip": "placement.chip"}


def main(words: list[str]) -> int:
    """Judge every package that is named; 0 only if every operation is resident, or all is as pinned."""
    options = parse(words)
    settings = load([arguments.in_full(word, SHORT) for word in options.overrides]).placement
    label = chip_label(settings.chip)
    measure, before = _measure(options, settings), _pin_to_compare(options)
    analyses = list(_analyses(options.paths, settings.chip, measure, report=options.mlperf is not None))
    found = Verification(analyses, distinct([a.path for a in analyses]), label, settings.gate)
    problem: BuildError | None = None
    try:
        found = _pinned(options, found, before)
    except BuildError as error:  # the answers are shown all the same
        problem = error
    _show(options, found, problem)
    _write(options, found)
    _complain(options, found, problem)
    return exit_code(found, problem)


def chip_label(chip: str) -> str:
    """A chip's family and name as a person reads them: `M4 (h16)` for `h16`.

    Raises:
        InputError: no such chip.
    """
    table = rules.load()
    family = table.family(chip)
    names = table.families[family]
    asked = next((name for name in names if name.lower() == chip.lower()), None)
    default = next((name for name in names if name.startswith("M")), names[0])
    return f"{asked or default} ({family.lower()})"


def exit_code(found: Verification, problem: BuildError | None = None) -> int:
    """What the command returns.

    2 where a package or the pin cannot be used, 3 where Core ML was asked and gave no answer, 1 where an
    operation is not where it is required to be, else 0. Where a pin is compared it alone decides
    between 0 and 1, so that a known boundary can be pinned.
    """
    problems = [problem, *(analysis.error for analysis in found.analyses)]
    if any(problems):
        return InputError.exit_code
    if any(analysis.unmeasured for analysis in found.analyses):
        return MachineError.exit_code
    if found.changes is not None:
        return 1 if found.changes else 0
    answers = [function.answer for analysis in found.analyses for function in analysis.functions]
    return 0 if all(map(found.passes, answers)) else 1


def _measure(options: Options, settings: PlacementConfig) -> Measure | None:
    """How to ask Core ML; None where the user does not want it or this machine does not have it.

    Raises:
        MachineError: the user insists, and this machine does not have it.
        InputError: the performance report cannot be read.
    """
    if options.measured is False:
        return None
    if options.mlperf is not None:
        return _report(options.mlperf)
    try:
        plan.require_mac(platform.system(), platform.mac_ver()[0])
    except MachineError:
        if options.measured:
            raise
        return None
    return partial(
        plan.measure,
        compute_units=settings.compute_units,
        timeout_s=settings.timeout_s,
        memory_gib=settings.memory_gib,
    )


def _report(path: Path) -> Measure:
    """What a report of Xcode's says, read now, in place of Core ML's answer."""
    report = mlperf.read(path)
    if not report.placements:
        fix = "make it with Xcode 16 or later for an ML program"
        raise InputError("the performance report names no operations", where=path, fix=fix)
    if report.predict_ms is not None:
        say(f"{path.name}: {report.predict_ms:.3g} ms a prediction (median) on {report.device}")
    return lambda package: list(mlperf.read(path, open_package(package)).placements)


def _analyses(
    paths: Sequence[Path], chip: str, measure: Measure | None, *, report: bool
) -> Iterator[Analysis]:
    """Every package's analysis; one that cannot be used stands for itself with its error."""
    found = list(_packages(paths))
    if report and len(found) > 1:
        fix = "verify that package alone"
        raise InputError(f"a performance report is about one package, not {len(found)}", fix=fix)
    for given in track("verifying", found, len(found)):
        yield given if isinstance(given, Analysis) else _analysis(given, chip, measure)


def _packages(paths: Sequence[Path]) -> Iterator[Path | Analysis]:
    """The packages that the paths mean, each once, and those paths that mean none."""
    seen: set[Path] = set()
    for path in paths or packages.find([], "verify"):
        try:
            named = packages.find([path], "verify")
        except InputError as error:
            yield Analysis(path, error=error)
            continue
        for package in named:
            if package.resolve() not in seen:
                seen.add(package.resolve())
                yield package


def _analysis(path: Path, chip: str, measure: Measure | None) -> Analysis:
    try:
        return analyse(path, chip=chip, measure=measure)
    except BuildError as error:
        return Analysis(path, error=error)
    except OSError as error:
        explained = explain_os_error(error, path)
        what = f"the package cannot be read: {error.strerror}"
        return Analysis(path, error=explained or InputError(what, where=path, fix="check its files"))


def _pin_to_compare(options: Options) -> pin.Pin | None:
    """The pin that there is, read before the work; None where one is to be written, or none is asked for."""
    if options.pin is None or options.pin_update or not options.pin.exists():
        return None
    return pin.load(options.pin)


def _pinned(options: Options, found: Verification, before: pin.Pin | None) -> Verification:
    """Compare with the pin, or write it."""
    if options.pin is None:
        return found
    bad = [name for name, analysis in found.named if analysis.error is not None]
    if bad and before is None:
        raise InputError("nothing is pinned, because a package cannot be judged", where=bad[0])
    answers = {name: [f.answer for f in a.functions] for name, a in found.named if a.error is None}
    now = pin.snapshot(answers, found.chip)
    if before is None:
        pin.save(now, options.pin)
        return found
    return replace(found, changes=pin.changes(before, now, options.pin))


def _show(options: Options, found: Verification, problem: BuildError | None) -> None:
    """The terminal's view, on the standard output unless that is for JSON."""
    if options.quiet:
        return
    console = Console()
    for name, analysis in found.named:
        for part in package_view(analysis, name, found.chip):
            console.print(part)
    for name, analysis in found.named:
        console.print(conclusion(analysis, name, found), soft_wrap=True)
    for line in _pin_lines(options, found, problem):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _pin_lines(options: Options, found: Verification, problem: BuildError | None) -> Iterator[str]:
    """What came of the pin."""
    if options.pin is None:
        return
    if found.changes is None:
        bad = problem is not None or any(analysis.error for analysis in found.analyses)
        yield f"{'neither compared with nor pinned' if bad else 'pinned'} in {options.pin}"
    elif not found.changes:
        yield f"the placement is as pinned in {options.pin}"
    else:
        yield f"{len(found.changes)} changes since it was pinned in {options.pin}:"
        yield from (f"  {_visible(change)}" for change in found.changes)


def _write(options: Options, found: Verification) -> None:
    """Write the forms that are asked for."""
    if options.html is not None:
        files.write_text(options.html, to_html(found))
    if options.junit is not None:
        files.write_text(options.junit, to_junit(found))
    if options.quiet:
        sys.stdout.write(to_json(found))
    elif options.json is not None:
        files.write_text(Path(options.json), to_json(found))
    if options.github:
        for line in annotations(found):
            print(line, file=sys.stderr if options.quiet else sys.stdout)


def _complain(options: Options, found: Verification, problem: BuildError | None) -> None:
    """Errors after everything else, where a person sees them."""
    for error in (*(analysis.error for analysis in found.analyses), problem):
        if error is not None:
            print(f"error: {_visible(str(error))}", file=sys.stderr)
    if options.quiet and found.changes:
        print("\n".join(map(_visible, found.changes)), file=sys.stderr)


def _visible(text: str) -> str:
    """Text without control characters, which could move the terminal's cursor."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)
