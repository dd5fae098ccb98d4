"""Tells what a bundle says of a model file that it carries without a proof.

A bundle that was made with ``--accept-inconclusive`` has ``not-proven.json`` beside its models:
the SHA-256 of each file without a PASS, and what is not proven of it, in words.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

from edgecnn_runner.errors import SelfTestError
from edgecnn_runner.files import describe, regular_size

NOT_PROVEN_FILE: Final = "not-proven.json"
"""``{"schema": 1, "files": {SHA-256: sentence}}``, in the folder of the model files."""

NOT_PROVEN_SCHEMA: Final = 1
_LARGEST: Final = 1 << 20
_LONGEST: Final = 4000
"""Characters of a sentence; the longest known has a quarter of it."""


def not_proven(model: str | Path) -> str | None:
    """Return what is not proven of a model file, as its bundle says it.

    Args:
        model: The model file.

    Returns:
        One line; None where nothing is said of this very file: it has a PASS, or lies in no bundle.

    Raises:
        SelfTestError: If what is said beside it cannot be read.
    """
    path = Path(model).parent / NOT_PROVEN_FILE
    try:
        if not path.exists():
            return None
        size = regular_size(path)
        if size > _LARGEST:
            raise ValueError(f"{size:,} bytes")
        found = json.loads(path.read_bytes())
        if found["schema"] != NOT_PROVEN_SCHEMA:
            raise ValueError(f"schema {found['schema']}")
        said = found["files"].get(hashlib.sha256(Path(model).read_bytes()).hexdigest())
        return None if said is None else plain_line(said)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SelfTestError(
            f"cannot read {path}, which says what is not proven of {Path(model).name}",
            observed=f"{type(error).__name__}: {error}; {describe(path)}",
            expected=f"a {NOT_PROVEN_FILE}, as edgecnn package writes it",
            remedy="copy the bundle again from the workstation",
        ) from error


def plain_line(text: object) -> str:
    """Return a text from a file as one line that a terminal can be shown.

    Raises:
        TypeError: If it is no text.
        ValueError: If it is empty or far too long.
    """
    if not isinstance(text, str):
        raise TypeError(f"{type(text).__name__} in place of a sentence")
    if not 0 < len(text) <= _LONGEST:
        raise ValueError(f"a sentence of {len(text):,} characters")
    return "".join(letter if letter.isprintable() else "?" for letter in text)
