from dataclasses import dataclass, field

import pytest

from pipersr_build import cli, config, models
from pipersr_build.report import reference
from pipersr_build.shipped import conf_dir


@dataclass
class Inner:
    size: int = 3


@dataclass
class Schema:
    plain: str = "a|b"  # one of two
    many: list[int] = field(default_factory=list)  # with a comment
    # that goes on below
    inner: Inner = field(default_factory=Inner)
    none: float | None = None

    def size(self):  # not a field's comment
        return self.inner.size


def test_settings_have_full_keys_types_defaults_and_the_comments_beside_them():
    found = list(reference.settings(Schema, "x."))
    assert [(each.key, each.default) for each in found] == [
        ("x.plain", "a|b"),
        ("x.many", "[]"),
        ("x.inner.size", "3"),
        ("x.none", "null"),
    ]
    assert [each.comment for each in found] == ["one of two", "with a comment that goes on below", "", ""]
    assert [each.kind for each in found] == ["str", "list[int]", "int", "float | None"]


@pytest.mark.parametrize("each", list(reference.settings(config.Config)), ids=lambda each: each.key)
def test_every_key_says_what_it_means(each):
    assert each.key == "model" or each.comment


def test_choices_are_of_keys_that_exist():
    assert reference.CHOICES.keys() <= {each.key for each in reference.settings(config.Config)}


def test_the_pages_have_every_command_key_and_network(tmp_path):
    written = reference.write(tmp_path)
    commands, settings, networks = (path.read_text() for path in written)
    assert all(f"## {name}\n" in commands and cli.help_for(name) in commands for name in cli.COMMANDS)
    assert all(
        f"| `{each.key}` |" in settings or each.key == "model" for each in reference.settings(config.Config)
    )
    assert all(f"| `{file.stem}` |" in networks for file in (conf_dir() / "model").glob("*.yaml"))
    assert all(f"## {family}\n" in networks for family in models.FAMILIES)
    row = next(line for line in networks.splitlines() if line.startswith("| `pipersr_2x` |"))
    assert "| 453,388 | 2 | 14 | any |" in row
    assert "`data.corpus` | str | `photos` |" in settings
    assert "str \\| None" in settings
