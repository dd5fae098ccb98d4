"""The JavaScript runner in Node: types, and the same pixels and scores as Python's."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from command import edgecnn
from runner.fixture_files import HAS_ONNX
from web.javascript_cases import (
    ROOT,
    write_float,
    write_models,
    write_preprocessing,
    write_sizes,
    write_softmax,
)
from web.node import WEB, install_packages, run_node
from web.picture_cases import write_containers, write_orientations

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def _packages() -> None:
    install_packages()


def test_types_are_right() -> None:
    result = run_node(["npm", "run", "check"])
    assert result.returncode == 0, result.stdout


@pytest.mark.skipif(not HAS_ONNX, reason="onnxruntime is not installed")
def test_pixels_and_scores_are_pythons(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    write_preprocessing(tmp_path)
    write_sizes(tmp_path)
    write_softmax(tmp_path)
    write_models(tmp_path)
    write_containers(tmp_path)
    write_orientations(tmp_path)
    names = sorted(str(path.relative_to(WEB)) for path in WEB.glob("test/*.test.js"))
    assert len(names) >= 6
    assert _run_tests(names, tmp_path, record_property) >= 56


@pytest.mark.cifar10
@pytest.mark.skipif("EDGECNN_DATA" not in os.environ, reason="EDGECNN_DATA is not set")
@pytest.mark.parametrize("name", ["resnet8", "seed_cnn"])
def test_scores_of_a_whole_float_network_are_pythons(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    build = tmp_path / "build"
    done = edgecnn("convert", ROOT / "models" / name, "--variant", "onnx-fp32", "--out", build)
    assert done.code == 0, done.err
    write_float(tmp_path, name, build / f"{name}-fp32.onnx")
    assert _run_tests(["test/runner.test.js"], tmp_path, record_property) == 6


def _run_tests(
    arguments: list[str], fixtures: Path, record_property: Callable[[str, object], None]
) -> int:
    """Run Node's tests, none of which may fail or be skipped; return how many passed."""
    # TAP, whatever Node's default is: the counts below are read from it.
    result = run_node(
        ["node", "--test", "--test-reporter=tap", *arguments],
        {**os.environ, "EDGECNN_WEB_FIXTURES": str(fixtures)},
    )
    assert result.returncode == 0, result.stdout
    counts = dict(re.findall(r"^# (pass|fail|skipped|todo|cancelled) (\d+)$", result.stdout, re.M))
    others = [name for name in ("fail", "skipped", "todo", "cancelled") if counts[name] != "0"]
    assert not others, result.stdout
    for line in re.findall(r"^# (.* bit-exact, worst .*)$", result.stdout, re.M):
        record_property("measured", f"ONNX Runtime Web in Node against Python: {line}")
    return int(counts["pass"])
