"""``edgecnn package`` as a function: options are checked, the build is found, a bundle is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgecnn.build.workspace import Workspace
from edgecnn.commands.paths import MODEL_SUFFIXES, RELEASED_RESULTS, proven_place
from edgecnn.errors import UsageError, WorkspaceError
from edgecnn.package.request import OPTIONS, PackageRequest
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn_runner.formats.container import read_container

if TYPE_CHECKING:
    from edgecnn.package.pi.stage import PackageResult
    from edgecnn.package.web.stage import WebResult

_FORMATS: Final = {"pi": ("tar", "deb"), "web": ("both", "folder", "html")}
"""Target to its formats, the default first."""

_ONLY: Final = {
    "pi": (
        *("system", "runtime", "wheels", "key", "root"),
        *("collect", "collect_every", "collect_at_most"),
    ),
    "web": ("reject_below", "vendor"),
}
"""Target to the fields of a request that it alone has."""


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
        ArtifactError: If a model file is named in place of a build, and is damaged.
        PackageError: If a file has no PASS, the runtime cannot load it, or a library is missing.
        PrivacyClaimError: If a privacy claim does not hold; nothing is written then.
    """
    _check(request)
    _refuse_file(request)
    place, workspace = proven_place(request.source)
    if request.target == "web":
        from edgecnn.package.web import stage as web

        return web.run(request, place, workspace, progress=progress)
    from edgecnn.package.pi import stage as pi

    return pi.run(request, place, workspace, progress=progress)


def _refuse_file(request: PackageRequest) -> None:
    """Refuse a model file in place of the build, or the released model, that it lies in.

    Raises:
        WorkspaceError: If that is what is named.
    """
    file = request.source
    if file.suffix not in MODEL_SUFFIXES or not file.is_file():
        return
    folder = file.parent
    known = Workspace(folder).is_build() or (folder / RELEASED_RESULTS).is_file()
    contract = read_container(file).contract
    if known and contract is not None:
        named = replace(request, source=folder, variants=(contract.variant,))
        remedy = f"name its build, and the variant: {named.command()}"
    else:
        remedy = (
            "convert the float model that it was made of, and package that build: edgecnn convert "
            f"MODEL --data PATH --labels FILE --out build && edgecnn verify build && "
            f"{replace(request, source=Path('build')).command()}"
        )
    raise WorkspaceError(
        f"{file} is one file, and a build is wanted",
        observed=f"a model file {'of a build' if known else 'in no build'}",
        expected="a build, a recipe that was built, or a released model's folder",
        remedy=remedy,
    )


def _check(request: PackageRequest) -> None:
    if request.target not in _FORMATS:
        raise UsageError(
            f"bundles for {request.target} cannot be made",
            observed=f"--target {request.target}",
            expected="pi or web",
            remedy=f"for a Raspberry Pi: {replace(request, target='pi').command()}; "
            f"for phones and browsers: {replace(request, target='web').command()}",
        )
    for target, only in _ONLY.items():
        fields = [field for field in only if getattr(request, field) is not None]
        if target != request.target and fields:
            given = [OPTIONS[field] for field in fields]
            raise UsageError(
                f"{given[0]} is an option for --target {target} alone",
                observed=f"--target {request.target} with {', '.join(given)}",
                expected=f"--target {target}, or none of {', '.join(OPTIONS[f] for f in only)}",
                remedy=f"leave out {', '.join(given)}: {request.command(leave_out=fields)}",
            )
    formats = _FORMATS[request.target]
    if request.form is not None and request.form not in formats:
        raise UsageError(
            f"there is no format {request.form} for {request.target}",
            observed=f"--format {request.form}",
            expected=" or ".join(formats),
            remedy=f"leave it out: {replace(request, form=None).command()}",
        )
    if request.target == "web" and len(request.variants) > 1:
        raise UsageError(
            "a web bundle holds one model file",
            observed=" ".join(f"--variant {name}" for name in request.variants),
            expected="one --variant",
            remedy=f"make a bundle of each: {' && '.join(_one_each(request))}",
        )


def _one_each(request: PackageRequest) -> Iterator[str]:
    """Yield a command line for each variant, with a folder of its own for the bundle."""
    for variant in request.variants:
        yield replace(request, variants=(variant,), out=request.out / variant).command()
