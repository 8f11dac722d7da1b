"""One package, opened and judged: the prediction for every function, and Core ML's own plan on a Mac."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipersr_build.errors import BuildError, InputError, MachineError
from pipersr_build.evidence import OperationPlacement, Placement
from pipersr_build.mil.package import OLDER, Stage, check_weights, open_stages
from pipersr_build.placement.check import DEFAULT_CHIP
from pipersr_build.placement.gate import can, will
from pipersr_build.placement.package_cost import with_latency
from pipersr_build.placement.predict import predict

Measure = Callable[[Path], list[Placement]]

FOREIGN = "no evidence is about models of type {kind}; only ML programs are judged"


@dataclass(frozen=True, slots=True)
class FunctionAnalysis:
    """The answers about one function of a package, or one stage of a pipeline."""

    name: str
    predicted: Placement
    measured: Placement | None = None

    @property
    def answer(self) -> Placement:
        """What is to be believed: the measurement where there is one."""
        return self.predicted if self.measured is None else self.measured


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is known about one package.

    Attributes:
        path: the package as it was named.
        functions: none where the package cannot be read.
        error: why it cannot be used: it cannot be read, or Core ML refuses it.
        unmeasured: why nothing was measured although it was tried.
    """

    path: Path
    functions: tuple[FunctionAnalysis, ...] = ()
    error: BuildError | None = None
    unmeasured: MachineError | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """Several packages judged together: what every form of report is made of.

    Attributes:
        analyses: a package each.
        names: what tells the packages apart.
        chip: what predictions are for, in words: `M4 (h16)`.
        require: `will`: every operation is to be on the ANE; `can`: it is enough that the ANE can run it.
        changes: what differs from a pinned placement; None where nothing is compared.
    """

    analyses: Sequence[Analysis]
    names: Sequence[str]
    chip: str
    require: str = "will"
    changes: Sequence[str] | None = None

    @property
    def named(self) -> list[tuple[str, Analysis]]:
        """Names and analyses in pairs."""
        return list(zip(self.names, self.analyses, strict=True))

    def accepts(self, operation: OperationPlacement) -> bool:
        """Whether an operation is where it is required to be; never where that is not known."""
        return (can if self.require == "can" else will)(operation) == "yes"

    def passes(self, placement: Placement) -> bool:
        """Whether there are operations and all are accepted."""
        return bool(placement.operations) and all(map(self.accepts, placement.operations))


def analyse(path: Path, *, chip: str = DEFAULT_CHIP, measure: Measure | None = None) -> Analysis:
    """Judge every function of a package, or of every stage of a pipeline.

    A model that is no ML program is judged `unknown`, layer by layer.

    Args:
        path: a `.mlpackage`, or an `.mlmodel` file.
        chip: a chip family or a chip's name, for the prediction.
        measure: asks Core ML for its plan (`plan.measure`); None is content with the prediction. That it
            fails is part of the answer.

    Raises:
        InputError: the package cannot be used, or there is no such chip.
    """
    try:
        functions = tuple(f for stage in open_stages(path) for f in _predicted(stage, chip))
    except (RecursionError, MemoryError) as error:
        what = f"the package is too deeply nested or too large to be read ({type(error).__name__})"
        raise InputError(what, where=path, fix="check that it is undamaged") from error
    found = Analysis(path, functions)
    return found if measure is None else _measured(found, measure)


def _measured(found: Analysis, measure: Measure) -> Analysis:
    """The analysis with Core ML's plan, or with the reason why there is none."""
    try:
        plans = {placement.function: placement for placement in measure(found.path)}
    except MachineError as error:
        return replace(found, unmeasured=error)
    except InputError as error:  # Core ML refuses what we can read
        return replace(found, error=error)
    return replace(found, functions=tuple(replace(f, measured=plans.get(f.name)) for f in found.functions))


def _predicted(stage: Stage, chip: str) -> list[FunctionAnalysis]:
    if stage.package is None:
        foreign = _foreign(stage)
        return [FunctionAnalysis(foreign.function, foreign)]
    check_weights(stage.package)
    functions = stage.package.functions
    placements = [with_latency(functions[p.function], p, chip) for p in predict(stage.package, chip=chip)]
    names = [_called(stage, placement.function) for placement in placements]
    return [
        FunctionAnalysis(name, placement.model_copy(update={"function": name}))
        for name, placement in zip(names, placements, strict=True)
    ]


def _called(stage: Stage, function: str) -> str:
    return f"{stage.name}/{function}" if stage.name else function


def _foreign(stage: Stage) -> Placement:
    """The placement of a model that is no program: nothing is known of its layers."""
    reason = FOREIGN.format(kind=stage.kind)
    layers = stage.layers or ((stage.name or stage.kind, stage.kind),)
    return Placement(
        source="predicted",
        basis=f"none: {reason}",
        function=stage.name or "main",
        operations=[
            OperationPlacement(
                output_name=name,
                operator=kind,
                supported=["cpu"],
                preferred=None,
                verdict="unknown",
                reasons=[reason],
                advice=[OLDER],
            )
            for name, kind in layers
        ],
    )
