"""README and manual, and their code blocks: what a newcomer reads and types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "toolchain/docs"
README = ROOT / "README.md"
PAGES = (
    README,
    ROOT / "deploy/README.md",
    ROOT / "models/README.md",
    *sorted(DOCS.glob("*.md")),
)
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}

_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        kind: ``console``, ``python``, ``toml``, ``yaml`` or ``text``.
        text: What stands in it.
        reason: Why no test runs it, as the page itself says where it is not shown; else empty.
    """

    kind: str
    text: str
    reason: str

    @property
    def is_help(self) -> bool:
        """Whether it shows a help text, which is compared word by word."""
        return self.text.split("\n", 1)[0].endswith("--help")

    def commands(self) -> list[str]:
        """Return the lines a user types, without the prompt; comments are for the shell."""
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a page in order."""
    return [Block(one["kind"], one["text"], one["reason"] or "") for one in _BLOCK.finditer(text)]


def blocks() -> list[Block]:
    """Return the blocks of README and manual in order."""
    return [block for text in TEXTS.values() for block in blocks_of(text)]


def page(name: str) -> str:
    """Return the text of a page of the manual, such as ``parity``."""
    return TEXTS[f"toolchain/docs/{name}.md"]
