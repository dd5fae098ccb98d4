"""What a deployment came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgecnn.devices.facts import plain
from edgecnn.errors import DeviceError


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
        machine: See ``edgecnn_runner.machine.describe_machine``; of the device.
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
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)


def result_of(
    values: Mapping[str, Any], *, device: str, signature_by: str | None, machine: Mapping[str, Any]
) -> DeployResult:
    """Return the result that a device tells of.

    Args:
        values: Of its last frame; see ``edgecnn.devices.on_device.install``.
        device: Its address.
        signature_by: Who checked the signature here.
        machine: What the device is.

    Raises:
        DeviceError: If it tells what makes no sense; the bundle is installed then.
    """
    from pydantic import TypeAdapter, ValidationError

    said = plain(values)
    try:
        installed = said["installed"]
        raw = {
            "device": device,
            "model": installed["model"],
            "release": installed["active"].rsplit("/", 1)[-1],
            "before": said["before"],
            "active": installed["active"],
            "signature_by": signature_by,
            "device_signature_by": installed["signature"],
            "self_tests": said["self_tests"],
            "machine": machine,
            "notes": [line for line in installed["lines"] if not _told_otherwise(line)],
        }
        return TypeAdapter(DeployResult).validate_python(raw)
    except (KeyError, TypeError, AttributeError, ValidationError) as error:
        raise DeviceError(
            f"{device} has installed the bundle, and says so in a way that makes no sense",
            observed=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            expected="what our program there says",
            remedy=f"look at what is installed: edgecnn doctor --device {device}",
        ) from error


def _told_otherwise(line: str) -> bool:
    return line.startswith(("checked:", "self-test:", "active:"))
