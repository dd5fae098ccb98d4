"""What tests ask of a browser engine other than Chromium, and what driving one takes."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

_WAIT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How a window is to be.

    Attributes:
        width: CSS pixels.
        height: CSS pixels.
        dark: Whether the system prefers dark colours.
        camera: The engine's own fake one, none at all, or one that the user refuses.
        proxy: ``HOST:PORT`` that everything goes through but what is for 127.0.0.1.
    """

    width: int = 393
    height: int = 851
    dark: bool = False
    camera: Literal["fake", "none", "refused"] = "fake"
    proxy: str | None = None


class Engine(Protocol):
    """One window of a browser with a fresh profile."""

    version: str

    def open(self, url: str) -> None:
        """Go to an address and wait until the page is loaded."""

    def run(self, body: str, *arguments: object) -> Any:
        """Run the body of an async function in the page.

        Args:
            body: JavaScript; ``args`` are the arguments. What it returns comes here as JSON.
            arguments: JSON values.

        Raises:
            RuntimeError: With the text of what the function throws.
        """

    def choose(self, paths: Sequence[Path]) -> None:
        """Give files to the page's file input, as a user does who picks them."""

    def screenshot(self) -> bytes:
        """Return what the window shows, as PNG."""


def script(body: str, arguments: Sequence[object]) -> str:
    """Return an expression: a promise of what the function returns or throws, as JSON text."""
    return (
        f"(async (...args) => {{{body}\n}})(...{json.dumps(arguments)}).then("
        "(value) => JSON.stringify({value: value ?? null}), "
        "(error) => JSON.stringify({error: String(error)}))"
    )


def result(text: str) -> Any:
    """Return what the function of ``script`` returned.

    Raises:
        RuntimeError: If it threw.
    """
    found = json.loads(text)
    if "error" in found:
        raise RuntimeError(found["error"])
    return found["value"]


def until(reached: Callable[[], Any], what: str, wait_s: float = _WAIT_S) -> Any:
    """Wait for something to be true, and return it.

    Raises:
        TimeoutError: If it does not come.
    """
    end = time.monotonic() + wait_s
    while not (found := reached()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: Path, **more: Any
) -> Iterator[None]:
    """Run a program while the block runs.

    Args:
        command: The program and its arguments.
        environment: All of it.
        log: What it writes is added to this file.
        more: For ``Popen``.
    """
    with log.open("ab") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said, **more)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def missing(*programs: str) -> list[str]:
    """Return which programs are not here."""
    return [name for name in programs if shutil.which(name) is None]
