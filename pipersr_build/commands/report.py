"""`report`: render report and card again from an export's evidence."""

from pipersr_build import evidence
from pipersr_build.commands import arguments, placing
from pipersr_build.commands.render import render
from pipersr_build.errors import InputError
from pipersr_build.progress import say


def main(words: list[str]) -> int:
    """Render each export folder that is named."""
    paths, overrides = arguments.split(words)
    if not paths or overrides:
        raise InputError(
            "no export folder is given",
            where="command line",
            fix="say: pipersr-build report exports/quickstart",
        )
    for folder in paths:
        render(evidence.load(folder / placing.EVIDENCE), folder)
        placing.write_sums(folder)
        say(f"{folder / placing.REPORT}")
    return 0
