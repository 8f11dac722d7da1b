"""The rules of `rules.toml` and `rows/`: their schema, and which of them concern an operation on a chip.

The file is data with a source in every row. What a row may claim depends on its evidence: `does not
run` needs Apple's documentation or a measurement through Core ML. `runs` may also rest on the verdict of
Core ML's compiler, and on weaker evidence if nothing better is known; its kind is then shown with the reason.
"""

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Set
from functools import cache, cached_property, partial
from importlib import resources
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from pipersr_build.errors import InputError
from pipersr_build.evidence import PlacementVerdict
from pipersr_build.placement.conditions import Condition, Strict
from pipersr_build.placement.quantities import QUANTITIES
from pipersr_build.placement.words import FOUND, WORDS

Family = Literal["H13", "H14", "H15", "H16", "H17", "H18"]
RuleVerdict = Literal["runs", "does not run", "unknown"]
EvidenceKind = Literal["apple-documented", "measured", "decompiled", "folklore", "none found"]
Path = Literal["Core ML", "Core ML compiler", "whole network", "outside Core ML", "documentation"]
Detector = Literal[
    "last operation", "row padding", "flexible input", "image arithmetic", "shuffle", "many axes",
    "global pooling", "infinite mask", "large frame", "too small", "short segment", "run alone",
    "odd channels", "old target", "root mean square",
]  # fmt: skip

ANY = "*"
_PLACEHOLDERS = {"operator", "dtypes", "shapes", *QUANTITIES}


def _template(text: str, more: Set[str] = frozenset()) -> str:
    """Check that a sentence has plain placeholders that an operation can fill."""
    known = _PLACEHOLDERS | more
    for _, name, spec, conversion in Formatter().parse(text):
        if name is not None and (name not in known or spec or conversion):
            raise ValueError(f"placeholder {{{name}}} is not among {', '.join(sorted(known))}")
    return text


Sentence = Annotated[str, Field(min_length=1), AfterValidator(_template)]
AdviceText = Annotated[str, Field(min_length=1), AfterValidator(partial(_template, more={*WORDS, *FOUND}))]
Text = Annotated[str, Field(min_length=1)]


class Source(Strict):
    """Where evidence comes from: what it is, how it was found, and the chips and OS it is about.

    Attributes:
        title: the work and the place in it, for a reader who wants to look it up.
        evidence: what kind of evidence it is; `none found` for a search without a result.
        through: `Core ML` for its compute plan or run time, `Core ML compiler` for the compiler called
            directly, `whole network` for the time of a network from which the place of its operations
            follows, `outside Core ML` for private interfaces, `documentation` for a text.
        chips: the families it is about; none where it does not say.
        os: the operating system, in words.
    """

    title: Text
    evidence: EvidenceKind
    through: Path | None = None
    chips: tuple[Family, ...]
    os: Text

    @model_validator(mode="after")
    def _names_its_path(self) -> Self:
        if (self.through is None) != (self.evidence == "none found"):
            raise ValueError("evidence names its path, and none found has none")
        return self

    def may_claim(self, verdict: Literal["runs", "does not run"]) -> bool:
        """Whether this evidence is strong enough for a row with that verdict."""
        return self.evidence != "none found" if verdict == "runs" else self._firm(("Core ML",))

    @property
    def weak(self) -> bool:
        """Whether a row that says `runs` by this evidence alone must show what kind it is."""
        return not self._firm(("Core ML", "Core ML compiler"))

    def _firm(self, paths: tuple[Path, ...]) -> bool:
        by_apple = self.evidence == "apple-documented" and self.through == "documentation"
        return by_apple or (self.evidence == "measured" and self.through in paths)

    @property
    def kind(self) -> str:
        """What kind of evidence it is, for a sentence."""
        if self.evidence == "decompiled":
            return "from the compiler's tables (decompiled)"
        if self.evidence == "folklore":
            return "a vendor's statement"
        if self.through == "whole network":
            return f"inferred from the time of whole networks on {self.os}"
        return f"{self.evidence} {self.through} on {self.os}"


class Row(Strict):
    """What rules and advice share: which operations, when, on which chips, and from where."""

    id: Text
    operations: tuple[Text, ...] = Field(min_length=1)
    exempt: tuple[Text, ...] = ()
    when: Condition = Condition()
    chips: tuple[Family, ...] = Field(min_length=1)
    sources: tuple[Text, ...] = Field(min_length=1)

    def concerns(self, operator: str) -> bool:
        """Whether the row is about operations of this type."""
        return operator not in self.exempt and (operator in self.operations or ANY in self.operations)


