"""Attempts at what the runner's guard refuses: run inside of a bundle, by its own interpreter.

Prints a JSON object: each attempt's name to ``refused``, or to what happened instead.
Usage: attempts.py RUNNER LIB FILE [COLLECTED AT_MOST]

With a folder of collected pictures, which is full, also what collecting may not do.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path[0:0] = sys.argv[1:3]

from edgecnn_runner.errors import PrivacyError  # noqa: E402 - found only now
from edgecnn_runner.guard import Allowed, guarded  # noqa: E402

ATTEMPTS: dict[str, Callable[[], object]] = {
    "a socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "a name look-up": lambda: socket.getaddrinfo("localhost", 80),
    "a local socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
    "a file": lambda: open(sys.argv[3], "wb"),  # noqa: PTH123, SIM115 - what others would call
    "a folder": lambda: os.mkdir(sys.argv[3]),  # noqa: PTH102
    "a program": lambda: subprocess.run(["/bin/true"], check=False),
}


def collecting() -> dict[str, Callable[[], object]]:
    """Return what is tried while pictures may be collected in a folder that is full."""
    folder = sys.argv[4]
    part, whole = f"{folder}/.frame.part", f"{folder}/frame-{'0' * 32}.png"

    def one_more() -> None:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            os.rename(part, whole)  # noqa: PTH104
        finally:
            os.unlink(part)  # noqa: PTH108

    return {
        **{f"{name}, while collecting": attempt for name, attempt in ATTEMPTS.items()},
        "another name in the folder": lambda: open(f"{folder}/other", "wb"),  # noqa: PTH123
        "a picture more than there may be": one_more,
        "the removal of a picture": lambda: os.unlink(f"{folder}/{sorted(os.listdir(folder))[0]}"),  # noqa: PTH108, PTH208
    }


def outcome(attempt: Callable[[], object]) -> str:
    """Try it, and say what came of it."""
    try:
        attempt()
    except PrivacyError:
        return "refused"
    except Exception as error:  # noqa: BLE001 - whatever it is, it was not the guard's refusal
        return f"{type(error).__name__}: {error}"
    return "it passed"


if __name__ == "__main__":
    with guarded(Allowed()):
        found = {name: outcome(attempt) for name, attempt in ATTEMPTS.items()}
    if len(sys.argv) > 4:
        allowed = Allowed(collects_in=Path(os.path.realpath(sys.argv[4])), at_most=int(sys.argv[5]))
        with guarded(allowed):
            found |= {name: outcome(attempt) for name, attempt in collecting().items()}
    print(json.dumps(found))  # noqa: T201 - the program's result
