"""The claims of a web bundle's single file, checked without its folder, and caught when broken."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.errors import BundleError, PackageError, PrivacyClaimError
from edgecnn.package.privacy.claims import Checked
from edgecnn.package.privacy.web_file import check_file, file_exit_error, is_page
from edgecnn.package.web.single import packed, single_page
from web.made import IDS, files_of, needs_browser

pytestmark = [pytest.mark.slow, needs_browser]

OWN = ["no-other-way", "single-file", "self-test"]


@pytest.fixture(scope="module")
def page() -> bytes:
    return single_page(files_of("resnet8"))


def checked(page: bytes, tmp_path: Path) -> Checked:
    path = tmp_path / "resnet8-1.0-classifier.html"
    path.write_bytes(page)
    return check_file(path)


def with_resource(page: bytes, name: str, data: bytes) -> bytes:
    made, count = re.subn(f'(id="resource:{name}">)[^<]*', rf"\g<1>{packed(data)}", page.decode())
    assert count == 1
    return made.encode()


def states(found: Checked) -> dict[str, str]:
    return {one.id: one.state for one in found.outcomes if one.id in OWN}


def test_the_command_checks_what_is_the_files_own_and_names_what_is_not(
    page: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "resnet8-1.0-classifier.html"
    path.write_bytes(page)
    command = [sys.executable, "-m", "edgecnn", "privacy", str(path)]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)["outcomes"]
    assert [one["id"] for one in outcomes if one["state"] == "held"] == OWN
    others = [one for one in outcomes if one["state"] == "not checked"]
    assert {one["id"] for one in others} == set(IDS) - set(OWN)
    assert all("edgecnn privacy FOLDER" in one["evidence"] for one in others)
    done = subprocess.run([*command, "--wheels", "x"], capture_output=True, text=True, check=False)
    assert done.returncode == 2


def test_a_file_that_may_connect_is_caught(page: bytes, tmp_path: Path) -> None:
    found = checked(page.replace(b"connect-src 'none'", b"connect-src *", 1), tmp_path)
    assert states(found) == {**dict.fromkeys(OWN, "held"), "single-file": "broken"}
    assert "fetch went out" in found.of("broken")[0].evidence
    assert isinstance(file_exit_error(found, "it"), PrivacyClaimError)


@pytest.mark.parametrize(
    "way",
    [
        '<script>const way = () => window.open("x");</script>',
        '<meta http-equiv="refresh" content="9999; url=http://outside.invalid/">',
        '<a ping="http://outside.invalid/" href="#camera">camera</a>',
    ],
)
def test_another_way_out_is_caught(page: bytes, tmp_path: Path, way: str) -> None:
    found = checked(page.replace(b"</head>", way.encode() + b"</head>", 1), tmp_path)
    assert states(found)["no-other-way"] == "broken"


def test_a_file_that_does_not_mind_its_self_test_is_caught(page: bytes, tmp_path: Path) -> None:
    """Its policy allows any script, so that the altered one runs."""
    text, count = re.subn(rb"script-src ('sha256-\S+ )+", b"script-src 'unsafe-inline' ", page)
    assert count == 1
    minds = b"if (outcome.problems.length > 0) {"
    assert text.count(minds) == 1
    found = checked(text.replace(minds, b"if (false) {"), tmp_path)
    assert states(found)["self-test"] == "broken"


def test_without_a_browser_only_its_text_is_looked_at(
    page: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = checked(page, tmp_path)
    assert states(found) == {**dict.fromkeys(OWN, "not checked"), "no-other-way": "held"}
    error = file_exit_error(found, "it")
    assert isinstance(error, PrivacyClaimError)
    assert "2 of 3 privacy claims" in error.problem
    assert "Chromium is not installed" in str(error.observed)


def test_what_is_no_single_file_is_refused(page: bytes, tmp_path: Path) -> None:
    assert not is_page(tmp_path)
    no_pictures = with_resource(page, "golden.json", b'{"images": [{"top": 1}]}')
    for other in (b"<!doctype html><p>no</p>", b"\xff", page[: len(page) // 2], no_pictures):
        with pytest.raises(BundleError, match="is no single file of a web bundle"):
            checked(other, tmp_path)
    with pytest.raises(PackageError, match="does not work in this machine's browser"):
        checked(with_resource(page, "model/contract.json", b"{}"), tmp_path)
