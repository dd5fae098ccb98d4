"""What the commands about bundles print for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.quantities import size_text

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.package.run import PackageResult

__all__ = ["print_bundle"]


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
    if result.public_key is not None:
        line(f"signed; devices pin this public key: {result.public_key}")
    line(f"\ncopy it to the device, then there:\n  tar xzf {name} && sudo {folder}/install.sh")
