"""The lowest versions that pyproject.toml allows, as constraints.

`python tools/floor.py > constraints/floor.txt` writes them anew.

`make test-floor` tests with them. Only what a user installs is held to its floor: the dependencies and the
extras in `EXTRAS`. Tools of development and the documentation's are what `constraints/tested.txt` says.
"""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("logs", "notebooks", "publish", "serve")


def floor() -> list[str]:
    """A line `name==lowest` for each direct dependency of a user, sorted.

    Raises:
        ValueError: a requirement has no lowest version.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra])]
    return sorted(f"{requirement.name}=={lowest(requirement)}" for requirement in map(Requirement, wanted))


def lowest(requirement: Requirement) -> str:
    """The version after `>=` (or `==`) of a requirement."""
    found = [part.version for part in requirement.specifier if part.operator in (">=", "==")]
    if len(found) != 1:
        raise ValueError(f"{requirement} names no lowest version, or several")
    return found[0]


if __name__ == "__main__":
    print("\n".join(["# written by tools/floor.py from pyproject.toml", *floor()]))
