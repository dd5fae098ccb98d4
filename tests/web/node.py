"""Node and the packages of ``deploy/web`` for its tests."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "deploy" / "web"
_OLDEST = 20


def install_packages() -> None:
    """Install what ``package-lock.json`` names, once; skip the test if Node is missing.

    The packages are for tests only and come by npm's ordinary client, as pip's do.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed: apt-get install nodejs npm")
    version = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True)
    if int(version.stdout.lstrip("v").partition(".")[0]) < _OLDEST:
        pytest.skip(f"node is {version.stdout.strip()}, older than {_OLDEST}")
    lock = WEB / "package-lock.json"
    # What npm itself writes when it is done; test workers run at the same time.
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = WEB / "node_modules" / ".package-lock.json"
        if done.is_file() and done.stat().st_mtime >= lock.stat().st_mtime:
            return
        result = run_node(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        assert result.returncode == 0, result.stdout
        done.touch()


def run_node(
    command: list[str], environment: dict[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a command in ``deploy/web``, what it writes in one text.

    Args:
        command: The program and its arguments.
        environment: All of it; None for this process's.
        timeout: Seconds.
    """
    return subprocess.run(
        command,
        cwd=WEB,
        env=environment,
        timeout=timeout,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
