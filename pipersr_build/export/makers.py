"""What a package says about the programs that made it: their versions and revision.

These are no properties of the package: the same weights and settings give the same packages but for them.
Comparing packages, they are told apart from the rest.
"""

from typing import Any

from pipersr_build.export.metadata import COMMIT, TOOLKIT

_COREMLTOOLS = "com.github.apple.coremltools."
KEYS = (TOOLKIT, COMMIT, f"{_COREMLTOOLS}version", f"{_COREMLTOOLS}source")
_BUILD_INFO = "buildInfo"  # an attribute of the program, with versions by component
_VERSIONS = ("coremltools-version", "coremltools-component-torch")


def read(spec: Any) -> dict[str, str]:
    """The makers that Core ML's `Model` message `spec` names, by key."""
    stated = spec.description.metadata.userDefined
    return {key: stated[key] for key in KEYS if key in stated} | {
        key: text[0] for key, text in _build_info(spec).items()
    }


def update(spec: Any, makers: dict[str, str]) -> None:
    """Have `spec` name `makers` and no others, in place.

    What was written by one program is kept by the place where it stands: components of the program's own
    list are changed, never added or removed.
    """
    stated, built = spec.description.metadata.userDefined, _build_info(spec)
    for key in KEYS:
        stated.pop(key, None)
        if key in makers:
            stated[key] = makers[key]
    for key, text in built.items():
        text[0] = makers.get(key, text[0])


def _build_info(spec: Any) -> dict[str, Any]:
    """The versions in the program's attribute, by component, each as the list of its one string."""
    if spec.WhichOneof("Type") != "mlProgram" or _BUILD_INFO not in spec.mlProgram.attributes:
        return {}
    pairs = spec.mlProgram.attributes[_BUILD_INFO].immediateValue.dictionary.values
    strings = {_strings(pair.key)[0]: _strings(pair.value) for pair in pairs}
    return {name: text for name, text in strings.items() if name in _VERSIONS}


def _strings(value: Any) -> Any:
    return value.immediateValue.tensor.strings.values
