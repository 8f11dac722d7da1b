"""What programs may rely on is pinned: names and signatures, in tests/golden/public_api.txt."""

import importlib
import inspect
import os
import re
from dataclasses import is_dataclass
from enum import Enum

import pydantic

import pipersr_build
from tests.conftest import ROOT

GOLDEN = ROOT / "tests" / "golden" / "public_api.txt"
PAGE = ROOT / "docs" / "reference" / "python.md"


def documented():
    """The names on the page of the reference."""
    return re.findall(r"^::: (\S+)$", PAGE.read_text(), re.MULTILINE)


def found(name):
    """The object of a dotted name: a module's attribute."""
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


def described(name):
    """Its line, and of a class one for each public member."""
    thing = found(name)
    if not inspect.isclass(thing):
        return [f"{name}{arguments(thing)}"]
    if issubclass(thing, pydantic.BaseModel):
        return [name, *(f"    {key}" for key in thing.model_fields)]
    own = [(key, value) for key, value in vars(thing).items() if not key.startswith("_") or key == "__call__"]
    fields = getattr(thing, "__annotations__", {}) if is_dataclass(thing) else {}
    members = [member(key, value) for key, value in own if key not in fields]
    signature = "" if issubclass(thing, Enum) else arguments(thing)
    return [f"{name}{signature}", *(f"    {line}" for line in members)]


def arguments(thing):
    """Names, kinds and defaults; how types are written differs between versions of Python."""
    signature = inspect.signature(thing)
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def member(key, value):
    if isinstance(value, property):
        return f"{key}: property"
    callee = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    return f"{key}{arguments(callee)}" if callable(callee) else f"{key} = {value!r}"


def test_the_public_names_are_as_agreed():
    lines = [line for name in documented() for line in described(name)]
    text = "\n".join([f"pipersr_build.__all__ = {pipersr_build.__all__}", *lines]) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text(), "on purpose? UPDATE_GOLDEN=1, and a line in CHANGELOG.md"


def test_what_the_package_exports_is_documented():
    exported = {f"pipersr_build.{name}" for name in pipersr_build.__all__ if name != "__version__"}
    assert exported <= set(documented())
    assert all(hasattr(pipersr_build, name) for name in pipersr_build.__all__)


def test_every_public_name_has_a_docstring():
    assert [name for name in documented() if not inspect.getdoc(found(name))] == []
