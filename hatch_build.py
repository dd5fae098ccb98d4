"""Gives the package a description and addresses that work where it is published.

README.md links to other files of the repository, and PyPI has none of them. So the links become
addresses of the repository that the package is built in: ``EDGECNN_REPOSITORY``, or else the
remote ``origin`` where that is one on the web. Where neither is known, a link becomes its text.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)")
_SSH = re.compile(r"(?:ssh://)?git@([^:/]+)[:/](.+)")


def repository_address(folder: Path) -> str:
    """Return the web address of the repository that a folder is a clone of; empty if unknown."""
    address = os.environ.get("EDGECNN_REPOSITORY", "")
    if not address and (folder / ".git").exists():
        command = ["git", "-C", str(folder), "remote", "get-url", "origin"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        except OSError:
            return ""
        address = _SSH.sub(r"https://\1/\2", done.stdout.strip())
    without_name = re.sub(r"^https://[^@/]*@", "https://", address)
    return without_name.removesuffix("/").removesuffix(".git") if "https://" in address else ""


def with_absolute_links(text: str, address: str) -> str:
    """Return Markdown whose links into the repository work elsewhere, or are plain text."""

    def absolute(link: re.Match[str]) -> str:
        mark, words, target = link.groups()
        if not address:
            return "" if mark else words
        return f"{mark}[{words}]({address}/{'raw' if mark else 'blob'}/HEAD/{target})"

    return _LINK.sub(absolute, text)


def addresses(address: str) -> dict[str, str]:
    """Return the addresses that an index shows beside the package; none if it is unknown."""
    if not address:
        return {}
    return {
        "Repository": address,
        "Documentation": f"{address}/blob/HEAD/toolchain/docs/index.md",
        "Changelog": f"{address}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{address}/issues",
    }


class RepositoryAddresses(MetadataHookInterface):
    """Hatchling's hook: the dynamic fields ``readme`` and ``urls`` of pyproject.toml."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in what is dynamic."""
        folder = Path(self.root)
        address = repository_address(folder)
        text = (folder / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": with_absolute_links(text, address),
        }
        metadata["urls"] = addresses(address)
