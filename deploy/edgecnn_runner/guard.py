"""Refuses all that the runner may not do on a device: it may read, and write its result.

An audit hook (PEP 578) sees what Python code is about to do: open a socket, open a file for
writing, remove or rename one, start a program. While a command runs, only these pass:

- files that are read;
- the result file that was asked for, and the temporary file beside it;
- with ``--delete-after``, the removal of images from the watched folder;
- with ``--collect``, new pictures in that folder, as many as may be there;
- character devices, which a camera is;
- the service manager's own socket (``NOTIFY_SOCKET``, of the family AF_UNIX);
- for a foreign model file, its trial in another process of this runner, guarded likewise.

This guards Python code: a mistake, or a library that writes or phones home. It is no sandbox.
Native code does not pass here, and Python code that means harm can get around it; the guarantee
is the service unit, under which the kernel refuses the same.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from edgecnn_runner.errors import PrivacyError

_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Events whose first argument, and for some the second, is a path that is changed.
_CHANGES: Final = {
    "os.chflags": 1, "os.chmod": 1, "os.chown": 1, "os.link": 2, "os.mkdir": 1, "os.removexattr": 1,
    "os.rename": 2, "os.rmdir": 1, "os.setxattr": 1, "os.symlink": 2, "os.truncate": 1,
    "os.utime": 1, "shutil.copyfile": 2, "shutil.copymode": 2, "shutil.copystat": 2,
    "shutil.copytree": 2, "shutil.make_archive": 1, "shutil.move": 2, "shutil.rmtree": 1,
    "shutil.unpack_archive": 2, "sqlite3.connect": 1, "dbm.open": 1,
}  # fmt: skip
_PROGRAMS: Final = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system",
     "pty.spawn", "subprocess.Popen"}
)  # fmt: skip
# What the trial of a foreign file is started with; see ``probe``.
_TRIAL: Final = ("-P", "-m", "edgecnn_runner.runtimes.probe")


class Allowed(NamedTuple):
    """What one command may do beyond reading.

    Attributes:
        output: The result file; None if results go to standard output alone.
        deletes_in: The folder whose images may be removed; None for none.
        collects_in: The real path of the folder that pictures are collected in; None for none.
        at_most: Files that may be in that folder.
        notify: The address of the service manager's socket, as ``NOTIFY_SOCKET`` gives it; None
            where there is none.
    """

    output: Path | None = None
    deletes_in: Path | None = None
    collects_in: Path | None = None
    at_most: int = 0
    notify: str | None = None


_allowed: Allowed | None = None
_installed = False


@contextlib.contextmanager
def guarded(allowed: Allowed) -> Iterator[None]:
    """Refuse, while the block runs, what is not allowed; for the whole process.

    Args:
        allowed: What passes.

    Raises:
        PrivacyError: Out of the call that tried something else.
    """
    global _allowed, _installed
    before, _allowed = _allowed, allowed
    if not _installed:
        # A hook cannot be removed again; outside of the block it lets everything pass.
        sys.addaudithook(_hook)
        _installed = True
    try:
        yield
    finally:
        _allowed = before


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    allowed = _allowed
    if allowed is None:
        return
    if event == "open":  # by far the most frequent
        _check_open(arguments, allowed)
    elif event.startswith("socket."):
        _check_socket(event, arguments, allowed)
    elif event == "os.remove":
        _check_removal(arguments[0], arguments[1], allowed)
    elif event in _CHANGES:
        if _is_collecting(event, arguments, allowed):
            return
        for path in arguments[: _CHANGES[event]]:
            if not _is_output(path, allowed):
                raise _refused(f"{event} of {_shown(path)}", "write")
    elif event in _PROGRAMS and not _is_trial(event, arguments):
        raise _refused(f"{event}({_shown(arguments[0]) if arguments else ''})", "program")


def _check_open(arguments: tuple[Any, ...], allowed: Allowed) -> None:
    path, mode, flags = arguments
    # io.open gives the mode and os.open does not; both give the flags.
    if not flags & _WRITES or isinstance(path, int):
        return
    if _is_output(path, allowed) or is_device(path) or _is_part(path, allowed):
        return
    raise _refused(f"open of {_shown(path)}, mode {mode}, flags {flags:#o}", "write")


def _check_removal(path: Any, folder: Any, allowed: Allowed) -> None:
    if _is_output(path, allowed) or (folder in (-1, None) and _is_part(path, allowed)):
        return
    if allowed.deletes_in is not None and folder in (-1, None):
        place = os.path.realpath(os.path.dirname(os.fsdecode(path)) or ".")  # noqa: PTH120
        if place == os.path.realpath(allowed.deletes_in):
            return
    raise _refused(f"removal of {_shown(path)}", "write")


def _check_socket(event: str, arguments: tuple[Any, ...], allowed: Allowed) -> None:
    import socket

    if allowed.notify is not None and hasattr(socket, "AF_UNIX"):
        if event == "socket.__new__" and arguments[1] == socket.AF_UNIX:
            return
        if event in ("socket.connect", "socket.sendto") and arguments[1] == notify_address(
            allowed.notify
        ):
            return
    raise _refused(f"{event}{arguments[1:]}", "network")


def notify_address(name: str) -> str:
    """Return the address of a ``NOTIFY_SOCKET``; ``@`` begins an abstract one, see sd_notify(3)."""
    return "\0" + name[1:] if name.startswith("@") else name


def _is_output(path: Any, allowed: Allowed) -> bool:
    if allowed.output is None or isinstance(path, int):
        return False
    from edgecnn_runner.files import is_part_of

    target, given = os.path.realpath(allowed.output), os.path.abspath(os.fsdecode(path))  # noqa: PTH100
    return os.path.realpath(given) == target or is_part_of(given, target)


def _is_part(path: Any, allowed: Allowed) -> bool:
    """Tell whether a path is that of the picture which is being written."""
    if allowed.collects_in is None or isinstance(path, int):
        return False
    from edgecnn_runner.collect import PART

    folder, name = os.path.split(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100
    return name == PART and os.path.realpath(folder) == str(allowed.collects_in)


def _is_collecting(event: str, arguments: tuple[Any, ...], allowed: Allowed) -> bool:
    """Tell whether the folder is made, or a picture that is whole gets its name and its place."""
    if allowed.collects_in is None:
        return False
    if event == "os.mkdir":
        return os.path.realpath(os.fsdecode(arguments[0])) == str(allowed.collects_in)
    if event != "os.rename" or not _is_part(arguments[0], allowed):
        return False
    from edgecnn_runner.collect import PICTURE, count_files

    folder, name = os.path.split(os.path.abspath(os.fsdecode(arguments[1])))  # noqa: PTH100
    return (
        PICTURE.fullmatch(name) is not None
        and os.path.realpath(folder) == str(allowed.collects_in)
        and not os.path.lexists(os.path.join(folder, name))  # noqa: PTH118
        and count_files(allowed.collects_in) < allowed.at_most
    )


def is_device(path: Any) -> bool:
    """Tell whether a path, which may be bytes, is that of a character device such as a camera."""
    try:
        return stat.S_ISCHR(os.stat(path).st_mode)  # noqa: PTH116 - may be bytes
    except (OSError, ValueError):
        return False


def _is_trial(event: str, arguments: tuple[Any, ...]) -> bool:
    if event not in ("subprocess.Popen", "os.posix_spawn") or len(arguments) < 2:
        return False
    command = [os.fsdecode(part) for part in arguments[1]]
    return command[0] == sys.executable and tuple(command[1:4]) == _TRIAL


def _shown(path: Any) -> str:
    try:
        return ascii(os.fsdecode(path))
    except TypeError:
        return ascii(path)


_SAID: Final[dict[str, tuple[str, str]]] = {
    "network": ("open a network connection", "no socket but the service manager's"),
    "write": ("write outside of its result", "no file but the result that was asked for"),
    "program": ("start another program", "no other program"),
}


def _refused(observed: str, kind: str) -> PrivacyError:
    what, expected = _SAID[kind]
    return PrivacyError(
        f"something in this process tried to {what}, and was refused",
        observed=observed,
        expected=expected,
        remedy="if you did not change the runner or what Python loads on this device, please "
        "report it in the project's issue tracker",
    )
