"""``edgecnn deploy`` as a function: the installation that a request comes to."""

from __future__ import annotations

from edgecnn import install as stage
from edgecnn.errors import UsageError
from edgecnn.install import DeployRequest, DeployResult
from edgecnn.progress import NO_PROGRESS, Progress


def deploy(request: DeployRequest, *, progress: Progress = NO_PROGRESS) -> DeployResult:
    """Install a bundle on a device, where it tests itself, or is taken back.

    Args:
        request: Which bundle, and where.
        progress: Shows the copy, and says what happens.

    Returns:
        What is installed now, and how it did in its self-test.

    Raises:
        UsageError: If no other machine is meant.
        BundleError: If the bundle is not what was packaged; nothing was sent.
        SignatureError: If it is not signed with the key.
        DeviceError: If the device cannot take it; it is as it was.
        DeviceConnectionError: If the device is not reached, or lost; it says what is certain.
        SelfTestError: If the device does not reproduce the golden vectors; what was active before
            is active again.
    """
    if request.device is None:
        raise UsageError(
            "deploy is for another machine",
            observed="local",
            expected="USER@HOST[:PORT] or cmd:COMMAND",
            remedy="on this machine, unpack the bundle and run its install.sh",
        )
    return stage.run(request, request.device, progress=progress)
