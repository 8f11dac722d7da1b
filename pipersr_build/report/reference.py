"""The reference pages that are made from the code: `python -m pipersr_build.report.reference FOLDER`.

Commands come from the command line's table, settings from the configuration's schemas (defaults, and the
comments beside them), networks from the table of families and `conf/model`. The documentation site makes
these pages whenever it is built, so none of them is kept in the repository.
"""

import inspect
import io
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, cast, get_type_hints

from omegaconf import OmegaConf

from pipersr_build import cli, files, models
from pipersr_build.config import Config, checks, training_checks
from pipersr_build.config.upscale import FORMATS
from pipersr_build.export.compression.methods import METHODS
from pipersr_build.export.targets import TARGETS
from pipersr_build.runtime.backends import CHOICES as BACKENDS
from pipersr_build.runtime.backends import COMPUTE_UNITS
from pipersr_build.shipped import conf_dir

CHOICES: dict[str, tuple[str, ...]] = {
    **{f"training.{key}": values for key, values in training_checks.CHOICES.items()},
    "training.logs": training_checks.LOGS,
    "data.corpus": checks.CORPORA,
    "data.lr": checks.LR_MADE,
    "evaluation.protocol": (*checks.PROTOCOLS, checks.ALL_PROTOCOLS),
    "export.compress": tuple(METHODS),
    "target.deployment": TARGETS,
    "upscale.format": FORMATS,
    "upscale.backend": tuple(BACKENDS),
    "upscale.compute_units": tuple(COMPUTE_UNITS),
}


@dataclass(frozen=True)
class Setting:
    """One key of the configuration.

    Attributes:
        key: in full, `training.steps`.
        kind: its type, as written.
        default: its default value, as a person types it.
        comment: what the source says beside it.
    """

    key: str
    kind: str
    default: str
    comment: str


def commands_page() -> str:
    """Every command's help, as `pipersr-build COMMAND --help` prints it."""
    parts = ["# Commands", "", *_text(cli.overview())]
    for name in cli.COMMANDS:
        parts += ["", f"## {name}", "", *_text(cli.help_for(name))]
    return "\n".join([*parts, ""])


def settings_page() -> str:
    """Every key of the configuration but those of a network, group by group."""
    intro = (
        "Every command takes these as `key=value`; `pipersr-build config key=value …` prints what they make."
        " Groups of values (`data=div2k`, `target=macos15`, `experiment=debug`) are files in `conf/`."
    )
    own = [each for each in settings(Config) if "." not in each.key and each.key != "model"]
    parts = ["# Settings", "", intro, "", "## The whole", "", *_table(own)]
    for field, schema in _groups(Config):
        found = list(settings(schema, f"{field.name}."))
        parts += [
            "",
            f"## {field.name}",
            "",
            _first_line(schema),
            *_choices_of(field.name),
            "",
            *_table(found),
        ]
    return "\n".join([*parts, ""])


def networks_page() -> str:
    """Every network that `model=` takes, and the keys of each family."""
    intro = (
        "A network is chosen with `model=`; keys of its family change it, for example"
        " `model=pipersr_2x model.blocks=4`. The families are explained in"
        " [The family of networks](../explanation/family.md)."
    )
    head = ["| `model=` | network | parameters | scale | looks around it, LR pixels | sizes |",
            "|---|---|---:|---:|---:|---|"]  # fmt: skip
    folder = conf_dir() / "model"
    names = sorted(file.stem for file in folder.glob("*.yaml"))
    parts = ["# Networks", "", intro, "", *head, *(_network(name, folder) for name in names)]
    for name, family in models.FAMILIES.items():
        found = [each for each in settings(family.config, "model.") if each.key != "model.family"]
        parts += ["", f"## {name}", "", _first_line(inspect.getmodule(family.config)), "", *_table(found)]
    return "\n".join([*parts, ""])


PAGES: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands_page,
    "reference/settings.md": settings_page,
    "reference/networks.md": networks_page,
}


