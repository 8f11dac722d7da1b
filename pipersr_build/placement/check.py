"""Whether the ANE *can* run each operation of a program, by static rules; works on any machine.

Whether it *will* is another question: Core ML answers it by comparing cost estimates (see `segmenter`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipersr_build.mil.graph import Function, Operation
from pipersr_build.placement import rules
from pipersr_build.placement.conditions import mismatches, show
from pipersr_build.placement.quantities import QUANTITIES, Graph, Subject
from pipersr_build.placement.rules import ANY, Family, Rule, Rules

Answer = Literal["yes", "no", "unknown"]

DEFAULT_CHIP = "h16"

_ANSWERS: dict[rules.RuleVerdict, Answer] = {"does not run": "no", "unknown": "unknown", "runs": "yes"}


@dataclass(frozen=True, slots=True)
class Capability:
    """Whether the ANE can run an operation, why, and by which sources.

    `weaker` names the kinds of evidence of a yes that Core ML itself, its compiler or Apple did not give.
    """

    operation: Operation
    answer: Answer
    reasons: list[str]
    sources: list[str]
    weaker: tuple[str, ...] = ()


def capabilities(
    function: Function | Graph, *, chip: str = DEFAULT_CHIP, ruleset: Rules | None = None
) -> list[Capability]:
    """Predict for every operation, nested blocks included, whether the ANE can run it; program order.

    `unknown` means that the rules hold no evidence for this operation in this form on this chip; it is
    never rounded to yes.

    Args:
        function: the function of a package, or its graph where that exists already.
        chip: a chip family (`h13` … `h18`) or a chip's name (`M4`).
        ruleset: other rules than the shipped ones.

    Raises:
        InputError: no such chip.
    """
    table = rules.load() if ruleset is None else ruleset
    family = table.family(chip)
    graph = function if isinstance(function, Graph) else Graph(function)
    return [_judge(op, graph, table, family) for op in graph.function.walk()]


def basis(table: Rules, family: Family, found: Sequence[Capability] = ()) -> str:
    """The chip, on what the rows were measured that say yes for it, and how many answers rest on less."""
    yes = [rule for rule in table.rule if rule.verdict == "runs" and family in rule.chips]
    sources = [table.sources[name] for rule in yes for name in rule.sources]
    firm = [source for source in sources if not source.weak and family in source.chips]
    measured = dict.fromkeys(source.os for source in firm if source.evidence == "measured")
    through = "measured through Core ML or its compiler on"
    known = f"rules {through} {'; '.join(measured)}" if measured else f"no rules {through} this chip"
    return f"{_chips(table, [family])}; {known}{_less(found)}"


def _less(found: Sequence[Capability]) -> str:
    """How many answers rest on weaker evidence, and on which."""
    weaker = [capability for capability in found if capability.weaker]
    kinds = "; ".join(dict.fromkeys(kind for capability in weaker for kind in capability.weaker))
    return f"; {len(weaker)} of {len(found)} answers rest on weaker evidence ({kinds})" if weaker else ""


def _chips(table: Rules, families: Sequence[Family]) -> str:
    return ", ".join(f"{family} ({', '.join(table.families[family])})" for family in families)


def _judge(operation: Operation, graph: Graph, table: Rules, family: Family) -> Capability:
    subject = Subject(operation, graph)
    concerned = table.for_operation(operation.type)
    here = [rule for rule in concerned if family in rule.chips]
    matching = [rule for rule in here if not mismatches(rule.when, subject)]
    for verdict, answer in _ANSWERS.items():
        decisive = [rule for rule in matching if rule.verdict == verdict]
        if decisive:
            if verdict == "runs":  # one proof is enough, the firmest
                firmest = min(decisive, key=lambda rule: bool(table.weaker(rule, family)))
                return _runs(subject, firmest, table, family)
            reasons = [_sentence(rule, subject) for rule in decisive]
            return _capability(operation, answer, reasons, table, decisive)
    reason, nearest = _uncovered(subject, concerned, table, family)
    return _capability(operation, "unknown", [reason], table, nearest)


def _runs(subject: Subject, rule: Rule, table: Rules, family: Family) -> Capability:
    """A yes, with the kind of its evidence in the reason where that is weaker than Core ML's own answer."""
    weaker = table.weaker(rule, family)
    reason = _sentence(rule, subject) + (f": {'; '.join(weaker)}" if weaker else "")
    here = [name for name in rule.sources if family in (table.sources[name].chips or (family,))]
    return Capability(subject.operation, "yes", [reason], table.cite(here), weaker)


def _capability(
    operation: Operation, answer: Answer, reasons: list[str], table: Rules, because: Sequence[Rule]
) -> Capability:
    sources = table.cite(name for rule in because for name in rule.sources)
    return Capability(operation, answer, reasons, sources)


def _sentence(rule: Rule, subject: Subject) -> str:
    """The rule's reason with the operation's own numbers."""
    words = {
        "operator": subject.operation.type,
        "dtypes": " and ".join(dict.fromkeys(t.dtype for t in subject.tensors)),
        "shapes": " and ".join(dict.fromkeys(str(t) for t in subject.operands)) or "constants",
    }
    numbers = {name: show(subject.number(name)) for name in QUANTITIES if f"{{{name}}}" in rule.reason}
    sentence = rule.reason.format_map(words | numbers)
    return f"{sentence}. {rule.note}" if rule.note and rule.verdict != "runs" else sentence


def _uncovered(
    subject: Subject, concerned: Sequence[Rule], table: Rules, family: Family
) -> tuple[str, list[Rule]]:
    """Why no rule decides: the sentence and the rules that came nearest."""
    operator = subject.operation.type
    own = [rule for rule in concerned if ANY not in rule.operations]
    here = [rule for rule in own if family in rule.chips and rule.verdict != "unknown"]
    if here:
        nearest = min(here, key=lambda r: (r.verdict != "runs", len(mismatches(r.when, subject))))
        differs = "; ".join(mismatches(nearest.when, subject))
        chips = _chips(table, [family])
        return f"{operator}: the evidence for {chips} is about other cases: {differs}", [nearest]
    if own:
        known = sorted({chip for rule in own for chip in rule.chips if rule.verdict != "unknown"})
        where = _chips(table, known) or "no chip"
        return f"{operator}: evidence exists for {where}, none for {_chips(table, [family])}", own
    return f"no rule covers {operator}: nothing is known about it", []
