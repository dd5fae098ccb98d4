"""``edgecnn package`` as a function: options are checked, the build is found, a bundle is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edgecnn.commands.paths import proven_place
from edgecnn.errors import UsageError
from edgecnn.package.request import PackageRequest
from edgecnn.progress import NO_PROGRESS, Progress

if TYPE_CHECKING:
    from edgecnn.package.pi.stage import PackageResult
    from edgecnn.package.web.stage import WebResult

_FORMATS: Final = {"pi": ("tar", "deb"), "web": ("both", "folder", "html")}
"""Target to its formats, the default first."""

# Option to its field, for those that one target alone has.
_ONLY: Final = {
    "pi": {
        "--os": "system", "--runtime": "runtime", "--wheels": "wheels", "--sign": "key",
        "--root": "root",
    },
    "web": {"--reject-below": "reject_below", "--vendor-dir": "vendor"},
}  # fmt: skip


def package(
    request: PackageRequest, *, progress: Progress = NO_PROGRESS
) -> PackageResult | WebResult:
    """Make a bundle of proven model files.

    Args:
        request: What, and for what.
        progress: Shows the steps.

    Returns:
        What was made: a ``WebResult`` for the target ``web``, else a ``PackageResult``.

    Raises:
        UsageError: If the options do not go together.
        WorkspaceError: If there is no build, or the bundle cannot be written.
        PackageError: If a file has no PASS, the runtime cannot load it, or a library is missing.
        PrivacyClaimError: If a privacy claim does not hold; nothing is written then.
    """
    _check(request)
    place, workspace = proven_place(request.source)
    if request.target == "web":
        from edgecnn.package.web import stage as web

        return web.run(request, place, workspace, progress=progress)
    from edgecnn.package.pi import stage as pi

    return pi.run(request, place, workspace, progress=progress)


def _check(request: PackageRequest) -> None:
    if request.target not in _FORMATS:
        raise UsageError(
            f"bundles for {request.target} cannot be made",
            observed=f"--target {request.target}",
            expected="pi or web",
            remedy="for a Raspberry Pi: --target pi; for phones and browsers: --target web",
        )
    for target, only in _ONLY.items():
        given = [name for name, field in only.items() if getattr(request, field) is not None]
        if target != request.target and given:
            raise UsageError(
                f"{given[0]} is an option for --target {target} alone",
                observed=f"--target {request.target} with {', '.join(given)}",
                expected=f"--target {target}, or none of {', '.join(only)}",
                remedy=f"leave out {', '.join(given)}",
            )
    formats = _FORMATS[request.target]
    if request.form is not None and request.form not in formats:
        raise UsageError(
            f"there is no format {request.form} for {request.target}",
            observed=f"--format {request.form}",
            expected=" or ".join(formats),
            remedy="leave it out, or name one of these",
        )
    if request.target == "web" and len(request.variants) > 1:
        raise UsageError(
            "a web bundle holds one model file",
            observed=" ".join(f"--variant {name}" for name in request.variants),
            expected="one --variant",
            remedy="make a bundle of each, with another --out",
        )
