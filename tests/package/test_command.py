"""``edgecnn package`` and ``edgecnn privacy``, as a user calls them; a real bundle for arm64."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pooch
import pytest

from edgecnn.package.pi.platforms import choose_platform
from edgecnn.package.pi.wheels import read_lock
from edgecnn.package.privacy.traced import why_not
from raspberry_pi.small_bundle import signing_key

MODELS = Path(__file__).parents[2] / "models"
NAME = "resnet8-1.0-pi-arm64-cp311"
REASON = why_not()

pytestmark = pytest.mark.slow


def edgecnn(*arguments: str | Path, apart: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the command; ``apart`` in a network namespace without interfaces."""
    command = [sys.executable, "-m", "edgecnn", *map(str, arguments)]
    return subprocess.run(
        ["unshare", "--net", *command] if apart else command,
        capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key pair and, in ``dist``, a signed bundle of resnet8."""
    folder = tmp_path_factory.mktemp("command")
    private, _ = signing_key(folder, "key")
    done = edgecnn(
        "package", MODELS / "resnet8", "--target", "pi", "--version", "1.0", "--sign", private,
        "--out", folder / "dist", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder / "result.json").write_text(done.stdout)
    return folder


@pytest.fixture(scope="module")
def bundle(place: Path) -> Path:
    """The bundle, unpacked by tar, as on a device."""
    command = ["tar", "xzf", f"dist/{NAME}.tar.gz"]
    subprocess.run(command, cwd=place, check=True)
    return place / NAME


def manifest_of(bundle: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bundle / "manifest.json").read_text())
    return found


def test_the_result_says_what_was_made(place: Path) -> None:
    result = json.loads((place / "result.json").read_text())
    made = place / "dist" / f"{NAME}.tar.gz"
    assert result["bundle"] == str(made)
    assert result["sha256"] == hashlib.sha256(made.read_bytes()).hexdigest()
    assert (result["system"], result["python"]) == ("bookworm", "3.11")
    assert result["files"] == ["resnet8-int8.tflite"]
    assert sorted(path.name for path in (place / "dist").iterdir()) == [
        f"{NAME}.pub.pem",
        f"{NAME}.tar.gz",
    ]


def test_the_manifest_has_a_digest_of_every_file(bundle: Path) -> None:
    files = manifest_of(bundle)["files"]
    there = {
        path.relative_to(bundle).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in bundle.rglob("*")
        if path.is_file()
    }
    for name in ("manifest.json", "manifest.json.sig"):
        there.pop(name)
    assert {name: entry["sha256"] for name, entry in files.items()} == there
    for name in ("install.sh", "PRIVACY.md", "MODEL_CARD.md", "LICENSE", "LICENCES.md",
                 "README.md", "sbom.cdx.json", "models/golden.npz", "service/resnet8.conf",
                 "service/edgecnn-resnet8.service", "bin/edgecnn-run"):  # fmt: skip
        assert name in files


def test_its_libraries_are_the_lock_s_and_no_others(bundle: Path) -> None:
    pinned = {pin.name: pin.version for pin in read_lock(choose_platform("bookworm", "litert"))}
    unpacked = {
        path.name.split("-")[0].lower().replace("_", "-").replace(".", "-"): path.name
        for path in (bundle / "lib").glob("*.dist-info")
    }
    assert unpacked.keys() == pinned.keys()
    native = [path for path in (bundle / "lib").rglob("*.so*") if path.is_file()]
    assert native
    for path in native:
        # The machine of an ELF file: 183 is AArch64 (ELF for the Arm 64-bit architecture).
        assert path.read_bytes()[18:20] == (183).to_bytes(2, "little"), path


def test_the_bill_of_materials_and_the_licences_name_every_library(bundle: Path) -> None:
    materials = json.loads((bundle / "sbom.cdx.json").read_text())
    assert (materials["bomFormat"], materials["specVersion"]) == ("CycloneDX", "1.6")
    named = {part["name"].lower().replace("_", "-") for part in materials["components"]}
    libraries = manifest_of(bundle)["libraries"]
    assert {name.replace("backports-", "backports.") for name in libraries} <= named
    assert {"edgecnn-runner", "resnet8-int8.tflite"} <= named
    model = next(p for p in materials["components"] if p["name"] == "resnet8-int8.tflite")
    assert model["hashes"][0]["content"] == manifest_of(bundle)["artifacts"][0]["sha256"]
    page = (bundle / "LICENCES.md").read_text()
    assert "none in its wheel" not in page
    for line in page.splitlines()[6:-2]:
        for text in line.split("|")[4].split(","):
            assert (bundle / text.strip()).is_file(), line


def test_it_is_signed(place: Path, bundle: Path) -> None:
    public = place / "dist" / f"{NAME}.pub.pem"
    assert public.read_text() == (place / "key.pub.pem").read_text()
    signed = bundle / "manifest.json"
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin"]
    command += ["-in", str(signed), "-sigfile", f"{signed}.sig"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Verified Successfully" in done.stdout, done.stderr


@pytest.mark.skipif(REASON is not None, reason=f"nothing can be traced here: {REASON}")
def test_the_privacy_note_has_every_claim_and_where_it_was_checked(bundle: Path) -> None:
    note = (bundle / "PRIVACY.md").read_text()
    record = json.loads((bundle / "privacy.json").read_text())
    assert record["subject"] in note
    assert {one["state"] for one in record["outcomes"]} == {"held"}, record["outcomes"]
    for one in record["outcomes"]:
        assert one["claim"] in note
    if os.uname().machine != "aarch64":
        assert "**Not checked on arm64**" in note
    assert "**cat**" in note  # the class that it recognizes worst


@pytest.mark.skipif(os.geteuid() != 0, reason="a namespace without interfaces needs root here")
def test_without_a_network_the_same_inputs_give_the_same_bytes(place: Path) -> None:
    """From the wheels that the first bundle left in the cache, named as a folder."""
    wheels = Path(pooch.os_cache("edgecnn")) / "wheels"
    done = edgecnn(
        "package", MODELS / "resnet8", "--version", "1.0", "--sign", place / "key.pem",
        "--wheels", wheels, "--out", place / "again", "--quiet", apart=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for name in (f"{NAME}.tar.gz", f"{NAME}.pub.pem"):
        assert (place / "again" / name).read_bytes() == (place / "dist" / name).read_bytes()


def test_checks_that_are_left_out_are_said_to_be_and_can_be_made_later(tmp_path: Path) -> None:
    options = ("--version", "1.0", "-o", tmp_path, "--skip-privacy-checks", "--json")
    done = edgecnn("package", MODELS / "resnet8", *options)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)["privacy"]["outcomes"]
    assert len(outcomes) == 7
    assert {one["state"] for one in outcomes} == {"not checked"}
    made = tmp_path / f"{NAME}.tar.gz"
    subprocess.run(["tar", "xzf", made], cwd=tmp_path, check=True)
    for name in ("PRIVACY.md", "MODEL_CARD.md"):
        text = (tmp_path / NAME / name).read_text()
        for one in outcomes:
            assert f"| {one['claim']} | not checked |" in text
    done = edgecnn("privacy", made, "--json")
    if REASON is None:
        assert done.returncode == 0, done.stderr
        assert {one["state"] for one in json.loads(done.stdout)["outcomes"]} == {"held"}


@pytest.mark.skipif(REASON is not None, reason=f"nothing can be traced here: {REASON}")
def test_the_claims_can_be_checked_again(place: Path) -> None:
    done = edgecnn("privacy", place / "dist" / f"{NAME}.tar.gz", "--json")
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    assert again == json.loads((place / "result.json").read_text())["privacy"]


def test_claims_about_other_files_are_refused(place: Path, bundle: Path, tmp_path: Path) -> None:
    """As when somebody changes a bundle and seals it anew, but for the claims."""
    copy = tmp_path / NAME
    shutil.copytree(bundle, copy)
    readme = copy / "README.md"
    readme.write_text("other")
    done = edgecnn("privacy", copy)
    assert done.returncode == 32
    assert "README.md is not the file that was packaged" in done.stderr
    manifest = manifest_of(copy)
    entry = {"sha256": hashlib.sha256(b"other").hexdigest(), "bytes": 5, "executable": False}
    manifest["files"]["README.md"] = entry
    (copy / "manifest.json").write_text(json.dumps(manifest))
    done = edgecnn("privacy", copy)
    assert done.returncode == 36
    assert "are about other files than it holds" in done.stderr


def test_what_is_no_bundle_is_refused(place: Path, tmp_path: Path) -> None:
    whole = (place / "dist" / f"{NAME}.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    with tarfile.open(tmp_path / "link.tar.gz", "w:gz") as archive:
        link = tarfile.TarInfo("bundle/x")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with tarfile.open(tmp_path / "out.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../out"))
    (tmp_path / "text.tar.gz").write_text("text")
    for name in ("cut", "link", "out", "text", "missing"):
        done = edgecnn("privacy", tmp_path / f"{name}.tar.gz")
        assert done.returncode == 32, (name, done.stderr)
        assert "is no bundle, or is damaged" in done.stderr
    assert not (tmp_path.parent / "out").exists()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ("--os trixie --runtime tflite-runtime", 2, "no tflite-runtime for Python 3.13"),
        ("--os buster", 2, "--os bookworm with --runtime litert, onnxruntime, tflite-runtime"),
        ("--target web2", 2, "bundles for web2 cannot be made"),
        ("--version 1/0", 2, "cannot be a part of file names"),
        ("--sign README.md", 2, "is no Ed25519 private key"),
        ("--variant tflite-int4", 35, "has no PASS"),
        ("--variant onnx-int8", 35, "does not read onnx files"),
        ("--wheels tests", 35, "lacks 9 of the libraries"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    tmp_path: Path, options: str, code: int, said: str
) -> None:
    done = edgecnn("package", MODELS / "resnet8", "--out", tmp_path / "dist", *options.split())
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert not (tmp_path / "dist").exists()


def test_a_file_in_a_build_is_no_source(tmp_path: Path) -> None:
    done = edgecnn("package", MODELS / "resnet8/resnet8-int8.tflite")
    assert done.returncode == 29
    assert "is one file, and a build is wanted" in done.stderr
    assert f"edgecnn package {MODELS / 'resnet8'} --variant tflite-int8" in done.stderr
