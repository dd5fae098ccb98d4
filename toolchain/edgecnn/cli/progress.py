"""Progress on a terminal: bars on stderr, and nothing but summary lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgecnn.cli.interrupts import interruptible
from edgecnn.cli.render import err_console, is_terminal
from edgecnn.progress import NO_PROGRESS, Progress, ProgressTask

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class _BarTask:
    def __init__(self, bars: Bars, identifier: TaskID) -> None:
        self._bars = bars
        self._identifier = identifier

    def advance(self, steps: int = 1) -> None:
        self._bars.advance(self._identifier, steps)

    def note(self, text: str) -> None:
        self._bars.update(self._identifier, note=text)


class _TerminalProgress:
    """Bars when stderr is a terminal; messages always."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[ProgressTask]:
        if not is_terminal(sys.stderr):
            with NO_PROGRESS.task(description, total) as silent:
                yield silent
            return
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", style="dim"),
        )
        with Bars(*columns, console=self._console, transient=True) as bars:
            yield _BarTask(bars, bars.add_task(description, total=total, note=""))

    def message(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def terminal_progress(*, quiet: bool = False) -> Progress:
    """Return the progress a command shows; nothing at all when ``quiet``."""
    return interruptible(NO_PROGRESS if quiet else _TerminalProgress(err_console()))
