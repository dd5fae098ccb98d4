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


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models, sizes and pictures that the tests in JavaScript read."""
    install_packages()
    folder = tmp_path_factory.mktemp("cases")
    write_models(folder)
    write_sizes(folder)
    write_pictures(folder)
    return folder


@pytest.fixture(scope="module")
def passed() -> dict[str, int]:
    """How many tests passed in each file that was run."""
    return {}


FILES = sorted(str(path.relative_to(WEB)) for path in WEB.glob("test/*.browser.js"))


def test_there_are_files_to_run() -> None:
    assert len(FILES) >= 7


@pytest.mark.parametrize("name", FILES)
def test_the_app_works(
    name: str,
    cases: Path,
    passed: dict[str, int],
    record_property: Callable[[str, object], None],
) -> None:
    result = run_node(
        ["node", "--test", "--test-reporter=tap", name],
        {**os.environ, "EDGECNN_WEB_FIXTURES": str(cases), "EDGECNN_CHROMIUM": str(CHROMIUM)},
        timeout=600,
    )
    assert result.returncode == 0, result.stdout
    counts = dict(re.findall(r"^# (pass|fail|skipped) (\d+)$", result.stdout, re.M))
    assert counts["fail"] == counts["skipped"] == "0", result.stdout
    passed[name] = int(counts["pass"])
    assert passed[name] >= 1, result.stdout
    found = re.findall(r"^# JPEG.*: largest difference (\d+)$", result.stdout, re.M)
    if name == "test/pictures.browser.js":
        assert len(found) >= 10
        worst = max(int(difference) for difference in found)
        told = f"JPEG files, Chromium against Pillow: a pixel differs by {worst}"
        record_property("measured", told)


def test_no_file_has_lost_its_tests(passed: dict[str, int]) -> None:
    if len(passed) < len(FILES):
        pytest.skip("not all files were run, or one of them failed")
    assert sum(passed.values()) >= 25
