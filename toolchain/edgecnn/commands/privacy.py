"""``edgecnn privacy`` as a function: a bundle's claims, checked again as its kind asks for."""

from __future__ import annotations

from edgecnn.errors import EdgeError, UsageError
from edgecnn.package.privacy.again import check_again, check_web_again, exit_error, web_exit_error
from edgecnn.package.privacy.claims import Checked
from edgecnn.package.privacy.web_file import check_file, file_exit_error, is_page
from edgecnn.package.request import PrivacyRequest
from edgecnn.package.web.opened import is_web_bundle
from edgecnn.progress import NO_PROGRESS, Progress


def privacy(request: PrivacyRequest, *, progress: Progress = NO_PROGRESS) -> Checked:
    """Check a bundle's privacy claims again: run it, watch what it does, and compare.

    Args:
        request: Which bundle, and where to run it.
        progress: Says what is done.

    Returns:
        The claims; one that could not be checked is among them, with the reason.

    Raises:
        BundleError: If it is not what was packaged.
        PackageError: If a web bundle's app does not work in this machine's browser.
        PrivacyClaimError: If its claims are about other files.
        UsageError: If an option is for another kind of bundle, or ``root`` is no system's folder.
    """
    page = is_page(request.bundle)
    if not page and not is_web_bundle(request.bundle):
        return check_again(request, progress=progress)
    if request.root is not None or request.wheels is not None:
        raise UsageError(
            "a web bundle is checked in a browser",
            observed="--root or --wheels",
            expected="neither: they are for bundles for a Raspberry Pi",
            remedy="leave them out",
        )
    return (check_file if page else check_web_again)(request.bundle, progress=progress)


def privacy_error(request: PrivacyRequest, checked: Checked) -> EdgeError | None:
    """Return the error that a check amounts to; None if every claim was checked and held.

    Args:
        request: What was asked.
        checked: What came of it. Of a web bundle's single file, only its own claims count.
    """
    bundle = request.bundle
    if is_page(bundle):
        return file_exit_error(checked, str(bundle))
    return (web_exit_error if is_web_bundle(bundle) else exit_error)(checked, str(bundle))
