"""``edgecnn package``: one file for a device, with proven models only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import JsonOption, QuietOption


def package(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="BUILD", help="A build, a recipe that was built, or a released model's folder."
        ),
    ],
    target: Annotated[
        str, typer.Option("--target", metavar="NAME", help="What the bundle is for: pi or web.")
    ] = "pi",
    variants: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME",
            help="One variant to put in, the one to use first; for pi, repeatable. Default: int8.",
        ),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(
            "--os",
            metavar="NAME",
            help="pi: the device's system, bookworm (Python 3.11) or trixie (3.13). Default: "
            "bookworm.",
        ),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            "--runtime",
            metavar="NAME",
            help="pi: litert, onnxruntime, or, for bookworm, tflite-runtime. Default: litert.",
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(
            "--version", metavar="TEXT", help="The bundle's version. Default: the date, 2026.11.25."
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="pi: tar, a .tar.gz with install.sh, which can roll back, or deb, for apt. "
            "Default: tar. web: folder, an app to install; html, one file; or both. Default: both.",
        ),
    ] = None,
    reject_below: Annotated[
        float | None,
        typer.Option(
            "--reject-below",
            min=0.0,
            max=1.0,
            metavar="NUMBER",
            help='web: the app says "unknown" below this probability. Default: 0, never.',
        ),
    ] = None,
    vendor: Annotated[
        Path | None,
        typer.Option(
            "--vendor-dir",
            metavar="DIR",
            help="web: take the files of onnxruntime-web from this folder, with no network. "
            "Default: by npm, cached.",
        ),
    ] = None,
    wheels: Annotated[
        Path | None,
        typer.Option(
            "--wheels",
            metavar="DIR",
            help="pi: take the libraries from this folder, with no network. Default: by pip, "
            "cached.",
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--sign",
            metavar="KEY",
            help="pi: sign it with this Ed25519 private key (PEM); the public key is put beside "
            "it.",
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            metavar="FOLDER",
            help="pi: check the privacy claims in this folder's system by chroot, e.g. of "
            "debootstrap; needs root. Default: here, with libraries for this processor.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Where the bundle goes.")
    ] = Path("dist"),
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Make a bundle of proven model files: for a Raspberry Pi, or for browsers, phones' too.

    pi: runner, libraries and privacy note in one file; the device needs neither a network nor pip.
    web: an app that can be installed and works offline, and the same in one HTML file. Only files
    with a PASS go in. With SOURCE_DATE_EPOCH set, the same inputs give the same bytes.

    Example: edgecnn package models/resnet8 --target pi --os bookworm

    Example: edgecnn package models/resnet8 --target web
    """
    from edgecnn.cli.package_options import PackageOptions, make_bundle

    make_bundle(
        source,
        PackageOptions(
            target=target,
            variants=tuple(dict.fromkeys(variants or [])),
            system=system,
            runtime=runtime,
            version=version,
            form=form,
            reject_below=reject_below,
            vendor=vendor,
            wheels=wheels,
            key=key,
            root=root,
            out=out,
        ),
        quiet=quiet,
        json_output=json_output,
    )
