"""The closed vocabulary in which rules state their conditions, and its evaluation on an operation.

A condition is data: lists of element types, names of arguments, and ranges of the numbers that
`quantities` defines. Everything that it states must hold.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from pipersr_build.mil import dtypes
from pipersr_build.placement.quantities import QUANTITIES, Numbers, Subject


def _known_dtype(name: str) -> str:
    if name not in dtypes.NAMES.values():
        raise ValueError(f"no element type is called {name!r}")
    return name


def _known_quantity(name: str) -> str:
    if name not in QUANTITIES:
        raise ValueError(f"no quantity is called {name!r}; there are {', '.join(sorted(QUANTITIES))}")
    return name


Dtype = Annotated[str, AfterValidator(_known_dtype)]
Quantity = Annotated[str, AfterValidator(_known_quantity)]


class Strict(BaseModel):
    """Base of everything read from the rule file: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(Strict):
    """Which numbers are meant: bounds (inclusive), a list, all but a list, no multiples of a number."""

    at_least: float | None = None
    at_most: float | None = None
    one_of: tuple[float, ...] | None = None
    none_of: tuple[float, ...] = ()
    not_multiple_of: int | None = None

    @model_validator(mode="after")
    def _states_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("a range states no bound")
        return self

    def holds(self, value: float) -> bool:
        """Whether `value` lies in the range."""
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.one_of is None or value in self.one_of)
            and value not in self.none_of
            and (self.not_multiple_of is None or value % self.not_multiple_of != 0)
        )

    def __str__(self) -> str:
        parts = []
        if self.at_least is not None:
            parts.append(f"at least {self.at_least:g}")
        if self.at_most is not None:
            parts.append(f"at most {self.at_most:g}")
        if self.one_of is not None:
            parts.append(" or ".join(f"{value:g}" for value in self.one_of))
        if self.none_of:
            parts.append("not " + " or ".join(f"{value:g}" for value in self.none_of))
        if self.not_multiple_of is not None:
            parts.append(f"no multiple of {self.not_multiple_of}")
        return " and ".join(parts)


class Condition(Strict):
    """What must hold of an operation; an empty condition always holds.

    Attributes:
        dtypes: the element types that its run-time tensors may have.
        some_dtype: at least one run-time tensor has one of these.
        operand_dtypes: as `dtypes`, for operands alone.
        result_dtypes: as `dtypes`, for results alone.
        argument_dtypes: element types of a named argument, constant or not.
        static: whether every extent of its run-time tensors is known.
        constant: arguments that, where bound, must be known when the model is compiled.
        dynamic: arguments that must be bound to a run-time tensor.
        made_by: an argument must come from one of these operations.
        text: the strings that a constant argument may hold.
        numbers: the range of a quantity; all of its values must lie in it.
    """

    dtypes: tuple[Dtype, ...] | None = None
    some_dtype: tuple[Dtype, ...] | None = None
    operand_dtypes: tuple[Dtype, ...] | None = None
    result_dtypes: tuple[Dtype, ...] | None = None
    argument_dtypes: dict[str, tuple[Dtype, ...]] = {}
    static: bool | None = None
    constant: tuple[str, ...] = ()
    dynamic: tuple[str, ...] = ()
    made_by: dict[str, tuple[str, ...]] = {}
    text: dict[str, tuple[str, ...]] = {}
    numbers: dict[Quantity, Range] = {}


def mismatches(condition: Condition, subject: Subject) -> list[str]:
    """The statements of `condition` that do not hold, as clauses about the operation; [] if all hold."""
    tests = (_types, _arguments, _texts, _numbers)
    return [clause for test in tests for clause in test(condition, subject)]


def show(numbers: Numbers) -> str:
    """Numbers for a sentence: `3×3`, `1.5`; `?` where none is known."""
    return "×".join(f"{value:.6g}" if value % 1 else f"{value:.0f}" for value in numbers) or "?"


def _types(condition: Condition, subject: Subject) -> Iterator[str]:
    tensors = {t.dtype for t in subject.tensors}
    yield from _within("tensors", tensors, condition.dtypes)
    yield from _within("operands", {t.dtype for t in subject.operands}, condition.operand_dtypes)
    yield from _within("results", {t.dtype for t in subject.results}, condition.result_dtypes)
    if condition.some_dtype is not None and tensors.isdisjoint(condition.some_dtype):
        yield f"no tensor is {_either(condition.some_dtype)}"
    for name, allowed in condition.argument_dtypes.items():
        bound = subject.operation.argument(name)
        type_ = None if bound is None else subject.graph.type_of(bound)
        if type_ is None or type_.dtype not in allowed:
            yield f"{name} is {'absent' if type_ is None else type_.dtype} (covered: {_either(allowed)})"
    if condition.static is not None and condition.static != all(t.static for t in subject.tensors):
        yield "an extent is not known before run time" if condition.static else "every extent is known"


def _within(what: str, found: set[str], allowed: Sequence[str] | None) -> Iterator[str]:
    if allowed is not None and not (found and found.issubset(allowed)):
        yield f"{what} are {' and '.join(sorted(found)) or 'absent'} (covered: {_either(allowed)})"


def _either(names: Sequence[str]) -> str:
    return " or ".join(names)


def _arguments(condition: Condition, subject: Subject) -> Iterator[str]:
    inputs, graph = subject.operation.inputs, subject.graph
    for name in condition.constant:
        if not all(graph.compile_time(a) for a in inputs.get(name, ())):
            yield f"{name} is computed at run time"
    for name in condition.dynamic:
        if all(graph.compile_time(a) for a in inputs.get(name, ())):
            yield f"{name} is not computed at run time"
    for name, makers in condition.made_by.items():
        bound = subject.operation.argument(name)
        maker = graph.makers.get(bound) if isinstance(bound, str) else None
        if maker is None or maker.type not in makers:
            yield f"{name} does not come from {_either(makers)}"


def _texts(condition: Condition, subject: Subject) -> Iterator[str]:
    for name, allowed in condition.text.items():
        found = subject.text(name)
        if found not in allowed:
            yield f"{name} is {'not given' if found is None else found} (covered: {_either(allowed)})"


def _numbers(condition: Condition, subject: Subject) -> Iterator[str]:
    for quantity, range_ in condition.numbers.items():
        values, label = subject.number(quantity), quantity.replace("_", " ")
        if not values:
            yield f"its {label} is not known before run time"
        elif not all(range_.holds(value) for value in values):
            yield f"{label} is {show(values)} (covered: {range_})"
