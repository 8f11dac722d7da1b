"""Markdown from text that is not trusted: escaped prose, code spans, tables."""

import re
from collections.abc import Iterable, Sequence

# what starts or ends a construct inside a line; an underscore only does at a word's edge
_SPECIAL = re.compile(r"[\\`*\[\]|~]|(?<!\w)_|_(?!\w)")
_LINE_START = re.compile(r"^([#+=-])|^(\d+)(?=[.)](?:\s|$))")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def text(words: object) -> str:
    """One line of prose in which nothing is markup or HTML."""
    line = " ".join(str(words).split()).translate(_ENTITIES)
    line = _SPECIAL.sub(lambda match: "\\" + match[0], line)
    return _LINE_START.sub(lambda match: "\\" + match[0] if match[1] else f"{match[2]}\\", line)


def code(words: object) -> str:
    """One line as a code span, whatever backticks it contains; safe inside a table."""
    line = " ".join(str(words).split()).replace("|", r"\|") or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    pad = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def fenced(words: str, language: str = "") -> str:
    """Lines as a code block, whatever backticks they contain."""
    longest = max(map(len, re.findall("`+", words)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{words.rstrip()}\n{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """A table of cells that are already Markdown; columns in `right` are aligned right."""
    rule = ["---:" if column in right else "---" for column in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows))


def bullets(items: Iterable[str]) -> str:
    """A list of lines that are already Markdown."""
    return "\n".join(f"- {item}" for item in items)
