"""Progress bars for long steps, on stderr so that results can be piped."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")

console = Console(stderr=True)


class Bar:
    """A running bar: `advance` it, change its `note`."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        """Move on by `steps`, optionally with a new note (a loss, a file name)."""
        self._progress.advance(self._task, steps)
        if note is not None:
            self._progress.update(self._task, note=note)

    def set_total(self, total: int) -> None:
        """Say how many steps there are, where that is known only later."""
        self._progress.update(self._task, total=total)


@contextmanager
def bar(title: str, total: int, done: int = 0) -> Iterator[Bar]:
    """Show a bar of `total` steps, `done` of them already done."""
    columns = (
        TextColumn("{task.description:<20}", markup=False),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console, refresh_per_second=2) as progress:
        yield Bar(progress, progress.add_task(title, total=total, completed=done, note=""))


def track(title: str, items: Iterable[Item], total: int) -> Iterator[Item]:
    """Yield the items, showing a bar."""
    with bar(title, total) as shown:
        for item in items:
            yield item
            shown.advance()


def say(message: str) -> None:
    """Tell the user something that is not a result, character by character and in lines as given."""
    console.print(message, highlight=False, markup=False, emoji=False, soft_wrap=True)
