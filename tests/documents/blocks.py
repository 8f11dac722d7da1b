"""The code blocks of the documents, and how each is to be run.

A block is run as its comment says, which stands in the line above it:

    <!-- run: debug training.steps=2 -->   these settings are added to each of its commands, and win;
                                          `debug` is short for `experiment=debug`, `small` for a
                                          corpus of three pictures of 128x128
    <!-- run: service -->                 while `pipersr-build serve` listens
    <!-- run: skip, WHY -->               not here: only its commands and settings are checked

Without a comment it is run as it is.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

SHORT = {
    "debug": ["experiment=debug"],
    "small": ["data=folder", "data.folder=pictures", "data.holdout=1", "training.precision=fp32"],
}
EXECUTED = ("console", "python")
SHOWN = ("text", "toml", "yaml", "json", "swift", "diff")  # nothing that a reader would type into a shell
FENCE = re.compile(r"^(?:<!-- (?P<mark>[^\n]*) -->\n)?(?P<indent> *)```(?P<language>\S*)\n"
                   r"(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)  # fmt: skip
COMMAND = re.compile(
    r"(?:^|[|;&] *|srun )(?:pipersr-build|torchrun .*?-m pipersr_build) (.*?)(?= \|| \d?>|$)"
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: the document.
        line: where it begins.
        language: behind the fence.
        mark: what its comment says; empty without one.
        text: between the fences.
    """

    page: Path
    line: int
    language: str
    mark: str
    text: str

    @property
    def where(self) -> str:
        """For messages: the document and the line."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def skipped(self) -> str | None:
        """Why it is not run here; None if it is."""
        found = re.fullmatch(r"run: skip, (.+)", self.mark)
        return found[1] if found else None

    @property
    def service(self) -> bool:
        """Whether it talks to the service."""
        return self.mark == "run: service"

    @property
    def settings(self) -> list[str]:
        """What its comment adds to every command."""
        if self.skipped or self.service or not self.mark.startswith("run: "):
            return []
        words = shlex.split(self.mark.removeprefix("run: "))
        return [long for word in words for long in SHORT.get(word, [word])]

    @property
    def lines(self) -> list[str]:
        """Its lines, those that end in a backslash joined with the next."""
        return self.text.replace("\\\n", " ").splitlines()

    def commands(self) -> Iterator[list[str]]:
        """The words of every `pipersr-build …` in it, without `pipersr-build`, pipes and comments."""
        for line in self.lines:
            for found in COMMAND.finditer(line.strip()):
                yield shlex.split(re.sub(r"[<>]\S*", "", found[1]), comments=True)


def documents() -> list[Path]:
    """Every Markdown file that a reader follows."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a document, in its order."""
    text = page.read_text()
    return [
        Block(page, text.count("\n", 0, m.start()) + 1, m["language"], m["mark"] or "", m["text"])
        for m in FENCE.finditer(text)
    ]
