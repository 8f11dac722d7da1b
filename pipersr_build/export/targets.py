"""Deployment targets: the systems a package can be made for, and the operations that each brings."""

MACOS = ("macOS13", "macOS14", "macOS15", "macOS26")
IOS = ("iOS16", "iOS17", "iOS18", "iOS26")
TARGETS = (*MACOS, *IOS)
NEWEST = MACOS[-1]
FUNCTIONS_FROM = "macOS15"  # Core ML's documentation: several functions in a package from iOS 18, macOS 15
_OPERATIONS = dict(zip(MACOS, ("CoreML6", "CoreML7", "CoreML8", "CoreML9"), strict=True))


def as_macos(deployment: str) -> str:
    """The macOS of the same year: the two share a specification, so a package of one runs on the other.

    Raises:
        ValueError: no such target; see `TARGETS`.
    """
    return deployment if deployment in MACOS else MACOS[IOS.index(deployment)]


def as_ios(deployment: str) -> str:
    """The iOS of the same year; see `as_macos`."""
    return IOS[MACOS.index(as_macos(deployment))]


def operations(deployment: str) -> str:
    """The name of the operation set that packages of a target are written with: `CoreML6` and later."""
    return _OPERATIONS[as_macos(deployment)]


def reaches(deployment: str, oldest: str) -> bool:
    """Whether a package for `deployment` may use what came with `oldest`."""
    return MACOS.index(as_macos(deployment)) >= MACOS.index(as_macos(oldest))


def both(deployment: str) -> str:
    """A target as people read it: `macOS 15, iOS 18`."""
    return ", ".join(name.replace("OS", "OS ") for name in (as_macos(deployment), as_ios(deployment)))
