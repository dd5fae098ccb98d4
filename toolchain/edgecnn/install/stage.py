"""Deploy: check here, ask the device, copy, let it install and test; go back if the test fails."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from edgecnn.build.bundle import opened_bundle
from edgecnn.devices import DeviceOptions, open_device
from edgecnn.devices.ask import Task, ask, error_of
from edgecnn.devices.facts import DeviceFacts, look
from edgecnn.devices.protocol import Blob, Message, checked_values
from edgecnn.devices.types import Device
from edgecnn.errors import DeviceConnectionError, DeviceError
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn_installer.bundle import MANIFEST, SIGNATURE, Manifest
from edgecnn_installer.device import Lack, lacks, needs_of
from edgecnn_installer.main import PREFIX
from edgecnn_installer.problems import InstallError
from edgecnn_installer.signature import check_signature

_INSTALL_SILENCE_S: Final = 2400.0
"""Longer than the device gives to ``install.sh``, which says nothing while it is at work."""


DEPLOY_SCHEMA: Final = 1
"""Version of a result's layout in JSON."""


@dataclass(frozen=True, kw_only=True)
class DeployRequest:
    """What is to be installed, and where.

    Attributes:
        bundle: A ``.tar.gz``, or the folder it unpacks to.
        device: The device; None, this machine, is refused. With its usual prefix the bundle gets a
            service and is installed as root; with another one without both.
        key: A public key that the bundle must be signed with; it is pinned on the device, too.
    """

    bundle: Path
    device: DeviceOptions | None
    key: Path | None = None


def run(
    request: DeployRequest, options: DeviceOptions, *, progress: Progress = NO_PROGRESS
) -> DeployResult:
    """Install a bundle on a device.

    Args:
        request: Which bundle, and by which key.
        options: Its device.
        progress: Shows the copy, and says what happens.

    Returns:
        What is installed now, and how it did in its self-test.

    Raises:
        BundleError: If the bundle is not what was packaged; nothing was sent.
        SignatureError: If it is not signed with the key.
        DeviceError: If the device cannot take it; it is as it was.
        DeviceConnectionError: If the device is not reached, or lost; it says what is certain.
        SelfTestError: If the device does not reproduce the golden vectors; what was active before
            is active again.
    """
    prefix, key = options.prefix, request.key
    with opened(request.bundle, key=key) as checked, open_device(options) as device:
        progress.message(
            f"{checked.manifest.model} {checked.manifest.release}: "
            f"{len(checked.manifest.files)} files as packaged, "
            + (f"signed with {key}" if key else "signature not asked for (--key)")
        )
        facts = look(device, prefix=prefix)
        as_root = prefix == PREFIX and facts.uid != 0
        check_fitness(facts, checked.manifest, device=device.name, prefix=prefix, as_root=as_root)
        frame = _installed(device, checked, prefix, key=key, as_root=as_root, progress=progress)
        return result_of(
            frame.values,
            device=device.name,
            signature_by=checked.signature_by,
            machine=facts.machine,
            not_proven=checked.manifest.not_proven,
        )


def _installed(
    device: Device,
    bundle: Bundle,
    prefix: str,
    *,
    key: Path | None,
    as_root: bool,
    progress: Progress,
) -> Message:
    blobs = [
        Blob(
            name=f"bundle/{name}",
            data=(bundle.folder / name).read_bytes(),
            executable=bool(bundle.manifest.files.get(name, {}).get("executable", False)),
        )
        for name in bundle.names()
    ]
    if key is not None:
        blobs.append(Blob(name="key", data=key.read_bytes()))
    task = Task(
        name="install",
        parameters={
            "prefix": prefix,
            "default_prefix": prefix == PREFIX,
            "key": key is not None,
        },
        blobs=blobs,
        silence_s=_INSTALL_SILENCE_S,
        as_root=as_root,
    )
    whole = False
    kilobytes = sum(len(blob.data) for blob in blobs) // 1000 + 1
    with progress.task(f"copy to {device.name}", kilobytes) as shown:
        told = 0

        def sending(done: int, total: int) -> None:
            nonlocal told, whole
            whole = done == total
            now = kilobytes * done // total
            shown.advance(now - told)
            told = now

        def heard(frame: Message) -> None:
            if frame.kind == "phase":
                progress.message("installing, and testing on the device")

        try:
            return ask(device, task, heard=heard, sending=sending)
        except DeviceConnectionError as error:
            raise _what_is_certain(error, device, bundle, prefix, whole=whole) from error


