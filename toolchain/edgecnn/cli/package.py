"""``edgecnn package``: one file for a device, with proven models only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import JsonOption, QuietOption

__all__ = ["package"]


def package(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="BUILD", help="A build, a recipe that was built, or a released model's folder."
        ),
    ],
    target: Annotated[
        str, typer.Option("--target", metavar="NAME", help="What the bundle is for: pi.")
    ] = "pi",
    variants: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME",
            help="One variant to put in, the one to use first. Repeatable. Default: int8.",
        ),
    ] = None,
    system: Annotated[
        str,
        typer.Option(
            "--os",
            metavar="NAME",
            help="The device's system: bookworm (Python 3.11) or trixie (3.13).",
        ),
    ] = "bookworm",
    runtime: Annotated[
        str | None,
        typer.Option(
            "--runtime",
            metavar="NAME",
            help="litert, onnxruntime, or, for bookworm, tflite-runtime. Default: litert.",
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(
            "--version", metavar="TEXT", help="The bundle's version. Default: the date, 2026.11.25."
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help="tar: a .tar.gz with install.sh, which can roll back; deb: for apt.",
        ),
    ] = "tar",
    wheels: Annotated[
        Path | None,
        typer.Option(
            "--wheels",
            metavar="DIR",
            help="Take the libraries from this folder, with no network. Default: by pip, cached.",
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--sign",
            metavar="KEY",
            help="Sign it with this Ed25519 private key (PEM); the public key is put beside it.",
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            metavar="FOLDER",
            help="Check the privacy claims in this folder's system by chroot, e.g. of debootstrap; "
            "needs root. Default: here, with libraries for this processor.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Where the bundle goes.")
    ] = Path("dist"),
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Make a bundle for a Raspberry Pi: proven model files, runner, libraries, privacy note.

    The device needs neither a network nor pip: copy the file, unpack it, run install.sh. Only
    files with a PASS go in. With SOURCE_DATE_EPOCH set, the same inputs give the same bytes.

    Example: edgecnn package models/resnet8 --target pi --os bookworm
    """
    from edgecnn.cli.bundle_tables import print_bundle
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import out_console, print_json
    from edgecnn.errors import UsageError
    from edgecnn.locate import proven_place
    from edgecnn.package.run import PackageRequest, run

    if target != "pi":
        raise UsageError(
            f"bundles for {target} cannot be made",
            observed=f"--target {target}",
            expected="pi",
            remedy="leave it out, or: --target pi",
        )
    if form not in ("tar", "deb"):
        raise UsageError(
            f"there is no format {form}",
            observed=f"--format {form}",
            expected="tar or deb",
            remedy="leave it out, or name one of these",
        )
    place, workspace = proven_place(source)
    result = run(
        PackageRequest(
            place=place,
            workspace=workspace,
            variants=tuple(dict.fromkeys(variants or [])),
            system=system,
            runtime=runtime,
            version=version,
            wheels=wheels,
            key=key,
            out=out,
            form=form,
            root=None if root is None else root.resolve(),
        ),
        progress=terminal_progress(quiet=quiet),
    )
    if json_output:
        print_json(result.to_dict())
    else:
        print_bundle(out_console(), result)
