"""The interface by which long work reports progress, without knowing who listens.

Stages take a ``Progress``; the command line gives one that draws bars, tests and library users
give none. Nothing here prints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol


class ProgressTask(Protocol):
    """One piece of long work under way."""

    def advance(self, steps: int = 1) -> None:
        """Say that ``steps`` more of the task's total are done."""

    def note(self, text: str) -> None:
        """Show a short text about the present state, for example the loss."""


class Progress(Protocol):
    """Something that shows tasks."""

    def task(self, description: str, total: int) -> AbstractContextManager[ProgressTask]:
        """Begin a task of ``total`` steps; it ends with the ``with`` block."""

    def message(self, text: str) -> None:
        """Show one line that stays, for example a summary of an epoch."""


@contextmanager
def named_steps(
    progress: Progress, description: str, total: int
) -> Iterator[Callable[[str], object]]:
    """Show a task whose steps have names.

    Args:
        progress: Where.
        description: What the task is.
        total: How many steps it has.

    Yields:
        A function that is given the name of each step when it begins.
    """
    from edgecnn.log import step  # not above: the help needs no log

    with progress.task(description, total) as task:
        begun = False

        def begin(name: str) -> None:
            nonlocal begun
            if begun:
                task.advance()
            begun = True
            task.note(name)
            step(f"{description}: {name}")

        yield begin
        task.advance()


class _SilentTask:
    def advance(self, steps: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class _NoProgress:
    @contextmanager
    def task(self, description: str, total: int) -> Iterator[ProgressTask]:
        from edgecnn.log import timed  # not above: the help needs no log

        with timed(f"{description} ({total:,})") if description else nullcontext():
            yield _SilentTask()

    def message(self, text: str) -> None:
        from edgecnn.log import step

        step(text)


NO_PROGRESS: Progress = _NoProgress()
"""Shows nothing; what it is told goes to the log, as what any progress is told."""
