"""Make a web bundle: one proven ONNX file and the app, as a folder and as a single file."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from edgecnn import __version__
from edgecnn.build.workspace import Workspace
from edgecnn.errors import PackageError, UsageError, WorkspaceError, some_of
from edgecnn.files import file_digest, wrap_os_errors, write_whole
from edgecnn.package.naming import bundle_version, default_variant, named_model
from edgecnn.package.pi.debian import source_date
from edgecnn.package.pi.documents import card_facts, environment
from edgecnn.package.privacy.check import refuse_broken
from edgecnn.package.privacy.note import summary
from edgecnn.package.privacy.web import CLAIMS
from edgecnn.package.privacy.web_check import check_web_bundle, claimed, unchecked_web_bundle
from edgecnn.package.proven import Proven, find_proven, refuse_unloadable
from edgecnn.package.request import ANY_BUILD, PACKAGE_SCHEMA, PackageRequest
from edgecnn.package.sbom import SBOM, Part, own_part, sbom
from edgecnn.package.web.contents import MODEL, SUMS, WebPlan, contents, sealed
from edgecnn.package.web.opened import is_web_bundle, named_files
from edgecnn.package.web.single import single_page
from edgecnn.package.web.sources import app_sources
from edgecnn.package.web.vendor import collect_vendor, read_vendor
from edgecnn.progress import NO_PROGRESS, Progress

VARIANTS: Final = ("onnx-int8", "onnx-int8-mixed", "onnx-fp32")
"""What the app runs of edgecnn's own: float32 in and out, as every ONNX file of it has them. Of
another program's, ``onnx-foreign-...`` with the same ends."""


@dataclass(frozen=True, kw_only=True)
class WebResult:
    """What was made.

    Attributes:
        folder: The installable app; None if it was not asked for.
        folder_bytes: Size of its files together.
        html: The single file; None likewise.
        html_bytes: Its size.
        html_sha256: Its digest.
        model: The model's name.
        version: The bundle's version.
        variant: The variant in it.
        not_proven: The model file, to what is not proven of it; empty where it has a PASS.
        runtime: Name and version of the runtime in it.
        privacy: The privacy claims, as ``Checked.to_dict`` gives them.
        privacy_summary: The same in a sentence.
    """

    folder: str | None
    folder_bytes: int | None
    html: str | None
    html_bytes: int | None
    html_sha256: str | None
    model: str
    version: str
    variant: str
    not_proven: dict[str, Any]
    runtime: str
    privacy: dict[str, Any]
    privacy_summary: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {"schema": PACKAGE_SCHEMA, **asdict(self)}


def run(
    request: PackageRequest,
    place: Path,
    workspace: Workspace | None,
    *,
    progress: Progress = NO_PROGRESS,
) -> WebResult:
    """Make a web bundle.

    Everything that can be refused is refused before the runtime is fetched or a file is written.

    Args:
        request: What.
        place: What to name in errors; of a released model its folder.
        workspace: The build; None for a released model.
        progress: Shows the steps.

    Returns:
        What was made.

    Raises:
        PackageError: If the file has no PASS, the runtime cannot load it, or cannot be had.
        PrivacyClaimError: If a privacy claim does not hold; nothing is written then.
        UsageError: If the variant is none for a browser, or a name cannot be used.
        WorkspaceError: If the bundle cannot be written.
    """
    date = source_date()
    version = bundle_version(request, date)
    variant = next(iter(request.variants), None) or default_variant(workspace, "onnx-int8")
    if variant not in VARIANTS and not variant.startswith("onnx-foreign-"):
        raise UsageError(
            f"{variant} does not run in a browser",
            observed=f"--variant {variant}",
            expected=", ".join(VARIANTS),
            remedy=f"leave it out: {replace(request, variants=()).command()}",
        )
    proven = find_proven(place, workspace, [variant], replace(request, variants=(variant,)))
    _refuse_other_ends(proven, request)
    vendor = read_vendor()
    refuse_unloadable(proven, package="onnxruntime", version=vendor.version, request=request)
    model = named_model(proven)
    folder = request.out / f"{model}-{version}-web"
    html = request.out / f"{model}-{version}-classifier.html"
    refuse_no_folder(request)
    refuse_other_folder(folder, request)
    progress.message(f"{model}: {proven.files[0].path.name}, {proven.state}")
    plan = WebPlan(
        proven=proven,
        version=version,
        date=date,
        reject_below=request.reject_below or 0.0,
        sources=app_sources(),
        vendor=collect_vendor(request.vendor, request),
    )
    unchecked = CLAIMS if request.skip_privacy_checks else ()
    made = contents(plan, request) | documents(plan, unchecked=unchecked)
    stamp = f"edgecnn {__version__}, {dt.datetime.fromtimestamp(date, dt.UTC):%Y-%m-%d}"
    if request.skip_privacy_checks:
        progress.message("the privacy checks are left out")
        checked = unchecked_web_bundle(made)
    else:
        progress.message("checking the privacy claims")
        checked = check_web_bundle(made, progress=progress)
    refuse_broken(checked, str(place))
    made = sealed(made | claimed(plan, checked, made=stamp))
    page = single_page(made)
    with wrap_os_errors(request.out):
        request.out.mkdir(parents=True, exist_ok=True)
    with_folder, with_html = request.form != "html", request.form != "folder"
    if with_folder:
        place_files(made, folder)
    if with_html:
        write_whole(html, page)
    return WebResult(
        folder=str(folder) if with_folder else None,
        folder_bytes=sum(map(len, made.values())) if with_folder else None,
        html=str(html) if with_html else None,
        html_bytes=len(page) if with_html else None,
        html_sha256=file_digest(html) if with_html else None,
        model=model,
        version=version,
        variant=variant,
        not_proven={name: one.to_dict() for name, one in proven.unproven.items()},
        runtime=f"{vendor.package} {vendor.version}",
        privacy=checked.to_dict(),
        privacy_summary=summary(checked).replace("**", ""),
    )


