"""The app in Chromium, driven by Node: its states, pictures by every way in, accessibility."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.fixture_files import HAS_ONNX
from web.javascript_cases import write_models, write_sizes
from web.node import WEB, install_packages, run_node
from web.picture_cases import write_pictures

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium"),
    pytest.mark.skipif(not HAS_ONNX, reason="onnxruntime is not installed"),
]


def test_the_app_works(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    install_packages()
    write_models(tmp_path)
    write_sizes(tmp_path)
    write_pictures(tmp_path)
    names = sorted(str(path.relative_to(WEB)) for path in WEB.glob("test/*.browser.js"))
    assert len(names) >= 7
    result = run_node(
        # One file after the other: each starts browsers of its own.
        ["node", "--test", "--test-concurrency=1", "--test-reporter=tap", *names],
        {
            **os.environ,
            "EDGECNN_WEB_FIXTURES": str(tmp_path),
            "EDGECNN_CHROMIUM": str(CHROMIUM),
        },
        timeout=600,
    )
    assert result.returncode == 0, result.stdout
    counts = dict(re.findall(r"^# (pass|fail|skipped) (\d+)$", result.stdout, re.M))
    assert counts["fail"] == counts["skipped"] == "0", result.stdout
    assert int(counts["pass"]) >= 25, result.stdout
    found = re.findall(r"^# JPEG.*: largest difference (\d+)$", result.stdout, re.M)
    assert len(found) >= 10
    worst = max(int(difference) for difference in found)
    record_property("measured", f"JPEG files, Chromium against Pillow: a pixel differs by {worst}")
