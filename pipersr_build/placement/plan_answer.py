"""What the process that asks Core ML for a compute plan writes for the process that waits for it."""

from typing import Literal

from pipersr_build.evidence import Device, Record


class PlannedOperation(Record):
    """What the plan says about one operation or layer; None where Core ML gives no answer.

    `cost_weight` is the operation's share of the whole estimate, in [0, 1]; it is not a time.
    """

    output_name: str
    operator: str
    supported: tuple[Device, ...] | None = None
    preferred: Device | None = None
    cost_weight: float | None = None


class Part(Record):
    """The plan of one function, one neural network, or one model of a pipeline.

    `kind` is `program`, `neuralnetwork`, or `other` for a model that Core ML does not take apart.
    """

    name: str
    kind: Literal["program", "neuralnetwork", "other"]
    operations: tuple[PlannedOperation, ...] = ()


class Answer(Record):
    """The plan, or why there is none.

    `unsupported`: this machine has no compute plans; `failed`: Core ML refuses the package.
    """

    status: Literal["ok", "unsupported", "failed"]
    message: str = ""
    parts: tuple[Part, ...] = ()
