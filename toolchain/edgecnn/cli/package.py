"""``edgecnn package``: one file for a device, with proven models only."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecnn.cli.options import JsonOption, QuietOption
from edgecnn.report.text import size_text
from edgecnn_runner.collect import MOST

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.package.pi.stage import PackageResult
    from edgecnn.package.privacy.claims import Checked
    from edgecnn.package.web.stage import WebResult


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
    accept_inconclusive: Annotated[
        bool,
        typer.Option(
            "--accept-inconclusive",
            help="Also take files whose verdict is INCONCLUSIVE, never FAIL; the bundle says that "
            "they are not proven.",
        ),
    ] = False,
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
            "--version",
            metavar="TEXT",
            help="The bundle's version. Default: today's date, as 2026.12.31.",
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
    collect: Annotated[
        str | None,
        typer.Option(
            "--collect",
            metavar="DIR",
            help="pi: make it able to collect frames on the device, as pictures for verify "
            "--unlabelled, in this folder there alone; best /var/lib/NAME, which gets a service. "
            "Default: it keeps no image.",
        ),
    ] = None,
    collect_every: Annotated[
        int | None,
        typer.Option(
            "--collect-every", min=1, metavar="N", help="pi: with --collect, every N-th frame."
        ),
    ] = None,
    collect_at_most: Annotated[
        int | None,
        typer.Option(
            "--collect-at-most",
            min=1,
            max=MOST,
            metavar="M",
            help="pi: with --collect, at most M files in DIR in all.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the bundle goes.")
    ] = Path("dist"),
    skip_privacy_checks: Annotated[
        bool,
        typer.Option(
            "--skip-privacy-checks",
            help="Check no privacy claim, which takes most of the time; the bundle says so. "
            "edgecnn privacy checks it later.",
        ),
    ] = False,
    quiet: QuietOption = False,
    json_output: JsonOption = False,
) -> None:
    """Make a bundle of proven model files: for a Raspberry Pi, or for browsers, phones' too.

    pi: runner, libraries and privacy note in one file; the device needs neither a network nor pip.
    web: an app that can be installed and works offline, and the same in one HTML file. Only files
    with a PASS go in; with --accept-inconclusive also those that too few images were there to
    judge, and the bundle says so. With SOURCE_DATE_EPOCH set, the same inputs give the same bytes.

    Example: edgecnn package models/resnet8 --target pi --os bookworm

    Example: edgecnn package models/resnet8 --target web
    """
    from edgecnn.cli.progress import terminal_progress
    from edgecnn.cli.render import out_console, print_json
    from edgecnn.commands import package as packaging
    from edgecnn.package.pi.stage import PackageResult
    from edgecnn.package.request import PackageRequest

    request = PackageRequest(
        source=source,
        target=target,
        variants=tuple(dict.fromkeys(variants or [])),
        accept_inconclusive=accept_inconclusive,
        system=system,
        runtime=runtime,
        version=version,
        form=form,
        reject_below=reject_below,
        vendor=vendor,
        wheels=wheels,
        key=key,
        root=root,
        collect=collect,
        collect_every=collect_every,
        collect_at_most=collect_at_most,
        out=out,
        skip_privacy_checks=skip_privacy_checks,
    )
    result = packaging.package(request, progress=terminal_progress(quiet=quiet))
    if json_output:
        print_json(result.to_dict())
    elif isinstance(result, PackageResult):
        print_bundle(out_console(), result)
    else:
        print_web_bundle(out_console(), result)


def print_bundle(console: Console, result: PackageResult) -> None:
    """Print what was made, and what to do with it next."""
    name = Path(result.bundle).name
    folder = name.removesuffix(".tar.gz")

    def line(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    line(
        f"{result.bundle}  {size_text(result.bytes)}: {', '.join(result.files)} with "
        f"{result.runtime}, for {result.system} (Python {result.python}) on arm64"
    )
    print_unproven(line, result)
    if result.collect is not None:
        line(
            f"collects: where --collect asks for it, images, only in {result.collect['folder']}, "
            f"at most {result.collect['at_most']}"
        )
    line(f"privacy: {result.privacy_summary}")
    print_unchecked(line, result)
    if result.public_key is not None:
        line(f"signed; devices pin this public key: {result.public_key}")
    there = f"tar xzf {name} && sudo {folder}/install.sh"
    if name.endswith(".deb"):
        there = f"sudo apt install ./{name}"
    line(f"\ncopy it to the device, then there:\n  {there}")


def print_unproven(line: Callable[[str], object], result: PackageResult | WebResult) -> None:
    """Print what is not proven of each model file that has no PASS."""
    for name, one in result.not_proven.items():
        line(f"{name}: {one['statement']}")


def print_unchecked(line: Callable[[str], object], result: PackageResult | WebResult) -> None:
    """Print each privacy claim that was not checked."""
    for outcome in result.privacy["outcomes"]:
        if outcome["state"] == "not checked":
            line(f"  not checked: {outcome['claim']}")


def print_web_bundle(console: Console, result: WebResult) -> None:
    """Print what was made for browsers, and what to do with it next."""

    def line(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    line(f"{result.model} {result.version}: {result.variant} with {result.runtime}")
    if result.folder is not None:
        size = size_text(result.folder_bytes or 0)
        line(f"{result.folder}/  {size}: an app to install, for any web server with HTTPS")
    if result.html is not None:
        size = size_text(result.html_bytes or 0)
        line(f"{result.html}  {size}: the same in one file, to open without a server")
        line(f"  SHA-256 {result.html_sha256}")
    print_unproven(line, result)
    line(f"privacy: {result.privacy_summary}")
    print_unchecked(line, result)
    if result.folder is not None:
        line(f"\nlook at it:\n  edgecnn serve {shlex.quote(result.folder)}")


_STATE_STYLE = {"held": "green", "not checked": "yellow", "broken": "bold red"}


def print_claims(console: Console, checked: Checked) -> None:
    """Print each privacy claim with what came of its check."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from edgecnn.package.privacy.note import summary

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in ("claim", "state", "what was seen"):
        table.add_column(column, overflow="fold")
    for one in checked.outcomes:
        table.add_row(one.claim, Text(one.state, style=_STATE_STYLE[one.state]), Text(one.evidence))
    console.print(table)
    console.print(summary(checked).replace("**", ""), markup=False, soft_wrap=True)
