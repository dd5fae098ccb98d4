"""The files of a real build on a device: another Python of this machine."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from command import Finished, edgecnn

pytestmark = pytest.mark.slow  # builds, and starts processes


@pytest.fixture
def build(demo: tuple[Path, Finished], tmp_path: Path) -> Path:
    """A copy, so that nothing is written into the build that others share."""
    return Path(shutil.copytree(demo[0], tmp_path / "build"))


def test_a_device_gives_the_verdicts_of_this_machine(build: Path, tmp_path: Path) -> None:
    own = json.loads((build / "parity.json").read_text())
    manifest = (build / "manifest.json").read_text()
    address, junit = f"cmd:{sys.executable}", tmp_path / "junit.xml"
    done = edgecnn("verify", build, "--device", address, "--junit", junit)
    assert done.code == 0, done.err
    (found,) = build.glob("parity-on-cmd-*.json")
    there = json.loads(found.read_text())
    assert there["device"] == address
    assert own["device"] == "local"
    assert [row["metrics"] for row in there["rows"]] == [row["metrics"] for row in own["rows"]]
    assert [row["kernels"] for row in there["rows"]] == [row["kernels"] for row in own["rows"]]
    assert {row["variant"]: row["kernels"] for row in own["rows"]}["tflite-fp32"] == "XNNPACK"
    assert json.loads((build / "parity.json").read_text()) == own, "it is not the build's verdict"
    assert (build / "manifest.json").read_text() == manifest
    (page,) = build.glob("report-on-cmd-*.html")
    assert f"The artifacts ran on {address}" in page.read_text()
    assert "kernels: XNNPACK" in page.read_text()
    assert f"on {address}" in done.out
    assert "kernels XNNPACK" in done.out
    suite = ET.parse(junit).getroot()[0]
    assert suite.get("hostname") == address
    assert "kernels: XNNPACK" in (suite[0][0].text or "")


def test_some_images_on_a_device_do_not_replace_what_all_of_them_said(build: Path) -> None:
    address = f"cmd:{sys.executable}"
    one = build / "digits-int8.tflite"
    assert edgecnn("verify", build, "--device", address).code == 0
    whole = {path: path.read_bytes() for path in build.glob("*-on-*")}
    assert len(whole) == 2
    for some in ((build, "--images", "100"), (one,)):
        done = edgecnn("verify", *some, "--device", address, "--json")
        assert done.code in (0, 4), done.err
        (parity,) = build.glob("parity-partial-on-cmd-*.json")
        assert json.loads(parity.read_text())["rows"] == done.json()["rows"]
        (page,) = build.glob("report-partial-on-cmd-*.html")
        assert f"The artifacts ran on {address}" in page.read_text()
    assert {path: path.read_bytes() for path in whole} == whole


def test_reports_of_a_device_go_where_they_are_sent(build: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    file = build / "digits-int8.tflite"
    done = edgecnn(
        "verify", file, "--device", f"cmd:{sys.executable}", "--images", "100", "--out", out,
        "--json",
    )  # fmt: skip
    assert done.code in (0, 4), done.err
    assert [row["variant"] for row in done.json()["rows"]] == ["tflite-int8"]
    assert sorted(path.suffix for path in out.iterdir()) == [".html", ".json"]
    assert not list(build.glob("*-on-*"))


def test_a_device_without_a_runtime_is_rows_with_the_reason(build: Path) -> None:
    bare = shutil.which("python3", path="/usr/bin")
    if bare is None:
        pytest.skip("there is no Python of the system's")
    done = edgecnn("verify", build, "--device", f"cmd:{bare}", "--images", "50", "--json")
    if done.code in (0, 4):
        pytest.skip("the system's Python has a runtime")
    if done.code == 34:
        pytest.skip("the system's Python is too old")
    assert done.code == 13, done.err
    errors = {row["error"]["error"] for row in done.json()["rows"]}
    assert errors == {"RuntimeMissingError"}
    assert "edgecnn deploy" in done.err


def test_a_device_that_dies_with_a_file_is_a_row_with_the_reason(
    build: Path, tmp_path: Path
) -> None:
    """The second file that it is asked for scores of, its Python is gone."""
    count = tmp_path / "count"
    script = tmp_path / "python"
    # It is asked for its facts, for the first file's scores of the images and of made-up pictures.
    script.write_text(
        f"#!/bin/sh\necho x >> {count}\n"
        f'[ $(wc -l < {count}) = 4 ] && kill -9 $$\nexec {sys.executable} "$@"\n'
    )
    script.chmod(0o755)
    done = edgecnn("verify", build, "--device", f"cmd:{script}", "--images", "50", "--json")
    rows = done.json()["rows"]
    assert [row["error"] is None for row in rows] == [True, False] + [True] * (len(rows) - 2)
    assert rows[1]["error"]["error"] == "DeviceError"
    assert done.code == 34


def test_a_device_that_cannot_be_reached_ends_it_at_once(build: Path) -> None:
    done = edgecnn("verify", build, "--device", "ssh://nobody@127.0.0.1:9", "--json")
    assert (done.code, done.json()["error"]) == (37, "DeviceConnectionError")
    assert edgecnn("verify", build, "--device", "nonsense").code == 2
    assert edgecnn("verify", build, "--identity", "x").code == 2


def test_a_device_that_lies_is_not_believed(build: Path, tmp_path: Path) -> None:
    """It runs our program, and changes the scores' size on the way out."""
    script = tmp_path / "python"
    script.write_text(
        f"#!{sys.executable}\n"
        "import subprocess, sys\n"
        f"command = [{sys.executable!r}, *sys.argv[1:]]\n"
        "done = subprocess.run(command, stdin=0, capture_output=True)\n"
        "lie = done.stdout.replace(b'model_sha256\": \"', b'model_sha256\": \"x')\n"
        "sys.stdout.buffer.write(lie)\n"
    )
    script.chmod(0o755)
    done = edgecnn("verify", build, "--device", f"cmd:{script}", "--images", "50", "--json")
    assert done.code == 10, done.err
    assert "did not run the file that was sent" in done.err