class Rule(Row):
    """One rule: `verdict` holds where `when` holds; `reason` says so with the operation's numbers."""

    verdict: RuleVerdict
    reason: Sentence
    note: str = ""


class Advice(Row):
    """Something to do that changes no verdict: found by `when`, or on the whole graph by `detector`.

    Attributes:
        text: what to do, with the operation's numbers.
        detector: what finds the places, instead of `when`.
        verdicts: only for operations that were so judged; it is no warning about the whole then.
        unless: not where one of these other rows speaks about the same operation.
        disputed: it is about what others report and the prediction does not reproduce.
    """

    text: AdviceText
    detector: Detector | None = None
    verdicts: tuple[PlacementVerdict, ...] = ()
    unless: tuple[Text, ...] = ()
    disputed: bool = False


class Rules(Strict):
    """The whole rule file."""

    format: Literal[1]
    families: dict[Family, tuple[Text, ...]]
    sources: dict[str, Source]
    rule: tuple[Rule, ...]
    advice: tuple[Advice, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        rows: tuple[Row, ...] = (*self.rule, *self.advice)
        ids = [row.id for row in rows]
        if twice := {name for name in ids if ids.count(name) > 1}:
            raise ValueError(f"ids used twice: {', '.join(sorted(twice))}")
        for row in rows:
            if missing := set(row.sources) - set(self.sources):
                raise ValueError(f"{row.id}: no source is called {', '.join(sorted(missing))}")
        for advice in self.advice:
            if missing := set(advice.unless) - set(ids):
                raise ValueError(f"{advice.id}: no row is called {', '.join(sorted(missing))}")
        for rule in self.rule:
            self._supported(rule)
        return self

    def _supported(self, rule: Rule) -> None:
        """Refuse a row whose claim is stronger than its evidence, on any of its chips."""
        if rule.verdict == "unknown":
            return
        strong = [self.sources[name] for name in rule.sources if self.sources[name].may_claim(rule.verdict)]
        covered = {chip for source in strong for chip in source.chips}
        if bare := set(rule.chips) - covered:
            raise ValueError(
                f"{rule.id}: its sources do not support {rule.verdict!r} on {', '.join(sorted(bare))}"
            )

    def weaker(self, rule: Rule, family: Family) -> tuple[str, ...]:
        """The kinds of evidence of a row that says `runs` on a chip without firm evidence; () with it."""
        if rule.verdict != "runs":
            return ()
        here = [source for name in rule.sources if family in (source := self.sources[name]).chips]
        return () if any(not source.weak for source in here) else tuple(dict.fromkeys(s.kind for s in here))

    @cached_property
    def _by_operation(self) -> dict[str, list[Rule]]:
        table: dict[str, list[Rule]] = defaultdict(list)
        for rule in self.rule:
            for name in rule.operations:
                table[name].append(rule)
        return dict(table)

    def for_operation(self, operator: str) -> list[Rule]:
        """The rules about one type of operation on any chip, those for every type last."""
        rules = self._by_operation.get(operator, []) + self._by_operation.get(ANY, [])
        return [rule for rule in rules if rule.concerns(operator)]

    def family(self, chip: str) -> Family:
        """The family of a chip named as a family (`h16`) or by its name (`M4`), in any case.

        Raises:
            InputError: no such chip.
        """
        for family, names in self.families.items():
            if chip.lower() in {family.lower(), *(name.lower() for name in names)}:
                return family
        known = [f"{family.lower()} ({', '.join(names)})" for family, names in self.families.items()]
        raise InputError(f"no chip is called {chip!r}", fix=f"give one of {', '.join(known)}")

    def cite(self, names: Iterable[str]) -> list[str]:
        """The sources' titles with the kind of evidence, each once, in order."""
        cited = (self.sources[name] for name in dict.fromkeys(names))
        return [f"{source.title} [{source.evidence}; {source.os}]" for source in cited]


def parse(text: str) -> Rules:
    """Read rules from TOML.

    Raises:
        InputError: not TOML, an unknown key, or a row that claims more than its evidence carries.
    """
    try:
        return Rules.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the placement rules are not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "(file)"
        raise InputError(f"the placement rules do not follow the schema: {key}: {first['msg']}") from error


@cache
def load() -> Rules:
    """The rules shipped with this package: `rules.toml` followed by every file of `rows/`, one table."""
    here = resources.files(__package__)
    rows = sorted(here.joinpath("rows").iterdir(), key=lambda file: file.name)
    files = [here.joinpath("rules.toml"), *(file for file in rows if file.name.endswith(".toml"))]
    return parse("\n".join(file.read_text(encoding="utf-8") for file in files))
