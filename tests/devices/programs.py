"""What the tests of devices ask, and where they look for what is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from edgecnn.devices.ask import Task

LOOK: Final = Task(
    name="look",
    parameters={"prefixes": [], "runtimes": {}, "start": False, "places": ["/"]},
    any_python=True,
    silence_s=20,
)


def tree(folder: Path) -> dict[str, Any]:
    """Return all that lies in a folder: links by their target, files by their bytes."""
    return {
        str(path.relative_to(folder)): path.readlink()
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else "a folder"
        for path in folder.rglob("*")
    }


def wait_until(true: Callable[[], object], *, seconds: float = 20) -> None:
    """Wait until something is so; fail if it is not in time."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
