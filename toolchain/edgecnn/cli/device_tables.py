"""What the commands print about devices."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from edgecnn.install import DeployResult

__all__ = ["print_deployed"]


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
