"""Import and call coremltools without its start-up notices and its own progress bars.

coremltools 9.0 warns about every torch newer than 2.7 and, off a Mac, about each missing native
class. `doctor` reports both facts once and in our words, so the notices are silenced here.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def coremltools() -> ModuleType:
    """Import coremltools silently (about 1.5 s the first time) and return it."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        import coremltools as ct
    finally:
        logging.disable(level)
    return ct  # type: ignore[no-any-return]


@contextmanager
def conversion() -> Iterator[None]:
    """Silence what coremltools 9.0 says while it converts.

    It draws progress bars on stderr that no option switches off, and warns of renamed outputs and of
    numpy and torch deprecations in its own code. A user can act on none of them; errors are raised
    as ever.
    """
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
