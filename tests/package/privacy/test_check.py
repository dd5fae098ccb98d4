"""A real bundle's claims, checked for real; and bundles that break each of them, caught."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.package.pi.platforms import ARCHITECTURES
from edgecnn.package.pi.tree import write_manifest
from edgecnn.package.privacy.check import check_bundle
from edgecnn.package.privacy.claims import Checked
from edgecnn.package.privacy.traced import why_not
from package.bundle_here import HERE, make_bundle_here, needs_this_platform

REASON = why_not()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(REASON is not None, reason=f"nothing can be traced here: {REASON}"),
    *needs_this_platform,
]

# Native code, which the runner's guard does not see: a socket, a copy, a program.
PHONES_HOME = """
import ctypes as _ctypes, os as _os
_libc = _ctypes.CDLL(None)
_libc.socket(2, 1, 0)
_libc.close(_libc.open(_os.fsencode(_os.environ["TMPDIR"] + "/kept.jpg"), 0o101, 0o600))
_libc.system(b"exec /usr/bin/sleep 0")
"""
# In the results themselves, as numbers.
TELLS_PIXELS = """"ranked": [asdict(score) for score in self.ranked], "pixels": list(range(999))"""
GUARD = "    allowed = _allowed\n    if allowed is None:"


def states(checked: Checked) -> dict[str, str]:
    return {one.id: one.state for one in checked.outcomes}


def evidence(checked: Checked, claim: str) -> str:
    return next(one.evidence for one in checked.outcomes if one.id == claim)


def altered(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path} no longer has what this test alters"
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("runtime", ["litert", "onnxruntime", "tflite-runtime"])
def test_every_claim_holds_with_every_runtime(tmp_path: Path, runtime: str) -> None:
    folder = tmp_path / "bundle"
    make_bundle_here(folder, runtime)
    checked = check_bundle(folder)
    assert set(states(checked).values()) == {"held"}, checked
    assert checked.architecture == checked.bundle_architecture == HERE


def test_a_runner_that_phones_home_keeps_images_or_tells_pixels_is_caught(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    plan = make_bundle_here(folder, "tflite-runtime")
    classifier = folder / "runner/edgecnn_runner/classifier.py"
    altered(classifier, '"ranked": [asdict(score) for score in self.ranked]', TELLS_PIXELS)
    with classifier.open("a", encoding="utf-8") as file:
        file.write(PHONES_HOME)
    write_manifest(plan, folder)
    checked = check_bundle(folder)
    assert states(checked) == {
        "network": "broken", "images": "broken", "telemetry": "broken", "results": "broken",
        "guard": "held", "deletion": "broken", "service": "held",
    }  # fmt: skip
    # By everything that classifies, the self-test of the installation too.
    runs = "install.sh, selftest, classify, watch, camera, camera to standard output"
    assert evidence(checked, "network") == f"socket(AF_INET) ({runs})"
    assert evidence(checked, "images") == f"tmp/kept.jpg written ({runs})"
    assert "/usr/bin/sleep started" in evidence(checked, "telemetry")
    assert "a result holds pixels" in evidence(checked, "results")
    assert "left: tmp/kept.jpg" in evidence(checked, "deletion")


def test_a_runner_without_its_guard_and_a_removal_that_leaves_files_are_caught(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "bundle"
    plan = make_bundle_here(folder, "tflite-runtime")
    altered(folder / "runner/edgecnn_runner/guard.py", GUARD, f"{GUARD[:23]}\n    if True:")
    installer = folder / "installer/edgecnn_installer/main.py"
    altered(
        installer,
        "    shutil.rmtree(place.root)\n",
        '    shutil.rmtree(place.root)\n    (place.root.parent / "left.txt").write_text("left")\n',
    )
    write_manifest(plan, folder)
    checked = check_bundle(folder)
    assert states(checked)["guard"] == "broken"
    assert "a file: it passed" in evidence(checked, "guard")
    assert evidence(checked, "deletion").startswith("left: ")


def test_a_bundle_that_does_not_run_proves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    plan = make_bundle_here(folder, "tflite-runtime")
    altered(
        folder / "runner/edgecnn_runner/cli/__init__.py",
        '"""``edgecnn-run``:',
        'raise OSError("x")\n"""',
    )
    write_manifest(plan, folder)
    checked = check_bundle(folder)
    assert states(checked)["network"] == "not checked"
    assert "install.sh ended with" in evidence(checked, "network")


def test_what_cannot_be_run_here_is_not_checked(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    plan = make_bundle_here(folder, "tflite-runtime")
    other = next(name for name in ARCHITECTURES if name != HERE)
    there = replace(plan, platform=replace(plan.platform, architecture=other))
    write_manifest(there, folder)
    empty = tmp_path / "wheels"
    empty.mkdir()
    checked = check_bundle(folder, wheels=empty, fetch=False)
    assert states(checked)["network"] == "not checked"
    assert f"the libraries for {HERE} that the checks need are not at hand" in evidence(
        checked, "network"
    )
    assert states(checked)["service"] == "held"  # which is read and not run
    assert checked.architecture is None
