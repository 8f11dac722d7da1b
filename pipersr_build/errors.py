"""The errors a user can meet, each with the exit code that the command line returns for it."""

from typing import ClassVar


class BuildError(Exception):
    """Base of every error that is reported to the user as one message, without a traceback.

    Args:
        what: what is wrong, in one sentence without a full stop.
        where: the file, key or operation it concerns.
        fix: what the user can do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: object = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.fix = fix

    def __str__(self) -> str:
        lines = [self.what]
        if self.where is not None:
            lines.append(f"  where: {self.where}")
        if self.fix is not None:
            lines.append(f"  to do: {self.fix}")
        return "\n".join(lines)


class InputError(BuildError):
    """Bad input or configuration: a file, a value or a key that cannot be used."""

    exit_code = 2


class TooLargeError(InputError):
    """More pixels than are allowed."""


class MachineError(BuildError):
    """This machine cannot do it, for example because a Mac is needed."""

    exit_code = 3


class InterruptedRunError(BuildError):
    """The user interrupted the run; whatever can be resumed has been saved."""

    exit_code = 130
