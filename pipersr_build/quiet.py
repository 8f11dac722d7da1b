"""Import and call coremltools without its start-up notices and its own progress bars.

coremltools 9.0 warns about every torch newer than 2.7 and, off a Mac, about each missing native
class. `doctor` reports both facts once and in our words, so the notices are silenced here.
"""

import logging
import os
from types import ModuleType


def coremltools() -> ModuleType:
    """Import coremltools silently (about 1.5 s the first time) and return it."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # read by tqdm when coremltools first imports it
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        import coremltools as ct
    finally:
        logging.disable(level)
    return ct  # type: ignore[no-any-return]
