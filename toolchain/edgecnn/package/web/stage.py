"""Make a web bundle: one proven ONNX file and the app, as a folder and as a single file."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from edgecnn import __version__
from edgecnn.build.workspace import Workspace
from edgecnn.errors import UsageError
from edgecnn.files import file_digest, wrap_os_errors, write_whole
from edgecnn.package.naming import bundle_version, default_variant, named_model
from edgecnn.package.pi.archive import source_date
from edgecnn.package.pi.documents import card_facts, environment
from edgecnn.package.privacy.check import refuse_broken
from edgecnn.package.privacy.note import summary
from edgecnn.package.privacy.web_check import check_web_bundle, claimed
from edgecnn.package.proven import find_proven, refuse_unloadable
from edgecnn.package.sbom import SBOM, Part, own_part, sbom
from edgecnn.package.web.contents import MODEL, WebPlan, contents, sealed
from edgecnn.package.web.placing import place_files, refuse_no_folder, refuse_other_folder
from edgecnn.package.web.single import single_page
from edgecnn.package.web.sources import app_sources
from edgecnn.package.web.vendor import collect_vendor, read_vendor
from edgecnn.progress import NO_PROGRESS, Progress

FORMS: Final = ("both", "folder", "html")
VARIANTS: Final = ("onnx-int8", "onnx-int8-mixed", "onnx-fp32")
"""What the app runs: float32 in and out, as every ONNX file of edgecnn has it."""


@dataclass(frozen=True, kw_only=True)
class WebRequest:
    """What is to be packaged.

    Attributes:
        place: What the command line named, for errors.
        workspace: The build; None for the released model in the folder ``place``.
        variant: One of ``VARIANTS``; None for the int8 file, or the mixed one where a repair put
            it in its place.
        version: The bundle's version; None for the date.
        reject_below: Probability below which the app says "unknown", 0..1.
        vendor: A folder with the runtime's files; None for cache and npm.
        form: One of ``FORMS``.
        out: Folder that it goes to; made if it is not there.
    """

    place: Path
    workspace: Workspace | None
    variant: str | None = None
    version: str | None = None
    reject_below: float = 0.0
    vendor: Path | None = None
    form: str = "both"
    out: Path = Path("dist")


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
    runtime: str
    privacy: dict[str, Any]
    privacy_summary: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)


def run(request: WebRequest, *, progress: Progress = NO_PROGRESS) -> WebResult:
    """Make a web bundle.

    Everything that can be refused is refused before the runtime is fetched or a file is written.

    Args:
        request: What.
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
    version = bundle_version(request.version, date)
    variant = request.variant or default_variant(request.workspace, "onnx-int8")
    if variant not in VARIANTS:
        raise UsageError(
            f"{variant} does not run in a browser",
            observed=f"--variant {variant}",
            expected=", ".join(VARIANTS),
            remedy="leave it out, or name one of these",
        )
    proven = find_proven(request.place, request.workspace, [variant])
    vendor = read_vendor()
    refuse_unloadable(proven, package="onnxruntime", version=vendor.version)
    model = named_model(proven)
    folder = request.out / f"{model}-{version}-web"
    html = request.out / f"{model}-{version}-classifier.html"
    refuse_no_folder(request.out)
    refuse_other_folder(folder)
    progress.message(f"{model}: {proven.files[0].path.name}, proven")
    plan = WebPlan(
        proven=proven,
        version=version,
        date=date,
        reject_below=request.reject_below,
        sources=app_sources(),
        vendor=collect_vendor(request.vendor),
    )
    made = contents(plan) | documents(plan)
    progress.message("checking the privacy claims")
    stamp = f"edgecnn {__version__}, {dt.datetime.fromtimestamp(date, dt.UTC):%Y-%m-%d}"
    checked = check_web_bundle(made)
    refuse_broken(checked, str(request.place))
    made = sealed(made | claimed(plan, checked, made=stamp))
    page = single_page(made)
    with wrap_os_errors(request.out):
        request.out.mkdir(parents=True, exist_ok=True)
    with_folder, with_html = request.form in ("both", "folder"), request.form in ("both", "html")
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
        runtime=f"{vendor.package} {vendor.version}",
        privacy=checked.to_dict(),
        privacy_summary=summary(checked).replace("**", ""),
    )


def documents(plan: WebPlan) -> dict[str, bytes]:
    """Return README, model card and bill of materials by their names."""
    facts = {
        **card_facts(plan.proven, plan.version, place=MODEL),
        "target": "web",
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