def _what_is_certain(
    error: DeviceConnectionError, device: Device, bundle: Bundle, prefix: str, *, whole: bool
) -> DeviceConnectionError:
    """Say of a connection that was lost what that means for the device."""
    if not whole:
        return DeviceConnectionError(
            f"{error.problem}; nothing was installed: the copy was not complete, and the device "
            "removes it",
            observed=error.observed,
            expected=error.expected,
            remedy=f"{error.remedy}: what was active there still is",
        )
    model, release = bundle.manifest.model, bundle.manifest.release
    own = shlex.quote(f"{prefix}/{model}/current")
    return DeviceConnectionError(
        f"{error.problem}; the copy was complete, and the device goes on by itself: either "
        f"{release} is active there, or what was before, and never a part of one",
        observed=error.observed,
        expected=error.expected,
        remedy=f"ask it in a minute which one: edgecnn doctor --device {device.name}, or there: "
        f"readlink {own}; deploying again does no harm",
    )


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle whose files are what its manifest says.

    Attributes:
        folder: Its files.
        manifest: Its manifest.
        signature_by: Who checked its signature, ``openssl`` or ``edgecnn``; None if no key was
            asked for.
    """

    folder: Path
    manifest: Manifest
    signature_by: str | None

    def names(self) -> list[str]:
        """Return the paths of all its files, the manifest and its signature among them."""
        signed = [SIGNATURE] if (self.folder / SIGNATURE).is_file() else []
        return [MANIFEST, *signed, *self.manifest.files]


@contextlib.contextmanager
def opened(path: Path, *, key: Path | None) -> Iterator[Bundle]:
    """Open and check a bundle.

    Args:
        path: A ``.tar.gz`` as ``edgecnn package`` writes it, or the folder it unpacks to.
        key: A public key that it must be signed with.

    Yields:
        The bundle; an archive's files are gone after the block.

    Raises:
        BundleError: If it is no bundle, or a file is altered, missing or too many.
        SignatureError: If it is not signed with the key.
    """
    with opened_bundle(path) as (folder, manifest):
        try:
            by = None if key is None else check_signature(folder, manifest, key)
        except InstallError as error:
            raise error_of(error.to_dict()) from error
        yield Bundle(folder=folder, manifest=manifest, signature_by=by)


def check_fitness(
    facts: DeviceFacts, manifest: Manifest, *, device: str, prefix: str, as_root: bool
) -> None:
    """Compare a device with what a bundle is for, and its user with what installing takes.

    Args:
        facts: What the device is.
        manifest: The bundle's.
        device: What to call it.
        prefix: Where the bundle is to go.
        as_root: Whether that takes another user than the one who came in.

    Raises:
        DeviceError: If it is for another processor, Python or an older C library, or if there is
            no room or no right to install it. The device is as it was.
    """
    has = facts.has(device, prefix)
    if as_root:
        has = replace(has, writable=facts.sudo)
    for lack in lacks(needs_of(manifest), has):
        if lack.what == "rights":
            lack = _without_rights(lack, facts, device=device, prefix=prefix, as_root=as_root)
        raise DeviceError(
            f"{lack.problem}; nothing was copied",
            observed=lack.observed,
            expected=lack.expected,
            remedy=lack.remedy,
        )


def _without_rights(
    lack: Lack, facts: DeviceFacts, *, device: str, prefix: str, as_root: bool
) -> Lack:
    """Say who may not install, and where they may."""
    own = f"--prefix /home/{facts.user}/edgecnn"
    problem = f"{facts.user} may not install in {prefix} of {device}"
    if not as_root:
        return replace(
            lack, problem=problem, observed=lack.problem, remedy=f"install it elsewhere: {own}"
        )
    return replace(
        lack,
        problem=problem,
        observed="sudo asks for a password, or is not there",
        expected="root, or sudo without a password",
        remedy=f"install it without a service in a folder of your own: {own}; or allow sudo "
        "without a password there, with visudo",
    )


@dataclass(frozen=True, kw_only=True)
class SelfTestLine:
    """A model's self-test on the device, once it was active there.

    Attributes:
        file: The model file, inside of the release.
        images: Golden images classified.
        runtime: What ran it, with version.
        kernels: Whose kernels did the work; None where the bundle's runner does not say.
        worst_difference: Largest difference of a score; None if none was recorded.
        tolerance: What that may be; None where the bundle's runner does not say.
    """

    file: str
    images: int
    runtime: str
    kernels: str | None = None
    worst_difference: float | None = None
    tolerance: float | None = None


@dataclass(frozen=True, kw_only=True)
class DeployResult:
    """What is on the device now.

    Attributes:
        device: Its address.
        model: The model's name.
        release: The release that is active.
        before: The release that was active before; None if there was none.
        active: The active release's folder.
        signature_by: Who checked the bundle's signature here; None if no key was given.
        device_signature_by: Who checked it on the device; None if no key is pinned there.
        self_tests: One per model file.
        machine: The device's board, processor, system and Python.
        not_proven: Each model file without a PASS to what is not proven of it; empty where all
            have one.
        notes: What the installer said for people: how to start it, and what it does.
    """

    device: str
    model: str
    release: str
    before: str | None
    active: str
    signature_by: str | None
    device_signature_by: str | None
    self_tests: tuple[SelfTestLine, ...]
    machine: Mapping[str, Any]
    not_proven: Mapping[str, str]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {"schema": DEPLOY_SCHEMA, **asdict(self)}


_TOLD_OTHERWISE: Final = ("checked:", "self-test:", "active:")


@dataclass(frozen=True, kw_only=True)
class _Installed:
    """The result of ``install.sh``."""

    model: str
    active: str
    signature: str | None
    lines: list[str]


@dataclass(frozen=True, kw_only=True)
class _Done:
    """The last frame of ``on_device.install``."""

    installed: _Installed
    before: str | None
    self_tests: tuple[SelfTestLine, ...]


def result_of(
    values: Mapping[str, Any],
    *,
    device: str,
    signature_by: str | None,
    machine: Mapping[str, Any],
    not_proven: Mapping[str, str],
) -> DeployResult:
    """Return the result that a device tells of.

    Args:
        values: Of its last frame: what ``edgecnn.devices.on_device.install`` sends.
        device: Its address.
        signature_by: Who checked the signature here.
        machine: What the device is.
        not_proven: As in the bundle's manifest.

    Raises:
        DeviceError: If it tells what makes no sense; the bundle is installed then.
    """
    says = "has installed the bundle, and says so in a way that makes no sense"
    remedy = f"look at what is installed: edgecnn doctor --device {device}"
    said = checked_values(_Done, values, device, says, remedy=remedy)
    installed = said.installed
    return DeployResult(
        device=device,
        model=installed.model,
        release=installed.active.rsplit("/", 1)[-1],
        before=said.before,
        active=installed.active,
        signature_by=signature_by,
        device_signature_by=installed.signature,
        self_tests=said.self_tests,
        machine=machine,
        not_proven=dict(not_proven),
        notes=tuple(line for line in installed.lines if not line.startswith(_TOLD_OTHERWISE)),
    )
