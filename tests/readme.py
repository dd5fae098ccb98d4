"""The README's code blocks: what a newcomer types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_README = Path(__file__).parents[1] / "README.md"
_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        kind: ``console`` or ``python``.
        text: What stands in it.
        reason: Why no test runs it, as the README itself says where it is not shown; else empty.
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


def blocks() -> list[Block]:
    """Return the README's blocks in order."""
    found = _BLOCK.finditer(_README.read_text(encoding="utf-8"))
    return [Block(one["kind"], one["text"], one["reason"] or "") for one in found]
