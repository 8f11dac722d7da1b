from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from pipersr_build.commands.arguments import overrides_only, quoted, split
from pipersr_build.config import load
from pipersr_build.errors import InputError

AWKWARD = "ab'\"\\${}[](), =:#;ü~.-+1\t"


NAMES = [
    "my pictures (2)",
    "it's",
    'say "x"',
    "${HOME}",
    "\\${x}",
    "a\\",
    "a,b=c",
    "2024",
    "true",
    "~/x",
    "ü",
]


def parsed(word):
    """The value as Hydra and OmegaConf understand it."""
    value = OverridesParser.create().parse_override(word).value()
    return OmegaConf.create({"value": getattr(value, "text", value)}).value


@pytest.mark.parametrize("name", NAMES)
def test_paths_are_taken_as_they_are(name):
    _, (word,) = split([f"upscale.out={name}"])
    assert load([word]).upscale.out == name


@settings(deadline=None)
@given(st.text(AWKWARD, min_size=1, max_size=9))
def test_any_path_is(name):
    assume(not (len(name) > 1 and name[0] == name[-1] and name[0] in "'\""))
    assert str(parsed(quoted(f"upscale.out={name}"))) == name


@pytest.mark.parametrize(
    "word",
    ["out=null", "out=", "out='a b'", 'out="a b"', "out=folder/a.png", "out=../a", "name=a b",
     "evaluation.folder=[a,b]", "training.loss={l1: 1}"],
)  # fmt: skip
def test_what_needs_no_quotes_gets_none(word):
    assert split([word]) == ([], [word])


def test_brackets_of_one_path_are_its_own():
    assert load([quoted("upscale.package=[x]")]).upscale.package == "[x]"


def test_commas_divide_the_values_of_a_sweep():
    words = ["training.initial=a b,c", "weights=a,b"]
    assert overrides_only(words, sweep=True) == words
    assert overrides_only(words) == ["training.initial='a b,c'", "weights='a,b'"]


def test_files_that_look_like_options():
    assert split(["./-dash.png", "quality=9"]) == ([Path("-dash.png")], ["quality=9"])
    assert split(["a", "--", "-dash.png", "b=c", "--"]) == (
        [Path(p) for p in ("a", "-dash.png", "b=c", "--")],
        [],
    )
    with pytest.raises(InputError, match=r"'-dash\.png' is not known") as caught:
        split(["-dash.png"])
    assert "./-dash.png" in str(caught.value.fix)
