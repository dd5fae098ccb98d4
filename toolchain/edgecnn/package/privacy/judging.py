"""What system calls amount to: sockets, writes and programs that should not have been."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from edgecnn.package.privacy.traced import SystemCall

_STRING: Final = r'"((?:[^"\\]|\\.)*)"'
_AT: Final = re.compile(rf"(?:AT_FDCWD|-?\d+)<([^>]*)>, (?:{_STRING}|NULL)")
_PLAIN: Final = re.compile(_STRING)
_SUN_PATH: Final = re.compile(rf"sun_path=(@?){_STRING}")
_WRITES: Final = re.compile(r"\b(O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND)\b")
_OPENS: Final = ("open", "openat", "openat2")
# How many of its strings are paths that it changes; the first of a symbolic link's is its target.
_PLAIN_CALLS: Final = {
    "creat": 1, "rename": 2, "unlink": 1, "rmdir": 1, "mkdir": 1, "mknod": 1, "link": 2,
    "truncate": 1, "chmod": 1, "chown": 1, "lchown": 1, "utime": 1, "utimes": 1, "setxattr": 1,
    "lsetxattr": 1, "mount": 2,
}  # fmt: skip
_AT_CALLS: Final = (
    "renameat", "renameat2", "unlinkat", "mkdirat", "mknodat", "linkat", "symlinkat", "fchmodat",
    "fchownat", "utimensat",
)  # fmt: skip


def strange_sockets(calls: Iterable[SystemCall], *, allowed: str | None) -> list[str]:
    """Return the calls that could reach beyond this machine's own service manager.

    Args:
        calls: Of a run.
        allowed: Path of the one socket, of the family AF_UNIX, that may be spoken to.

    Returns:
        As text; empty if there is none. Whether the kernel let it pass does not matter.
    """
    found = []
    for call in calls:
        family = call.arguments.partition(",")[0].strip()
        if call.name in ("socket", "socketpair") and family not in ("AF_UNIX", "AF_LOCAL"):
            found.append(f"{call.name}({family})")
        elif call.name == "io_uring_setup":  # through which sockets can be had unseen
            found.append("io_uring_setup")
        elif call.name in ("connect", "sendto", "sendmsg", "sendmmsg", "bind", "listen"):
            path = _SUN_PATH.search(call.arguments)
            # "@" before it says that the name is an abstract one and no path.
            to = None if path is None else path[1] + _unescaped(path[2])
            if to not in (None, allowed):
                found.append(f"{call.name} to {to}")
            elif call.name in ("bind", "listen") or "AF_INET" in call.arguments:
                found.append(call.name)
    return sorted(set(found))


def written_paths(calls: Iterable[SystemCall], *, root: Path | None = None) -> list[str]:
    """Return the paths that a run made, changed or removed, or tried to; devices left out.

    Args:
        calls: Of a run.
        root: The folder of the system that it ran in; None for this one.

    Returns:
        Absolute paths of that system, in order.
    """
    # strace names descriptors as this machine sees them, and the program as its own system does.
    seen = "" if root is None else str(root)
    paths = {path.removeprefix(seen) or "/" for call in calls for path in _paths(call)}
    return sorted(path for path in paths if not _is_device(path, root))


def _paths(call: SystemCall) -> Iterator[str]:
    if call.name in _OPENS:
        # Only flags count: a file may be called O_CREAT.
        if not _WRITES.search(_PLAIN.sub("", call.arguments)):
            return
        match = _AT.search(call.arguments) if call.name != "open" else None
        yield _joined(match) if match else _absolute(_first(call))
    elif call.name in _AT_CALLS:
        yield from (_joined(match) for match in _AT.finditer(call.arguments))
    elif call.name == "symlink":
        yield _absolute(_unescaped(_PLAIN.findall(call.arguments)[-1]))
    elif call.name in _PLAIN_CALLS:
        for path in _PLAIN.findall(call.arguments)[: _PLAIN_CALLS[call.name]]:
            yield _absolute(_unescaped(path))


def _joined(match: re.Match[str]) -> str:
    """Return the path that a descriptor of a folder and a path from there are together."""
    return os.path.normpath(os.path.join(_unescaped(match[1]), _unescaped(match[2] or "")))  # noqa: PTH118


def _absolute(path: str) -> str:
    """Return a path from the folder that every run begins in, the root."""
    return os.path.normpath(os.path.join("/", path))  # noqa: PTH118


def _first(call: SystemCall) -> str:
    found = _PLAIN.search(call.arguments)
    return _unescaped(found[1]) if found else call.arguments


def _unescaped(text: str) -> str:
    """Undo how strace writes bytes that are no printable ASCII: as C does."""
    if "\\" not in text:
        return text
    raw = text.encode("ascii", "replace").decode("unicode_escape").encode("latin-1", "replace")
    return os.fsdecode(raw)


def _is_device(path: str, root: Path | None) -> bool:
    place = path if root is None else f"{root}/{path}"
    try:
        return stat.S_ISCHR(os.stat(place).st_mode)  # noqa: PTH116 - any bytes
    except (OSError, ValueError):
        return False


def other_programs(calls: Iterable[SystemCall], *, allowed: Iterable[str]) -> list[str]:
    """Return the programs that a run started, or tried to, beyond those it may.

    Args:
        calls: Of a run.
        allowed: File names of programs.
    """
    known = set(allowed)
    tried = {_first(call) for call in calls if call.name in ("execve", "execveat")}
    return sorted(path for path in tried if os.path.basename(path) not in known)  # noqa: PTH119
