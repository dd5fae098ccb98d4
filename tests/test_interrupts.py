"""Ctrl-C in a place where Python or a library drops it still ends the work."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMON = """
import os, signal, sys, weakref
from edgecnn.cli.progress import interruptible, remember_interrupts, was_interrupted
from edgecnn.progress import NO_PROGRESS

def ctrl_c(*_):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass

class Thing:
    pass

remember_interrupts()
progress = interruptible(NO_PROGRESS)
"""

# Each loses the KeyboardInterrupt in another way; what comes after is the work that goes on.
LOST = {
    "a weak reference's callback": "t = Thing(); r = weakref.ref(t, ctrl_c); del t",
    "a __del__": "Thing.__del__ = ctrl_c; t = Thing(); del t",
    "a library's own error": """
try:
    ctrl_c()
except BaseException as error:
    lost = RuntimeError(str(error))
""",
}
PLACES = {
    "advance": "task.advance()",
    "note": "task.note('x')",
    "message": "progress.message('x')",
    "task": "progress.task('y', 1)",
}


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        # A shell in the background ignores Ctrl-C for what it starts.
        [
            sys.executable,
            "-c",
            "import signal\nsignal.signal(2, signal.default_int_handler)" + code,
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", LOST)
def test_a_lost_ctrl_c_ends_the_work_where_it_next_reports(way: str, place: str) -> None:
    done = run(f"""{COMMON}
with progress.task("x", 3) as task:
    task.advance()
    assert not was_interrupted()
{_indented(LOST[way])}
    print("goes on", was_interrupted(), flush=True)
    try:
        {PLACES[place]}
        print("not stopped")
    except KeyboardInterrupt:
        print("stopped")
""")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["goes on True", "stopped", ""]
    assert not done.stderr


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.strip().splitlines())


def test_an_ordinary_ctrl_c_is_a_keyboard_interrupt_at_once() -> None:
    done = run(f"""{COMMON}
try:
    ctrl_c()
    print("not stopped")
except KeyboardInterrupt:
    print("stopped", was_interrupted())
""")
    assert done.stdout == "stopped True\n", done.stderr


def test_where_ctrl_c_is_ignored_it_stays_ignored() -> None:
    # As for a command that a script has put into the background.
    done = run(f"\nsignal.signal(2, signal.SIG_IGN){COMMON}ctrl_c(); print(was_interrupted())")
    assert done.stdout == "False\n", done.stderr


def test_other_errors_that_python_drops_are_still_told() -> None:
    done = run(f"{COMMON}Thing.__del__ = lambda self: 1 / 0\nt = Thing(); del t")
    assert "ZeroDivisionError" in done.stderr
