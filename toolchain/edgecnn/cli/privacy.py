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
    from edgecnn.errors import UsageError
    from edgecnn.package.privacy.again import check_again, exit_error
    from edgecnn.package.privacy.web_again import check_web_again, web_exit_error
    from edgecnn.package.privacy.web_file import check_file, file_exit_error, is_page
    from edgecnn.package.web.opened import is_web_bundle

    progress = terminal_progress(quiet=quiet)
    alone = is_page(bundle)
    if alone or is_web_bundle(bundle):
        if root is not None or wheels is not None:
            raise UsageError(
                "a web bundle is checked in a browser",
                observed="--root or --wheels",
                expected="neither: they are for bundles for a Raspberry Pi",
                remedy="leave them out",
            )
        check, judge = (check_file, file_exit_error) if alone else (check_web_again, web_exit_error)
        checked = check(bundle, progress=progress)
        error = judge(checked, str(bundle))
    else:
        checked = check_again(bundle, root=root, wheels=wheels, progress=progress)
        error = exit_error(checked, str(bundle))
    if json_output:
        print_json(checked.to_dict())
    else:
        print_claims(out_console(), checked)
    exit_for(error)
