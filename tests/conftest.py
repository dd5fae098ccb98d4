"""Fixtures for all tests; imports pytest and the runner only, whose tests run alone, too."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecnn_runner.runtimes.telemetry import no_telemetry

no_telemetry()  # tests import onnxruntime by themselves, too

_NOBODY = 65534
_LONGEST_FIRST = ("web/test_app_in_chromium.py", "emulated_pi", "integration", "web")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take minutes, so that no worker is left alone with one at the end.

    It takes ``--no-loadscope-reorder``: pytest-xdist would begin with those that hold most tests.
    """
    tests = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        firsts = (
            n for n, one in enumerate(_LONGEST_FIRST) if item.path.is_relative_to(tests / one)
        )
        return next(firsts, len(_LONGEST_FIRST))

    items.sort(key=place)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures that tests found, which a bare PASSED would hide."""
    measured = {
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "measured"
    }
    if measured:
        terminalreporter.section("measured")
        for line in sorted(measured):
            terminalreporter.line(line)


@pytest.fixture
def read_only_folder() -> Iterator[Path]:
    """An empty folder that may not be written to, whoever runs the tests.

    Root writes everywhere, so for root the test becomes an ordinary user for its duration.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(_NOBODY)
        try:
            yield folder
        finally:
            if is_root:
                os.seteuid(0)
            folder.chmod(0o755)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes, in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)
