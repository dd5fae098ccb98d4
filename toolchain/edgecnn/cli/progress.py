"""Progress on a terminal: bars on stderr, and nothing but summary lines elsewhere."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

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
        with NO_PROGRESS.task(description, total) as silent:
            if is_terminal(sys.stderr):
                with self._bar(description, total) as shown:
                    yield shown
            else:
                yield silent

    @contextmanager
    def _bar(self, description: str, total: int) -> Iterator[ProgressTask]:
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
        from edgecnn.log import step

        step(text, shown=True)
        self._console.print(text, markup=False, soft_wrap=True)


def terminal_progress(*, quiet: bool = False) -> Progress:
    """Return the progress a command shows; nothing at all when ``quiet``."""
    return interruptible(NO_PROGRESS if quiet else _TerminalProgress(err_console()))


# Python's own handler raises KeyboardInterrupt in whatever code is running. Where that is a weak
# reference's callback or a ``__del__``, Python drops the exception; where C++ code has called
# Python, the libraries turn it into an error of their own. So the signal is remembered, too, and
# work that reports its progress stops there. Progress is never reported while files are put back in
# place, so a second KeyboardInterrupt cannot come in the way of that.

_signals: list[int] = []


def remember_interrupts() -> None:
    """Remember SIGINT from now on, in this process; where it is ignored it stays so."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    signal.signal(signal.SIGINT, _remember)
    say = sys.unraisablehook

    def unraisable(problem: sys.UnraisableHookArgs, /) -> None:
        if not issubclass(problem.exc_type, KeyboardInterrupt):
            say(problem)

    sys.unraisablehook = unraisable


def was_interrupted() -> bool:
    """Tell whether Ctrl-C was typed since ``remember_interrupts``, whatever came of it."""
    return bool(_signals)


def _remember(number: int, frame: FrameType | None) -> Any:
    _signals.append(number)
    signal.default_int_handler(number, frame)


def _stop_if_interrupted() -> None:
    if _signals:
        raise KeyboardInterrupt


def interruptible(progress: Progress) -> Progress:
    """Return a progress that shows the same, and ends the work where Ctrl-C was lost."""
    return _Interruptible(progress)


class _Interruptible:
    def __init__(self, inner: Progress) -> None:
        self._inner = inner

    def task(self, description: str, total: int) -> AbstractContextManager[ProgressTask]:
        _stop_if_interrupted()
        return self._task(description, total)

    @contextlib.contextmanager
    def _task(self, description: str, total: int) -> Iterator[ProgressTask]:
        with self._inner.task(description, total) as task:
            yield _InterruptibleTask(task)

    def message(self, text: str) -> None:
        _stop_if_interrupted()
        self._inner.message(text)


class _InterruptibleTask:
    def __init__(self, inner: ProgressTask) -> None:
        self._inner = inner

    def advance(self, steps: int = 1) -> None:
        _stop_if_interrupted()
        self._inner.advance(steps)

    def note(self, text: str) -> None:
        _stop_if_interrupted()
        self._inner.note(text)
