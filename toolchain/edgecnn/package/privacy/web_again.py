"""Check the claims of a web bundle that was made, and that they are about that bundle."""

from __future__ import annotations

import json
from pathlib import Path

from edgecnn.errors import EdgeError, PrivacyClaimError
from edgecnn.package.privacy.again import exit_error
from edgecnn.package.privacy.claims import NOTE, RECORD, Checked
from edgecnn.package.privacy.web_check import check_web_bundle
from edgecnn.package.web.contents import subject_of
from edgecnn.package.web.opened import read_web_bundle
from edgecnn.progress import NO_PROGRESS, Progress


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
    return check_web_bundle(files)


def web_exit_error(checked: Checked, named: str) -> EdgeError | None:
    """Return the error that a check amounts to; None if every claim was checked and held."""
    return exit_error(
        checked,
        named,
        expected="Chromium, and Playwright's package for Python",
        remedy="sudo apt install chromium, and pip install playwright",
    )
