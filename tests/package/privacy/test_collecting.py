"""A bundle that may collect: its claims checked for real, and bundles that break them, caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.package.pi.tree import write_manifest
from edgecnn.package.privacy.check import check_bundle
from edgecnn.package.privacy.note import write_note
from edgecnn.package.privacy.pi import claim_texts, collecting_service
from edgecnn.package.privacy.traced import why_not
from edgecnn_runner.collect import Terms
from package.bundle_here import make_bundle_here, needs_this_platform
from package.privacy.test_check import altered, evidence, states

REASON = why_not()
TERMS = Terms(folder="/var/lib/edgecnn-resnet8-collected", every=30, at_most=20)
RUNTIME = "tflite-runtime"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(REASON is not None, reason=f"nothing can be traced here: {REASON}"),
    *needs_this_platform,
]


def test_it_keeps_images_only_there_and_at_most_so_many(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    plan = make_bundle_here(folder, RUNTIME, collect=TERMS)
    checked = check_bundle(folder)
    assert set(states(checked).values()) == {"held"}, checked
    claim = next(one.claim for one in checked.outcomes if one.id == "images")
    assert claim == (
        "It keeps images only in /var/lib/edgecnn-resnet8-collected, at most 20, and none unless "
        "--collect asks for it."
    )
    # From nothing; after a restart, with room for one more of four; and when there is none.
    assert evidence(checked, "images").endswith(
        "4 files after camera, collecting, 20 files after collecting, after a restart, 20 files "
        "after collecting, full, 20 files after collecting more, 20 files after uninstall"
    )
    assert "a picture more than there may be" in evidence(checked, "guard")
    assert "StateDirectory=edgecnn-resnet8 edgecnn-resnet8-collected; --collect" in evidence(
        checked, "collecting-service"
    )
    write_note(plan, folder, checked)
    note = (folder / "PRIVACY.md").read_text()
    assert "keeps images only in /var/lib/edgecnn-resnet8-collected, at most 20" in note
    assert "It keeps no image." not in note
    assert "edgecnn-collect@resnet8" in note


COLLECT = "runner/edgecnn_runner/collect.py"


@pytest.mark.long  # a traced run of a whole bundle each
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("return self.there >= self._terms.at_most", "return False",
         "23 files, and at most 20 are agreed on"),
        ('self._part.rename(target)', 'self._part.rename(self.folder.parent / name)',
         "written (camera, collecting"),
        ("0o600)", "0o644)", "is -rw-r--r--"),
        ("self._write(png_bytes(kept))", "self._write(png_bytes(kept) + b'where')",
         "is no PNG file of pixels alone"),
        ("            target = self.folder / name\n",
         "            target = self.folder / name\n"
         "            [p.unlink() for p in self.folder.glob('there-*')]\n",
         "files were deleted there"),
        ("    def saw(", "    def saw(self, rgb):\n        return {}\n\n    def never(",
         "no picture was collected"),
    ],
    ids=["more", "elsewhere", "for others", "with more in it", "deletes", "nothing"],
)  # fmt: skip
def test_a_runner_that_keeps_other_images_is_caught(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    folder = tmp_path / "bundle"
    plan = make_bundle_here(folder, RUNTIME, collect=TERMS)
    altered(folder / COLLECT, old, new)
    # Its guard would refuse it: the claim has to be checked without that, too.
    guard = folder / "runner/edgecnn_runner/guard.py"
    altered(
        guard,
        "    allowed = _allowed\n    if allowed is None:",
        "    allowed = _allowed\n    if True:",
    )
    write_manifest(plan, folder)
    checked = check_bundle(folder)
    assert states(checked)["images"] == "broken"
    assert said in evidence(checked, "images")


def test_a_bundle_that_may_not_collect_is_asked_to_in_vain(tmp_path: Path) -> None:
    """Its claims are those of before, and its runner refuses."""
    folder = tmp_path / "bundle"
    make_bundle_here(folder, RUNTIME)
    assert "It keeps no image." in claim_texts()
    assert not list(folder.glob("service/*collect*"))
    assert "collect" not in (folder / "README.md").read_text()
    assert "collect" not in (folder / "manifest.json").read_text().replace("collect.py", "")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("StateDirectory=edgecnn-resnet8 ", "StateDirectory=edgecnn-resnet8 more ", "may write by"),
        ("--at-most 20", "--at-most 21", "it starts ExecStart="),
        ("PrivateNetwork=yes", "PrivateNetwork=no", "PrivateNetwork=yes is missing"),
        ("ProtectHome=yes", "ProtectHome=yes\nReadWritePaths=/srv", "ReadWritePaths=/srv"),
    ],
)
def test_a_unit_that_may_more_is_caught(tmp_path: Path, old: str, new: str, said: str) -> None:
    folder = tmp_path / "bundle"
    make_bundle_here(folder, RUNTIME, collect=TERMS)
    unit = folder / "service/edgecnn-collect@resnet8.service"
    claim = collecting_service(TERMS, "resnet8")
    assert claim.judged(unit).state == "held"
    text = unit.read_text()
    assert old in text.replace("# ", "#")
    unit.write_text(
        "".join(
            line if line.startswith("#") else line.replace(old, new)
            for line in text.splitlines(True)
        )
    )
    outcome = claim.judged(unit)
    assert (outcome.state, said in outcome.evidence) == ("broken", True), outcome
