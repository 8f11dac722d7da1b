"""The floor's constraints are what pyproject.toml says, and the tested versions lie within its ranges."""

import tomllib
from itertools import chain

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from tools import floor


def pins(name):
    lines = (ROOT / "constraints" / name).read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(package): version for package, version in pairs}


def test_the_file_is_what_pyproject_says():
    written = (ROOT / "constraints/floor.txt").read_text().splitlines()[1:]
    assert written == floor.floor(), "write it anew: python tools/floor.py > constraints/floor.txt"


def test_it_holds_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    assert named <= pins("floor.txt").keys()


def test_the_tested_versions_are_within_the_ranges():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tested = pins("tested.txt")
    for wanted in map(
        Requirement, chain(project["dependencies"], *project["optional-dependencies"].values())
    ):
        if wanted.name != project["name"]:
            assert wanted.specifier.contains(tested[canonicalize_name(wanted.name)]), wanted


@pytest.mark.parametrize(("text", "version"), [("a>=1.2,<3", "1.2"), ("a==4", "4"), ("a[x]>=2.0", "2.0")])
def test_the_lowest_version_of_a_range(text, version):
    assert floor.lowest(Requirement(text)) == version


@pytest.mark.parametrize("text", ["a", "a<2", "a>=1,==1.5"])
def test_a_range_without_one_lowest_version_is_refused(text):
    with pytest.raises(ValueError, match="lowest"):
        floor.lowest(Requirement(text))
