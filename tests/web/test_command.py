"""``edgecnn package --target web`` and ``edgecnn privacy`` of its result, as a user calls them."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from web.made import IDS, MODELS, needs_browser, package

pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packaged")
    done = package(MODELS / "resnet8", "--version", "1.0", "--out", folder / "dist", "--json")
    assert done.returncode == 0, done.stderr
    (folder / "result.json").write_text(done.stdout)
    return folder


def privacy(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecnn", "privacy", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_says_what_it_made(place: Path) -> None:
    result = json.loads((place / "result.json").read_text())
    folder, page = Path(result["folder"]), Path(result["html"])
    assert (folder.name, page.name) == ("resnet8-1.0-web", "resnet8-1.0-classifier.html")
    assert result["folder_bytes"] == sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file()
    )
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=False
    )
    assert done.returncode == 0
    note = (folder / "PRIVACY.md").read_text()
    record = json.loads((folder / "privacy.json").read_text())
    assert record["subject"] in note
    assert [one["id"] for one in record["claims"]] == IDS
    for one in record["claims"]:
        assert one["checked"] is True
        assert one["text"] in note


def test_the_same_inputs_give_the_same_bytes_and_replace_what_lies_there(place: Path) -> None:
    shutil.copytree(place / "dist", place / "again")
    (place / "again/resnet8-1.0-web/app.css").write_text("altered")
    (place / "again/resnet8-1.0-classifier.html").write_text("altered")
    done = package(MODELS / "resnet8", "--version", "1.0", "--out", place / "again", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    first = {p.relative_to(place / "dist"): p for p in (place / "dist").rglob("*") if p.is_file()}
    again = {p.relative_to(place / "again"): p for p in (place / "again").rglob("*") if p.is_file()}
    assert first.keys() == again.keys()
    for name, path in first.items():
        assert path.read_bytes() == again[name].read_bytes(), name
    page = (place / "again/resnet8-1.0-classifier.html").read_bytes()
    assert f"SHA-256 {hashlib.sha256(page).hexdigest()}" in done.stdout


def test_the_bill_of_materials_names_what_is_in_it(place: Path) -> None:
    folder = place / "dist/resnet8-1.0-web"
    materials = json.loads((folder / "sbom.cdx.json").read_text())
    assert (materials["bomFormat"], materials["specVersion"]) == ("CycloneDX", "1.6")
    parts = {part["name"]: part for part in materials["components"]}
    assert parts.keys() == {"edgecnn-web-app", "onnxruntime-web", "resnet8-int8.onnx"}
    runtime = parts["onnxruntime-web"]
    assert runtime["purl"] == f"pkg:npm/onnxruntime-web@{runtime['version']}"
    listed = {one["name"]: one["hashes"][0]["content"] for one in runtime["components"]}
    assert listed.keys() == {f"vendor/{path.name}" for path in (folder / "vendor").iterdir()}
    listed["model/model.onnx"] = parts["resnet8-int8.onnx"]["hashes"][0]["content"]
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


def test_the_claims_can_be_checked_again(place: Path) -> None:
    done = privacy(place / "dist/resnet8-1.0-web", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((place / "result.json").read_text())["privacy"]


def test_claims_about_other_files_are_refused(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(place / "dist/resnet8-1.0-web", folder)
    script = folder / "app.js"
    script.write_text(script.read_text() + "// other\n")
    done = privacy(folder)
    assert done.returncode == 32, done.stderr
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    digest = hashlib.sha256(script.read_bytes()).hexdigest()
    sums = [f"{digest}  app.js" if line.endswith("  app.js") else line for line in sums]
    (folder / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    done = privacy(folder)
    assert done.returncode == 36, done.stderr
    assert "are about other files than it holds" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ("--os trixie", 2, "--os is an option for --target pi alone"),
        ("--sign KEY", 2, "--sign is an option for --target pi alone"),
        ("--wheels tests --runtime litert", 2, "--runtime is an option for --target pi alone"),
        ("--format deb", 2, "there is no format deb for web"),
        ("--variant tflite-int8", 2, "tflite-int8 does not run in a browser"),
        ("--variant onnx-int8 --variant onnx-fp32", 2, "holds one model file"),
        ("--variant onnx-fp32", 35, "edgecnn convert"),
        ("--version 1/0", 2, "cannot be a part of file names"),
        ("--vendor-dir tests", 35, "lacks 3 of the 3 files"),
        ("--reject-below 1.5", 2, "--reject-below"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    tmp_path: Path, options: str, code: int, said: str
) -> None:
    done = package(MODELS / "wren", "--out", tmp_path / "dist", *options.split())
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert not (tmp_path / "dist").exists()


def test_a_file_in_place_of_the_folder_is_refused_before_anything_is_checked(
    tmp_path: Path,
) -> None:
    (tmp_path / "dist").write_text("mine")
    for out in (tmp_path / "dist", tmp_path / "dist/deeper/still"):
        done = package(MODELS / "resnet8", "--out", out, "--vendor-dir", tmp_path)
        # With no runtime in that folder: what would be said next.
        assert done.returncode == 29, done.stderr
        assert "is no folder" in done.stderr
    assert (tmp_path / "dist").read_text() == "mine"


def test_a_folder_of_others_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "dist/resnet8-1.0-web"
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("mine")
    done = package(MODELS / "resnet8", "--version", "1.0", "--out", tmp_path / "dist")
    assert done.returncode == 29, done.stderr
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_a_users_own_files_in_a_bundle_are_not_deleted(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dist/resnet8-1.0-web"
    shutil.copytree(place / "dist/resnet8-1.0-web", folder)
    (folder / ".htaccess").write_text("mine")
    done = package(MODELS / "resnet8", "--version", "1.0", "--out", tmp_path / "dist")
    assert done.returncode == 29, done.stderr
    assert ".htaccess" in done.stderr
    assert (folder / ".htaccess").read_text() == "mine"
    assert [path.name for path in (tmp_path / "dist").iterdir()] == [folder.name]


@pytest.mark.long  # tests/package/test_command.py has the same rule on a bundle for a Pi
def test_checks_that_are_left_out_are_said_to_be_and_can_be_made_later(tmp_path: Path) -> None:
    done = package(MODELS / "resnet8", "--version", "1.0", "-o", tmp_path, "--skip-privacy-checks")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  not checked: ") == len(IDS)
    folder = tmp_path / "resnet8-1.0-web"
    record = json.loads((folder / "privacy.json").read_text())
    assert [one["checked"] for one in record["claims"]] == [False] * len(IDS)
    for name in ("PRIVACY.md", "MODEL_CARD.md"):
        text = (folder / name).read_text()
        for one in record["claims"]:
            assert f"| {one['text']} | not checked |" in text
    done = privacy(folder, "--json")
    assert done.returncode == 0, done.stderr
    assert {one["state"] for one in json.loads(done.stdout)["outcomes"]} == {"held"}
