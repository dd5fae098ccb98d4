"""Attempts at what the runner's guard refuses: run inside of a bundle, by its own interpreter.

Prints a JSON object: each attempt's name to ``refused``, or to what happened instead.
Usage: attempts.py RUNNER LIB FILE
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable

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
    print(json.dumps(found))  # noqa: T201 - the program's result
