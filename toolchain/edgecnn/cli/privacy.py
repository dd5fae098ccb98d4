"""``edgecnn privacy``: check a bundle's privacy claims again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import JsonOption, QuietOption

__all__ = ["privacy"]


def privacy(
    bundle: Annotated[
        Path,
        typer.Argument(
            metavar="BUNDLE", help="A bundle's .tar.gz, or the folder it was unpacked into."
        ),
    ],
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            metavar="FOLDER",
            help="Run it in this folder's system by chroot, e.g. of debootstrap; needs root. "
            "Default: here, with libraries for this processor.",
        ),
    ] = None,
    wheels: Annotated[
        Path | None,
        typer.Option(
            "--wheels",
            metavar="DIR",
            help="Take the libraries for this processor from this folder, with no network.",
        ),
    ] = None,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Check a bundle's privacy claims again: run it, watch every system call, and compare.

    It runs what is in the bundle, with your rights, though without a network: not for a bundle
    whose maker you do not trust. Exits 36 if a claim does not hold or cannot be checked here, and
    if the claims in the bundle are about other files than it holds.

    Example: edgecnn privacy dist/resnet8-1.0-pi-arm64-cp311.tar.gz
    """
    from edgecnn.cli.bundle_tables import print_claims
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import exit_for, out_console, print_json
    from edgecnn.package.privacy.again import check_again, exit_error

    progress = terminal_progress(quiet=quiet)
    checked = check_again(bundle, root=root, wheels=wheels, progress=progress)
    if json_output:
        print_json(checked.to_dict())
    else:
        print_claims(out_console(), checked)
    exit_for(exit_error(checked, str(bundle)))