def settings(schema: type[Any], prefix: str = "") -> Iterator[Setting]:
    """The keys of a schema and of those inside it, in the order of the source."""
    comments, kinds = comments_of(schema), get_type_hints(schema)
    for field in fields(schema):
        inner = kinds[field.name]
        if is_dataclass(inner) and isinstance(inner, type):
            yield from settings(inner, f"{prefix}{field.name}.")
        else:
            shown = getattr(inner, "__name__", "") if isinstance(inner, type) else str(inner)
            kind = "any" if inner is Any else shown or str(inner)
            yield Setting(f"{prefix}{field.name}", kind, _default(field), comments.get(field.name, ""))


def comments_of(schema: type[Any]) -> dict[str, str]:
    """The comment beside each field of a dataclass, with the lines of comment below it."""
    found: dict[str, str] = {}
    name, lines = "", io.StringIO(inspect.getsource(schema))
    names = {field.name for field in fields(schema)}
    for token in tokenize.generate_tokens(lines.readline):
        if token.type == tokenize.NAME and token.start[1] == 4 and token.string in names:
            name = token.string
        elif token.type == tokenize.NAME and token.start[1] == 4:
            name = ""
        elif token.type == tokenize.COMMENT and name:
            said = token.string.lstrip("# ").strip()
            found[name] = f"{found[name]} {said}" if name in found else said
    return found


def _network(name: str, folder: Path) -> str:
    values = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(folder / f"{name}.yaml")))
    (schema,) = values.pop("defaults")  # as every file of this group has it: a family's schema, then values
    model = models.FAMILIES[schema.removesuffix("_schema")].config(**values)
    facts = models.facts(model)
    looks = "all" if facts.receptive_radius is None else str(facts.receptive_radius)
    sizes = "any" if facts.size_multiple == 1 else f"multiples of {facts.size_multiple}"
    count = f"{models.parameters(models.build(model)):,}"
    return f"| `{name}` | [{facts.title}]({facts.source}) | {count} | {facts.scale:g} | {looks} | {sizes} |"


def _groups(schema: type[Any]) -> Iterator[tuple[Field[Any], type[Any]]]:
    kinds = get_type_hints(schema)
    return ((field, kinds[field.name]) for field in fields(schema) if is_dataclass(kinds[field.name]))


def _choices_of(group: str) -> list[str]:
    names = sorted(file.stem for file in (conf_dir() / group).glob("*.yaml"))
    return ["", f"`{group}=` {', '.join(f'`{name}`' for name in names)}"] if names else []


def _table(found: list[Setting]) -> list[str]:
    if not found:
        return ["No keys."]
    rows = [
        f"| `{each.key}` | {_cell(each.kind)} | {_code(each.default)} | {_meaning(each)} |" for each in found
    ]
    return ["| key | type | default | meaning |", "|---|---|---|---|", *rows]


def _meaning(setting: Setting) -> str:
    choices = CHOICES.get(setting.key, ())
    listed = (
        "" if all(one in setting.comment for one in choices) else ", ".join(f"`{one}`" for one in choices)
    )
    return _cell("; ".join(part for part in (setting.comment, listed) if part))


def _default(field: Field[Any]) -> str:
    value = field.default if field.default_factory is MISSING else field.default_factory()
    if value is MISSING:
        return ""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)


def _first_line(documented: Any) -> str:
    return (inspect.getdoc(documented) or "").partition("\n\n")[0].replace("\n", " ")


def _text(text: str) -> list[str]:
    return ["```text", text, "```"]


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def write(folder: Path) -> list[Path]:
    """Write every page below `folder` and return the files."""
    written = []
    for name, page in PAGES.items():
        files.make_folder((folder / name).parent)
        files.write_text(folder / name, page())
        written.append(folder / name)
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m pipersr_build.report.reference FOLDER")
    print(*write(Path(sys.argv[1])), sep="\n")
