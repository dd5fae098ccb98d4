"""One process at a time writes a build: an advisory lock that dies with the process.

The kernel holds the lock, not the file: it is released however the process ends, so it is never
stale. The file tells others who has it, and goes away with the work. Readers take no lock, since
every file of a build appears whole.

The library filelock (4.3 was tried) would take over the call of ``flock`` and the comparison of two
files, ten lines: it does not tell who has a lock, leaves the file behind, answers "permission
denied" where another user has the lock, refuses a file that another user left in a sticky folder,
and unless told otherwise falls back to locks that outlive a kill.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edgecnn.errors import BuildInUseError
from edgecnn.files import wrap_os_errors

LOCK_FILE: Final = ".lock"

_LONGEST_NOTE: Final = 200
_TRIES: Final = 100
_READ_ONLY: Final = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextlib.contextmanager
def build_lock(folder: Path, *, unless_read_only: bool = False) -> Iterator[None]:
    """Keep other processes from writing a build while the block runs.

    It does not wait, and it is not re-entrant: whoever takes it calls nothing that takes it.

    Args:
        folder: The build; made if missing, and removed again if the block leaves it empty.
        unless_read_only: Go on without the lock where the folder cannot be written. For work that
            can do without writing there; nobody with the same rights can change it meanwhile.

    Raises:
        BuildInUseError: If another process, or another thread, has the lock.
        WorkspaceError: If the folder cannot be made or written, or has no file locks.
    """
    with wrap_os_errors(folder):
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        try:
            descriptor = _locked(folder)
        except OSError as error:
            if not (unless_read_only and error.errno in _READ_ONLY):
                raise
            descriptor = None
    try:
        yield
    finally:
        if descriptor is not None:
            _release(folder, descriptor)
        for place in made:
            try:
                place.rmdir()
            except OSError:
                break  # something was built


def _locked(folder: Path) -> int:
    """Return the descriptor of a lock file that is ours and still in its place."""
    path = folder / LOCK_FILE
    for left in reversed(range(_TRIES)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = _opened(path)
        except (FileNotFoundError, FileExistsError):
            if not left:
                raise
            continue  # whoever made the folder may have removed it between two calls
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise _in_use(folder, holder) from None
        except BaseException:
            os.close(descriptor)
            raise
        if _is_the_file(descriptor, path):
            _write_holder(descriptor)
            return descriptor
        os.close(descriptor)  # its owner has removed it between our two calls
    raise _in_use(folder, "")


def _opened(path: Path) -> int:
    # Links are not followed: in somebody else's build one may lead to any file.
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
        # Another user's lock can still be asked about; where there is none, that is the error.
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        raise


def _is_the_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _release(folder: Path, descriptor: int) -> None:
    # Removed while it is still locked, so that it can be nobody else's.
    with contextlib.suppress(OSError):
        (folder / LOCK_FILE).unlink()
    os.close(descriptor)


def _write_holder(descriptor: int) -> None:
    since = dt.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    note = f"{os.getpid()} on {socket.gethostname()} since {since}\n"
    # A courtesy: on a full disk the lock holds without it, and the work itself says what is wrong.
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, note.encode(), 0)


def _holder(descriptor: int) -> str:
    """Return what the holder wrote; empty if it has not written yet, or it is not text."""
    note = os.pread(descriptor, _LONGEST_NOTE, 0).decode(errors="replace").strip()
    return note if note.isprintable() else ""


def _in_use(folder: Path, holder: str) -> BuildInUseError:
    number = holder.partition(" ")[0]
    stop = f" (or stop it: kill {number})" if number.isdecimal() else ""
    return BuildInUseError(
        f"another edgecnn is at work in {folder}",
        observed=f"process {holder}" if holder else "a process that has not said its number yet",
        expected="one process at a time",
        remedy=f"wait for its end{stop}, or work elsewhere, with --out FOLDER",
    )
