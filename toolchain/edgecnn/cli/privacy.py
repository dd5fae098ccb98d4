"""``edgecnn privacy``: check a bundle's privacy claims again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import JsonOption, QuietOption


def privacy(
    bundle: Annotated[
        Path,
        typer.Argument(
            metavar="BUNDLE",
            help="A bundle's .tar.gz, the folder it was unpacked into, or a web bundle's folder "
            "or single file.",
        ),
    ],
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            metavar="FOLDER",
            help="pi: run it in this folder's system by chroot, e.g. of debootstrap; needs root. "
            "Default: here, with libraries for this processor.",
        ),
    ] = None,
    wheels: Annotated[
        Path | None,
        typer.Option(
            "--wheels",
            metavar="DIR",
            help="pi: take the libraries for this processor from this folder, with no network.",
        ),
    ] = None,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Check a bundle's privacy claims again: run it, watch what it does, and compare.

    A bundle for a Raspberry Pi is run with every system call watched; a web bundle is used in
    Chromium, and its single file, too. Of a single file alone, what needs no more is checked: that
    it makes no request, names no other way out, and tests itself. It runs what is in the bundle,
    with your rights, though without a network, or with a browser that reaches nothing else: not
    for a bundle whose maker you do not trust. Exits 36 if a claim does not hold or cannot be
    checked here, and if the claims in the bundle are about other files than it holds.

    Example: edgecnn privacy dist/resnet8-1.0-pi-arm64-cp311.tar.gz
    """
    from edgecnn.cli.package import print_claims
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import exit_for, out_console, print_json
    from edgecnn.commands import privacy as checking
    from edgecnn.package.request import PrivacyRequest

    request = PrivacyRequest(bundle=bundle, root=root, wheels=wheels)
    checked = checking.privacy(request, progress=terminal_progress(quiet=quiet))
    if json_output:
        print_json(checked.to_dict())
    else:
        print_claims(out_console(), checked)
    exit_for(checking.privacy_error(request, checked))