def _refuse_other_ends(proven: Proven, request: PackageRequest) -> None:
    """Refuse a file that another program made with ends that the web app does not feed or read.

    Raises:
        PackageError: If its input or output is not float32.
    """
    (file,) = proven.files
    ends = {"input": file.contract.input.dtype, "output": file.contract.output.dtype}
    others = [f"{side} {dtype}" for side, dtype in ends.items() if dtype != "float32"]
    if others:
        raise PackageError(
            f"the web app feeds and reads float32, and {file.path.name} has another type at an end",
            observed=", ".join(others),
            expected="float32 at both ends; inside it may be of any precision",
            remedy="take a file with float32 ends; or package it for a Raspberry Pi: "
            f"{replace(request, target='pi', runtime='onnxruntime').command()}",
        )


def documents(plan: WebPlan, *, unchecked: Sequence[str] = ()) -> dict[str, bytes]:
    """Return README, model card and bill of materials by their names.

    Args:
        plan: What the bundle holds.
        unchecked: The privacy claims, where their checks are left out.
    """
    facts = {
        **card_facts(plan.proven, plan.version, place=MODEL),
        "target": "web",
        "unchecked": unchecked,
        "variant": plan.proven.files[0].contract.variant,
    }
    pages = environment()
    vendor = read_vendor()
    runtime = Part(
        name=vendor.package,
        version=vendor.version,
        licence=vendor.licence,
        source="npm",
        files={f"vendor/{one.name}": one.sha256 for one in vendor.files},
    )
    materials = sbom(
        name=plan.proven.model,
        version=plan.version,
        models={MODEL: plan.proven.files[0]},
        parts=[own_part("edgecnn-web-app", __version__), runtime],
        date=plan.date,
    )
    return {
        "README.md": pages.get_template("web/README.md.j2").render(facts).encode(),
        "MODEL_CARD.md": pages.get_template("MODEL_CARD.md.j2").render(facts).encode(),
        SBOM: materials.encode(),
    }


_PREFIX: Final = ".edgecnn-web-"
_OLD_S: Final = 3600


def refuse_no_folder(request: PackageRequest) -> None:
    """Refuse to write into what is no folder.

    Args:
        request: Says where a bundle is to lie; it need not exist.

    Raises:
        WorkspaceError: If it, or a folder above it, is something else.
    """
    out = request.out
    there = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not there.is_dir():
        raise WorkspaceError(
            f"{out} is no folder, so nothing can be written into it",
            observed=f"{there} is a file",
            expected="a folder, or nothing yet",
            remedy=f"move it away, or write elsewhere: {elsewhere(request)}",
        )


def elsewhere(request: PackageRequest) -> str:
    """Return the command line with a folder for the bundle that is not there yet."""
    taken = next(
        place for place in (request.out, *request.out.absolute().parents) if place.exists()
    )
    base = request.out if taken.is_dir() else taken
    number = 2
    while (other := base.with_name(f"{base.name or 'dist'}-{number}")).exists():
        number += 1
    return replace(request, out=other).command()


def refuse_other_folder(folder: Path, request: PackageRequest = ANY_BUILD) -> None:
    """Refuse to replace what is no web bundle, or one to which somebody added files.

    Args:
        folder: Where one is to be.
        request: What was asked for, which remedies give again.

    Raises:
        WorkspaceError: If something else is there, or among a bundle's files.
    """
    if not folder.exists():
        return
    if is_web_bundle(folder):
        _refuse_added(folder, request)
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    raise WorkspaceError(
        f"{folder} is there already, and is no web bundle",
        observed="a folder with other files" if folder.is_dir() else "a file",
        expected="nothing there, or an earlier bundle, which is replaced",
        remedy=f"move it away, or write elsewhere: {elsewhere(request)}",
    )


def _refuse_added(folder: Path, request: PackageRequest) -> None:
    with wrap_os_errors(folder):
        named = named_files(folder)
        added: list[str] = []
        for place, folders, files in os.walk(folder):
            links = [one for one in folders if Path(place, one).is_symlink()]
            found = {Path(place, one).relative_to(folder).as_posix() for one in (*files, *links)}
            added += found - named
    if not added:
        return
    raise WorkspaceError(
        f"{folder} holds files that are not of the bundle, and would be lost",
        observed=some_of(sorted(added)),
        expected=f"the files that its {SUMS} names, and no others",
        remedy=f"move them away, or write elsewhere: {elsewhere(request)}",
    )


def place_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write a bundle's folder; it appears whole, in place of an earlier one.

    Args:
        files: Name to bytes.
        folder: Where to; nothing, an empty folder or an earlier bundle. Its parent must exist.

    Raises:
        WorkspaceError: If it cannot be written; what was there before is there again.
    """
    with wrap_os_errors(folder):
        for left in folder.parent.glob(f"{_PREFIX}*"):
            # A younger one may be another process's, still at work on it.
            if time.time() - left.stat().st_mtime > _OLD_S:
                shutil.rmtree(left, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder.parent))
        try:
            new, old = work / "new", work / "old"
            for name, data in files.items():
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                write_whole(new / name, data)
            if folder.exists():
                folder.rename(old)
            try:
                new.rename(folder)
            except BaseException:
                if old.exists():
                    old.rename(folder)
                raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
