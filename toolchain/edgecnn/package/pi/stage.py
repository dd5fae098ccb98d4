"""Make a bundle: what is proven, its runner, its libraries, its documents; one file."""

from __future__ import annotations

import re
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from edgecnn.build.workspace import Workspace
from edgecnn.errors import UsageError, some_of
from edgecnn.files import file_digest, wrap_os_errors, write_whole
from edgecnn.package.naming import bundle_version, default_variant, named_model
from edgecnn.package.pi.debian import (
    check_debian,
    debian_name,
    source_date,
    write_archive,
    write_debian,
)
from edgecnn.package.pi.documents import write_documents
from edgecnn.package.pi.platforms import ARCHITECTURES, Platform, choose_platform
from edgecnn.package.pi.tree import BundlePlan, lay_out, state_directory, write_manifest
from edgecnn.package.pi.wheels import collect_wheels, read_lock
from edgecnn.package.privacy.check import check_bundle, refuse_broken, unchecked_bundle
from edgecnn.package.privacy.claims import Checked
from edgecnn.package.privacy.note import summary, write_note
from edgecnn.package.privacy.pi import claim_texts
from edgecnn.package.proven import Proven, find_proven, refuse_unloadable
from edgecnn.package.request import PACKAGE_SCHEMA, PackageRequest
from edgecnn.package.signing import read_signer
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn_installer.bundle import SIGNATURE
from edgecnn_runner.collect import MOST, Terms
from edgecnn_runner.runtimes.choice import RUNTIMES

_FOLDER: Final = re.compile(r"(/[A-Za-z0-9][A-Za-z0-9._-]*){2,}")
"""A folder that a unit's file, a shell and a page can name without quotes."""

_DEFAULT_VARIANT: Final = {
    "litert": "tflite-int8", "tflite-runtime": "tflite-int8", "onnxruntime": "onnx-int8",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PackageResult:
    """A bundle that was made.

    Attributes:
        bundle: The file.
        bytes: Its size.
        sha256: Its digest.
        model: The model's name.
        version: The bundle's version.
        system: The release of the device's system.
        python: Its Python's version.
        runtime: Name and version of the runtime in it.
        files: Names of the model files in it.
        collect: What it may collect, as ``Terms.to_dict`` gives it; None for a bundle that keeps no
            image.
        not_proven: Each of them without a PASS, to what is not proven of it; empty where all have
            one.
        public_key: The public key's file, where it was signed.
        privacy: The privacy claims, as ``Checked.to_dict`` gives them.
        privacy_summary: The same in a sentence.
    """

    bundle: str
    bytes: int
    sha256: str
    model: str
    version: str
    system: str
    python: str
    runtime: str
    files: list[str]
    collect: dict[str, Any] | None
    not_proven: dict[str, Any]
    public_key: str | None
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
) -> PackageResult:
    """Make a bundle for a Raspberry Pi.

    Everything that can be refused is refused before a library is fetched or a file is written.

    Args:
        request: What, and for what.
        place: What to name in errors; of a released model its folder.
        workspace: The build; None for a released model.
        progress: Shows the steps.

    Returns:
        What was made.

    Raises:
        PackageError: If a file has no PASS, the runtime cannot load it, or a library is missing.
        PrivacyClaimError: If a privacy claim does not hold; nothing is written then.
        UsageError: If the combination does not exist, or a name or key cannot be used.
        WorkspaceError: If the bundle cannot be written.
    """
    platform = choose_platform(request.system or "bookworm", request.runtime, request)
    form = request.form or "tar"
    terms = collecting_terms(request)
    date = source_date()
    version = bundle_version(request, date)
    signer = None if request.key is None else read_signer(request.key, request)
    variants = request.variants or [default_variant(workspace, _DEFAULT_VARIANT[platform.runtime])]
    proven = find_proven(place, workspace, variants, request)
    runtime_version = _refuse(proven, platform, request)
    model = named_model(proven)
    if terms is not None and state_directory(terms) == f"edgecnn-{model}":
        raise _bad_folder(request, "the folder of the service's results", model=model)
    if form == "deb":
        check_debian(model, version, request)
    name = f"{model}-{version}-pi-{ARCHITECTURES[platform.architecture]}"
    name += f"-{platform.python_tag}"
    names = some_of(one.path.name for one in proven.files)
    progress.message(f"{proven.model}: {names}, {proven.state}")
    wheels = collect_wheels(platform, folder=request.wheels, request=request)
    plan = BundlePlan(
        proven=proven, platform=platform, version=version, wheels=wheels, collect=terms
    )
    debian = f"{debian_name(model)}_{version}_{ARCHITECTURES[platform.architecture]}"
    file_name = f"{name}.tar.gz" if form == "tar" else f"{debian}.deb"
    bundle = request.out / file_name
    with wrap_os_errors(request.out):
        request.out.mkdir(parents=True, exist_ok=True)
    public_key = None
    with tempfile.TemporaryDirectory(prefix="edgecnn-package-") as temporary:
        folder = Path(temporary) / name
        with wrap_os_errors(folder):
            folder.mkdir()
            lay_out(plan, folder)
            unchecked = claim_texts(terms) if request.skip_privacy_checks else ()
            write_documents(plan, folder, date=date, unchecked=unchecked)
            write_manifest(plan, folder)
            checked = _checked(request, folder, progress)
            refuse_broken(checked, str(place))
            write_note(plan, folder, checked)
            manifest = write_manifest(plan, folder)
            if signer is not None:
                (folder / SIGNATURE).write_bytes(signer.sign(manifest))
        if form == "deb":
            work = Path(temporary) / "debian"
            work.mkdir()
            write_debian(plan, folder, bundle, work=work, date=date)
        else:
            write_archive(folder, bundle, name=name, date=date)
    if signer is not None:
        public_key = request.out / f"{name}.pub.pem"
        write_whole(public_key, signer.public_pem())
    return PackageResult(
        bundle=str(bundle),
        bytes=bundle.stat().st_size,
        sha256=file_digest(bundle),
        model=proven.model,
        version=version,
        system=platform.system.name,
        python=platform.system.python,
        runtime=f"{platform.runtime} {runtime_version}",
        files=[one.path.name for one in proven.files],
        collect=None if terms is None else terms.to_dict(),
        not_proven={name: one.to_dict() for name, one in proven.unproven.items()},
        public_key=None if public_key is None else str(public_key),
        privacy=checked.to_dict(),
        privacy_summary=summary(checked).replace("**", ""),
    )


