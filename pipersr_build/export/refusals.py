"""Say which operation of a network cannot be converted, in place of the converter's own words."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from pipersr_build.errors import BuildError


class ConversionError(BuildError):
    """An operation of the network stands in the way of a package."""

    exit_code = 1

    def __init__(self, operation: str, why: str, title: str) -> None:
        super().__init__(
            f"{title} cannot be converted: operation {operation} stands in the way ({why})",
            fix="choose a network without it; no package was written",
        )
        self.operation, self.why = operation, why


@contextmanager
def naming_the_operation(title: str) -> Iterator[None]:
    """Turn a failed conversion of `title` into a `ConversionError`.

    Raises:
        ConversionError: naming the operation, as far as the converter says it.
    """
    heard = _Listener()
    logger = logging.getLogger("coremltools")
    logger.addHandler(heard)
    try:
        yield
    except (BuildError, OSError, MemoryError):
        raise
    except Exception as error:  # the converter raises whatever its libraries raise
        said = " ".join(str(error).split())
        raise ConversionError(_operation(said, heard), said[-160:] or type(error).__name__, title) from error
    finally:
        logger.removeHandler(heard)


class _Listener(logging.Handler):
    """Keeps the operation that coremltools logs before it fails."""

    operation: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        found = re.search(r"converting '([^']+)' op", record.getMessage())
        self.operation = found[1] if found else self.operation


def _operation(said: str, heard: _Listener) -> str:
    """The operation's name in PyTorch's words."""
    for pattern in (
        r"function for op '([^']+)'",
        r"node \S+ \((\w+)\)",
        r'with type "(\w+)"',
        r"OpOverload\(op='([^']+)'",
        r"unsupported ATen ops: ([\w.]+(?:, [\w.]+)*)",
    ):
        if named := re.search(pattern, said):
            return named[1]
    return heard.operation or "unknown"
