"""``edgecnn deploy``: install a bundle on a device; it tests itself there, or is taken back."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from edgecnn.cli.options import (
    IdentityOption,
    JsonOption,
    KnownHostsOption,
    PrefixOption,
    QuietOption,
)

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.install import DeployResult


def deploy(
    bundle: Annotated[
        Path,
        typer.Argument(metavar="BUNDLE", help="A .tar.gz of edgecnn package, or its folder."),
    ],
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS",
            help="USER@HOST[:PORT], also with ssh:// before it, or cmd: and a command that starts "
            "Python elsewhere.",
        ),
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="FILE",
            help="A public key that the bundle must be signed with; pinned on the device, too.",
        ),
    ] = None,
    prefix: PrefixOption = None,
    identity: IdentityOption = None,
    known_hosts: KnownHostsOption = None,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Copy a bundle to a device, install it, and let it test itself there.

    The bundle is checked before anything is sent, the device before anything is copied. If the
    self-test fails, what was active before is active again. Without --prefix it needs root on the
    device, or sudo without a password. The device's host key has to be known: connect once with
    ssh.

    Example: edgecnn deploy resnet8-1.0-pi-arm64-cp311.tar.gz ssh://pi@raspberrypi.local
    """
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import out_console, print_json
    from edgecnn.commands import deploy as deployment
    from edgecnn.devices import choose_device
    from edgecnn.install import DeployRequest

    request = DeployRequest(
        bundle=bundle,
        device=choose_device(address, identity=identity, known_hosts=known_hosts, prefix=prefix),
        key=key,
    )
    result = deployment.deploy(request, progress=terminal_progress(quiet=quiet))
    if json_output:
        print_json(result.to_dict())
    else:
        print_deployed(out_console(), result)


def print_deployed(console: Console, result: DeployResult) -> None:
    """Print what is installed now, how it did in its self-test, and what to do next."""
    about = result.machine.get("model") or result.machine.get("processor") or "unknown machine"
    lines = [
        f"device: {result.device} ({about}, {result.machine.get('architecture')})",
        f"active: {result.active}" + (f", before: {result.before}" if result.before else ""),
    ]
    if result.device_signature_by:
        lines.append(f"signature: as the key pinned there wants (by {result.device_signature_by})")
    for test in result.self_tests:
        kernels = f", kernels {test.kernels}" if test.kernels else ""
        lines.append(
            f"self-test: {PurePosixPath(test.file).name}: {test.images} golden images as expected, "
            f"by {test.runtime}{kernels}"
        )
    for line in (*lines, *result.notes):
        console.print(line, markup=False, soft_wrap=True)
