"""A run's new files, made aside in the build and put in place together.

A run that wrote its files one by one and met a full disk half-way would leave new files beside an
old manifest. Here they are made in a hidden folder of the build, which is on the same file system,
and are renamed into place when all of them are there and the manifest is about to be written. If
that fails, too, the files that were there before come back.

A kill leaves the hidden folder, which the next run removes. A kill between the renames and the
manifest leaves files whose digests the manifest does not have: the stage counts as not done, and
is done again.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from edgecnn.build.workspace import Workspace
from edgecnn.files import wrap_os_errors
from edgecnn.log import step

PREFIX: Final = ".edgecnn-staging-"
"""How the hidden folder's name begins."""


class Staging:
    """Where the new files of one run are made.

    Args:
        workspace: The build.
        folder: The hidden folder, empty.
    """

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self._workspace = workspace
        self._new, self._old = folder / "new", folder / "old"
        # Both now: on a full disk there might be no room for the second later.
        for inner in (self._new, self._old):
            inner.mkdir()

    def path(self, name: str) -> Path:
        """Return where the new file of this name is to be written."""
        return self._new / name

    @contextlib.contextmanager
    def placed(self, *, removed: Iterable[str] = ()) -> Iterator[None]:
        """Put the new files in place; the block writes the manifest that names them.

        If the block fails, the build's files are again what they were.

        Args:
            removed: Names of earlier files that the manifest will not name any more.

        Raises:
            WorkspaceError: If a file cannot be renamed.
        """
        with wrap_os_errors(self._new):
            names = sorted(path.name for path in self._new.iterdir())
        done: list[tuple[Path, Path]] = []
        try:
            for name in sorted({*names, *removed}):
                place = self._workspace.path(name)
                with wrap_os_errors(place):
                    # A folder of this name is nobody's file: the rename refuses it.
                    if place.is_file():
                        _rename(place, self._old / name, done)
                    if name in names:
                        _rename(self.path(name), place, done)
            yield
        except BaseException:
            # Not to be left half-way by a second Ctrl-C, which counts once this is over.
            with _interrupts_wait(), wrap_os_errors(self._workspace.folder):
                for before, after in reversed(done):
                    # Not there: the interrupt came between the note and the rename.
                    with contextlib.suppress(FileNotFoundError):
                        after.replace(before)
            raise
        step(f"put into {self._workspace.folder}: {', '.join(names)}")


@contextlib.contextmanager
def staging(workspace: Workspace) -> Iterator[Staging]:
    """Open a build for the new files of one run; clear away what a killed run left.

    One run at a time: the command line holds ``build_lock`` meanwhile.

    Args:
        workspace: The build; its folder must exist.

    Yields:
        Where the files are to be made. What was not placed at the end of the block is gone.

    Raises:
        WorkspaceError: If the build's folder cannot be written.
    """
    with wrap_os_errors(workspace.folder):
        for left in workspace.folder.glob(f"{PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=workspace.folder))
    try:
        with wrap_os_errors(workspace.folder):
            staged = Staging(workspace, folder)
        yield staged
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _rename(before: Path, after: Path, done: list[tuple[Path, Path]]) -> None:
    """Rename a file, noted first: a Ctrl-C that comes just after is then undone, too."""
    done.append((before, after))
    try:
        before.replace(after)
    except OSError:
        done.pop()  # it did not happen: what is at ``after`` is somebody else's
        raise


@contextlib.contextmanager
def _interrupts_wait() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
