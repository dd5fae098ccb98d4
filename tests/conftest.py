"""Fixtures for all tests; imports nothing but pytest, since the runner's tests run alone too."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_NOBODY = 65534


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
