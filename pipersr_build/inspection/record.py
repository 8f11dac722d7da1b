"""The records of an inspection."""

from typing import Any

from pydantic import Field

from pipersr_build.evidence import Record


class Feature(Record):
    """An input or output of a function."""

    name: str
    type: str
    description: str


class WeightStatistics(Record):
    """One constant tensor of floating-point numbers, as the program computes with it."""

    operation: str
    argument: str
    type: str = Field(description="element type and shape")
    stored: str = Field(description="as it lies in the package: its type, or what decompresses it")
    elements: int
    least: float
    greatest: float
    mean: float
    deviation: float
    zeros: int
    subnormal: int = Field(description="not zero, and nearer to it than fp16's normal numbers, 2^-14")


class OperationReport(Record):
    """One operation, with what its numbers can reach; None where that is not known."""

    name: str
    operator: str
    result: str = Field(description="element type and shape of its first result")
    largest: float | None = Field(default=None, description="largest absolute value on the pictures")
    sum_on_pictures: float | None = Field(
        default=None, description="bound on partial sums for values as on the pictures, in any order"
    )
    sum_of_any: float | None = Field(
        default=None, description="bound on partial sums for any input in range, in any order"
    )


class FunctionReport(Record):
    """One function of a package."""

    name: str
    operation_set: str
    inputs: list[Feature]
    outputs: list[Feature]
    census: dict[str, int]
    parameters: int
    operations: list[OperationReport]
    weights: list[WeightStatistics]
    pictures: list[str] = Field(default=[], description="on which the largest values were seen")
    note: str = Field(default="", description="why something is not known")


class PackageReport(Record):
    """One package."""

    path: str
    sha256: str
    bytes: dict[str, int] = Field(description="of each file, by its path in the package")
    specification: int
    systems: str = Field(description="the oldest that run it")
    description: str
    author: str
    licence: str
    version: str
    stated: dict[str, str] = Field(description="the package's user-defined metadata")
    default: str = Field(description="the function that runs when none is named")
    functions: list[FunctionReport]

    @property
    def margins(self) -> dict[str, Any]:
        """The largest numbers of all functions, by what they are; None where none is known."""
        operations = [op for function in self.functions for op in function.operations]
        return {
            key: max((value for op in operations if (value := getattr(op, key)) is not None), default=None)
            for key in ("largest", "sum_on_pictures", "sum_of_any")
        }
