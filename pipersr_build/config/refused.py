"""The error that a setting which makes no sense is answered with."""

from collections.abc import Sequence

from pipersr_build.errors import InputError


def refused(key: str, value: object, why: str) -> InputError:
    """The error for the setting `key`, with its group; `why` says what is allowed."""
    return InputError(f"{key} is {value!r}", where=f"configuration key {key}", fix=why)


def choice(key: str, value: str, allowed: Sequence[str]) -> None:
    """Check that the setting is one of a few words."""
    if value not in allowed:
        raise refused(key, value, f"choose from {', '.join(allowed)}")


def at_least(key: str, value: float, least: float) -> None:
    """Check that the setting is a number that is large enough."""
    if not value >= least:  # NaN is not
        raise refused(key, value, f"it must be at least {least}")
