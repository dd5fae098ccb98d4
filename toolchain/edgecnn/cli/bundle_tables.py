"""What the commands about bundles print for people."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn_runner.quantities import size_text

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.package.pi.stage import PackageResult
    from edgecnn.package.privacy.claims import Checked
    from edgecnn.package.web.stage import WebResult


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
    line(f"privacy: {result.privacy_summary}")
    if result.public_key is not None:
        line(f"signed; devices pin this public key: {result.public_key}")
    there = f"tar xzf {name} && sudo {folder}/install.sh"
    if name.endswith(".deb"):
        there = f"sudo apt install ./{name}"
    line(f"\ncopy it to the device, then there:\n  {there}")


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
    line(f"privacy: {result.privacy_summary}")
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
