"""Claims bind to contents, and a file system is compared whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgecnn.errors import PrivacyClaimError
from edgecnn.package.privacy.again import exit_error
from edgecnn.package.privacy.check import refuse_broken
from edgecnn.package.privacy.claims import Checked, Outcome, State, read_record, subject_digest
from edgecnn.package.privacy.note import summary
from edgecnn.package.privacy.pi import SERVICE, unchecked
from edgecnn.package.privacy.pi_runs import differences, take_snapshot

FILES = {name: {"sha256": name} for name in ("PRIVACY.md", "privacy.json", "lib/a", "install.sh")}
UNIT = Path(__file__).parents[3] / (
    "deploy/raspberry_pi/edgecnn_installer/templates/edgecnn.service"
)


def checked(*states: State, architecture: str | None = "x86_64") -> Checked:
    outcomes = tuple(
        Outcome(id=f"c{number}", claim=f"Claim {number}.", check="", state=state, evidence="seen")
        for number, state in enumerate(states)
    )
    return Checked(
        subject="0", architecture=architecture, bundle_architecture="aarch64", setting="its twin",
        outcomes=outcomes,
    )  # fmt: skip


def test_the_digest_is_of_everything_but_note_and_record() -> None:
    manifest = {"model": "m", "files": FILES}
    digest = subject_digest(manifest)
    for name in FILES:
        other = {**FILES, name: {"sha256": "other"}}
        same = subject_digest({**manifest, "files": other}) == digest
        assert same is (name in ("PRIVACY.md", "privacy.json")), name
    assert subject_digest({**manifest, "model": "n"}) != digest
    assert subject_digest({**manifest, "files": {**FILES, "lib/b": {}}}) != digest


def test_the_record_reads_back(tmp_path: Path) -> None:
    one = checked("held", "not checked")
    one.write(tmp_path)
    assert read_record(tmp_path) == one
    (tmp_path / "privacy.json").write_text('{"schema": 2}')
    with pytest.raises(ValueError, match="another schema"):
        read_record(tmp_path)


def test_a_broken_claim_is_refused_and_one_not_checked_is_no_proof() -> None:
    refuse_broken(checked("held", "not checked"), "x")
    with pytest.raises(PrivacyClaimError, match="1 of 2 privacy claims of x do not hold"):
        refuse_broken(checked("held", "broken"), "x")
    assert exit_error(checked("held", "held"), "x") is None
    error = exit_error(checked("held", "not checked"), "x")
    assert error is not None
    assert "1 of 2 privacy claims of x cannot be checked here" in str(error)
    broken = exit_error(checked("broken", "not checked"), "x")
    assert broken is not None
    assert "do not hold" in str(broken)


def test_the_note_says_what_was_not_checked_on_the_device() -> None:
    text = summary(checked("held"))
    assert text.startswith("Of 1 claims: 1 held. Run was its twin. **Not checked on arm64**")
    assert "Not checked on" not in summary(checked("held", architecture="aarch64"))
    nothing = Checked(
        subject="0", architecture=None, bundle_architecture="aarch64", setting="nothing was run",
        outcomes=tuple(unchecked("strace is not installed")),
    )  # fmt: skip
    assert summary(nothing) == "Of 6 claims: 6 not checked; nothing was run."


def test_a_snapshot_sees_what_came_went_and_changed(tmp_path: Path) -> None:
    for name in ("same", "gone", "longer", "touched", "mode"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("same")
    before = take_snapshot(tmp_path)
    assert differences(before, take_snapshot(tmp_path)) == []
    (tmp_path / "gone").unlink()
    (tmp_path / "longer").write_text("longer than before")
    os.utime(tmp_path / "touched", ns=(0, 0))
    (tmp_path / "mode").chmod(0o600)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("gone")
    changed = ["folder", "gone", "link", "longer", "mode", "touched"]
    assert differences(before, take_snapshot(tmp_path)) == [str(tmp_path / n) for n in changed]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("PrivateNetwork=yes", "PrivateNetwork=no", "PrivateNetwork=yes is missing"),
        ("IPAddressDeny=any", "", "IPAddressDeny=any is missing"),
        ("DeviceAllow=char-media rw", "DeviceAllow=block-sd rw", "DeviceAllow=block-sd rw"),
        ("UMask=0077", "UMask=0077\nReadWritePaths=/home", "ReadWritePaths=/home"),
    ],
)
def test_a_service_that_is_not_shut_in_is_seen(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = UNIT.read_text().replace("@MODEL@", "m").replace("@PREFIX@", "/opt/edgecnn")
    unit = tmp_path / "edgecnn-m.service"
    unit.write_text(text)
    assert SERVICE.judged(unit).state == "held"
    assert old in text
    unit.write_text(text.replace(old, new))
    outcome = SERVICE.judged(unit)
    assert outcome.state == "broken"
    assert said in outcome.evidence
