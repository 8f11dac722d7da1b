"""Count a function's operations by type, the way this project counts: `const` excluded."""

from collections import Counter

from pipersr_build.mil.graph import Function


def census(function: Function) -> dict[str, int]:
    """Operations by type, most frequent first (ties by name), nested blocks included."""
    counts = Counter(op.type for op in function.walk())
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