def collecting_terms(request: PackageRequest) -> Terms | None:
    """Return what a bundle shall be able to collect; None for one that keeps no image.

    Args:
        request: What was asked.

    Raises:
        UsageError: If one of the three options is missing, or a value cannot be meant.
    """
    every, at_most = request.collect_every, request.collect_at_most
    given = (request.collect, every, at_most)
    if given == (None, None, None):
        return None
    if request.collect is None or every is None or at_most is None:
        whole = replace(
            request,
            collect=request.collect or "/var/lib/edgecnn-collected",
            collect_every=every or 30,
            collect_at_most=at_most or 500,
        )
        raise UsageError(
            "collecting takes a folder on the device, which frames, and a largest number",
            observed=f"{sum(one is not None for one in given)} of the three",
            expected="--collect DIR, --collect-every N and --collect-at-most M",
            remedy=f"name all of them: {whole.command()}",
        )
    if not _FOLDER.fullmatch(request.collect):
        raise _bad_folder(request, "no plain absolute path of two parts or more")
    try:
        return Terms(folder=request.collect, every=every, at_most=at_most)
    except ValueError as error:
        raise UsageError(
            "so many pictures are not collected",
            observed=f"{error}",
            expected=f"every 1 or more, at most 1 to {MOST:,}",
            remedy="ask for fewer: "
            + replace(request, collect_every=max(1, every), collect_at_most=500).command(),
        ) from error


def _bad_folder(request: PackageRequest, observed: str, *, model: str = "NAME") -> UsageError:
    better = replace(request, collect=f"/var/lib/edgecnn-{model}-collected")
    return UsageError(
        f"pictures cannot be collected in {request.collect!a}",
        observed=observed,
        expected="a folder of its own, best directly in /var/lib, where a service may write; "
        "letters, digits, dots, hyphens and underscores",
        remedy=f"name another one: {better.command()}",
    )


def _checked(request: PackageRequest, folder: Path, progress: Progress) -> Checked:
    if request.skip_privacy_checks:
        progress.message("the privacy checks are left out")
        return unchecked_bundle(folder)
    progress.message("checking the privacy claims")
    return check_bundle(
        folder,
        root=None if request.root is None else request.root.resolve(),
        wheels=request.wheels,
        fetch=request.wheels is None,
        progress=progress,
    )


def _refuse(proven: Proven, platform: Platform, request: PackageRequest) -> str:
    """Refuse what the runtime cannot load; return the runtime's version."""
    found = {
        runtime: (RUNTIMES[runtime].package, _version(replace(platform, runtime=runtime)))
        for runtime in platform.system.runtimes
    }
    package, version = found.pop(platform.runtime)
    refuse_unloadable(proven, package=package, version=version, request=request, others=found)
    return version


def _version(platform: Platform) -> str:
    """Return the version of a platform's runtime that its lock pins."""
    package = RUNTIMES[platform.runtime].package
    return next(pin.version for pin in read_lock(platform) if pin.name == package)
