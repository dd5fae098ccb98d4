"""Deploy: check here, ask the device, copy, let it install and test; go back if the test fails."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from edgecnn.devices import DeviceOptions, open_device
from edgecnn.devices.ask import Task, ask
from edgecnn.devices.facts import look
from edgecnn.devices.protocol import Blob, Frame
from edgecnn.devices.types import Device
from edgecnn.errors import DeviceConnectionError
from edgecnn.install.bundle import Bundle, opened
from edgecnn.install.fitness import check_fitness
from edgecnn.install.result import DeployResult, result_of
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn_installer.main import PREFIX

__all__ = ["run"]

_INSTALL_SILENCE_S: Final = 2400.0
"""Longer than the device gives to ``install.sh``, which says nothing while it is at work."""


def run(
    bundle: Path,
    options: DeviceOptions,
    *,
    key: Path | None = None,
    progress: Progress = NO_PROGRESS,
) -> DeployResult:
    """Install a bundle on a device.

    Args:
        bundle: A ``.tar.gz``, or the folder it unpacks to.
        options: The device. With its usual prefix the bundle gets a service and is installed as
            root; with another one without both.
        key: A public key that the bundle must be signed with; it is pinned on the device, too.
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
    prefix = options.prefix
    with opened(bundle, key=key) as checked, open_device(options) as device:
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
        )


def _installed(
    device: Device,
    bundle: Bundle,
    prefix: str,
    *,
    key: Path | None,
    as_root: bool,
    progress: Progress,
) -> Frame:
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

        def heard(frame: Frame) -> None:
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
