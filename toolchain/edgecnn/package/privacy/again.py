"""Check the claims of a bundle that was made, and that they are about that bundle."""

from __future__ import annotations

import json
from pathlib import Path

from edgecnn.build.bundle import opened_bundle
from edgecnn.errors import EdgeError, PrivacyClaimError, UsageError, some_of
from edgecnn.package.privacy.check import check_bundle, refuse_broken
from edgecnn.package.privacy.claims import NOTE, RECORD, Checked, read_record, subject_digest
from edgecnn.package.privacy.web import OWN_FILES
from edgecnn.package.privacy.web_check import check_web_bundle
from edgecnn.package.request import PrivacyRequest
from edgecnn.package.web.contents import subject_of
from edgecnn.package.web.opened import read_web_bundle
from edgecnn.progress import NO_PROGRESS, Progress


def check_again(request: PrivacyRequest, *, progress: Progress = NO_PROGRESS) -> Checked:
    """Check every claim of a bundle for a Raspberry Pi again.

    Args:
        request: Which bundle, and where to run it.
        progress: Says what is done.

    Raises:
        BundleError: If it is not what was packaged.
        PrivacyClaimError: If its claims are about other files.
        UsageError: If ``root`` is no system's folder.
    """
    bundle, root = request.bundle, request.root
    if root is not None and not (root / "usr/bin").is_dir():
        raise UsageError(
            f"--root {root} is no system's folder",
            observed=f"no {root / 'usr/bin'}",
            expected="a folder that debootstrap made, or a device's mounted disk",
            remedy="name one, or leave --root out",
        )
    with opened_bundle(bundle) as (folder, manifest):
        subject = subject_digest(json.loads(manifest.data))
        try:
            claimed = read_record(folder).subject
            noted = subject in (folder / NOTE).read_text(encoding="utf-8")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _no_claims(bundle, f"{type(error).__name__}: {error}") from error
        if claimed != subject or not noted:
            raise PrivacyClaimError(
                f"the privacy claims in {bundle} are about other files than it holds",
                observed=f"claims about {claimed}",
                expected=subject,
                remedy="make it anew, so that its claims are checked: edgecnn package BUILD",
            )
        progress.message(f"{bundle}: {len(manifest.files):,} files as packaged; running it")
        return check_bundle(
            folder,
            root=None if root is None else root.resolve(),
            wheels=request.wheels,
            fetch=request.wheels is None,
            progress=progress,
        )


def _no_claims(bundle: Path, observed: str) -> PrivacyClaimError:
    return PrivacyClaimError(
        f"{bundle} makes no privacy claims that could be checked",
        observed=observed,
        expected=f"{NOTE} and its record, as edgecnn package writes them",
        remedy="make it anew: edgecnn package BUILD",
    )


def check_web_again(folder: Path, *, progress: Progress = NO_PROGRESS) -> Checked:
    """Check every claim of a web bundle again, and of the single file that it makes.

    Args:
        folder: The bundle.
        progress: Says what is done.

    Raises:
        BundleError: If it is not what was packaged.
        PackageError: If the app does not work in this machine's browser.
        PrivacyClaimError: If its claims are about other files.
    """
    files = read_web_bundle(folder)
    subject = subject_of(files)
    try:
        claimed = str(json.loads(files[RECORD])["subject"])
        noted = subject in files[NOTE].decode()
    except (ValueError, KeyError, TypeError) as error:
        claimed, noted = f"{type(error).__name__}: {error}", False
    if claimed != subject or not noted:
        raise PrivacyClaimError(
            f"the privacy claims in {folder} are about other files than it holds",
            observed=f"claims about {claimed}",
            expected=subject,
            remedy="make it anew, so that its claims are checked: edgecnn package BUILD --target "
            "web",
        )
    progress.message(f"{folder}: {len(files)} files as packaged; opening it in a browser")
    return check_web_bundle(files, progress=progress)


def exit_error(
    checked: Checked,
    named: str,
    *,
    expected: str = "Linux with strace and unshare, and the bundle's Python",
    remedy: str = "install what is missing, or check it in a system for its processor: "
    "--root FOLDER",
) -> EdgeError | None:
    """Return the error that a check amounts to; None if every claim was checked and held.

    Args:
        checked: What came of it.
        named: The bundle.
        expected: What it takes to check all claims.
        remedy: How to come by it.
    """
    try:
        refuse_broken(checked, named)
    except PrivacyClaimError as error:
        return error
    missing = checked.of("not checked")
    if not missing:
        return None
    return PrivacyClaimError(
        f"{len(missing)} of {len(checked.outcomes)} privacy claims of {named} cannot be checked "
        "here",
        observed=some_of(dict.fromkeys(one.evidence for one in missing), joint="; "),
        expected=expected,
        remedy=remedy,
    )


def web_exit_error(checked: Checked, named: str) -> EdgeError | None:
    """Return the error that a check amounts to; None if every claim was checked and held."""
    missing = {outcome.id for outcome in checked.of("not checked")}
    if missing == {OWN_FILES}:
        # All else held: what is missing is another edgecnn, not a browser.
        return exit_error(
            checked,
            named,
            expected="the edgecnn that made the bundle, whose files its are compared with",
            remedy="package it anew with this one: edgecnn package BUILD --target web; or install "
            "the one that made it, and check the bundle with that",
        )
    return exit_error(
        checked,
        named,
        expected="Chromium, and Playwright's package for Python",
        remedy="sudo apt install chromium, and pip install playwright",
    )
