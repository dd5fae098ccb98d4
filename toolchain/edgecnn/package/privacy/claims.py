"""A claim, what came of checking it, and the digest that binds both to a bundle's contents."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar

from edgecnn.errors import some_of
from edgecnn.files import canonical_digest, write_json

NOTE: Final = "PRIVACY.md"
RECORD: Final = "privacy.json"
"""The same as the note, for programs."""

SCHEMA: Final = 1
State = Literal["held", "broken", "not checked"]
Seen = TypeVar("Seen")


MOST_FINDINGS: Final = 20
"""That the record of a broken claim names: it is what a person has to mend."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A claim and what came of checking it.

    Attributes:
        id: A short name, for programs.
        claim: One sentence.
        check: How it is checked, in words.
        state: ``held``, ``broken``, or ``not checked``.
        evidence: What was seen; for a claim that was not checked, why.
    """

    id: str
    claim: str
    check: str
    state: State
    evidence: str


class CannotCheckError(Exception):
    """A claim cannot be checked of this bundle; the text says why."""


@dataclass(frozen=True)
class Claim(Generic[Seen]):
    """Something that is claimed of every bundle of a kind, and how it is told.

    Attributes:
        id: A short name, for programs.
        claim: One sentence.
        check: How it is checked, in words.
        find: Takes what was seen of a bundle; returns what is wrong, and what is said if nothing
            is. Raises ``CannotCheckError`` where it can tell neither.
    """

    id: str
    claim: str
    check: str
    find: Callable[[Seen], tuple[list[str], str]]

    def judged(self, seen: Seen) -> Outcome:
        """Return what a bundle shows of it; the first findings, and how many more."""
        try:
            wrong, good = self.find(seen)
        except CannotCheckError as error:
            return self.outcome("not checked", str(error))
        if wrong:
            return self.outcome("broken", some_of(wrong, MOST_FINDINGS, joint="; "))
        return self.outcome("held", good)

    def outcome(self, state: State, evidence: str) -> Outcome:
        """Return what came of checking it."""
        return Outcome(
            id=self.id, claim=self.claim, check=self.check, state=state, evidence=evidence
        )


@dataclass(frozen=True, kw_only=True)
class Checked:
    """All claims of a bundle, and where they were checked.

    Attributes:
        subject: Digest of the files that the claims are about.
        architecture: Of the processor that the checks ran on, as ``uname -m`` gives it; emulated
            or not; None if none ran.
        bundle_architecture: The one that the bundle is for.
        setting: What was run, and where, in words.
        outcomes: One for each claim.
    """

    subject: str
    architecture: str | None
    bundle_architecture: str
    setting: str
    outcomes: tuple[Outcome, ...]

    def of(self, state: State) -> list[Outcome]:
        """Return the claims in this state."""
        return [one for one in self.outcomes if one.state == state]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {"schema": SCHEMA, **asdict(self)}

    def write(self, folder: Path) -> None:
        """Write the record into a bundle's folder."""
        write_json(folder / RECORD, self.to_dict())


def read_record(folder: Path) -> Checked:
    """Read a bundle's record.

    Raises:
        OSError: If there is none.
        ValueError: If it is none, or of another schema; also ``KeyError`` and ``TypeError``.
    """
    raw = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    if raw.pop("schema") != SCHEMA:
        raise ValueError("a record of another schema")
    outcomes: Sequence[Mapping[str, Any]] = raw.pop("outcomes")
    return Checked(outcomes=tuple(Outcome(**one) for one in outcomes), **raw)


def subject_digest(manifest: Mapping[str, Any]) -> str:
    """Return a digest of what the claims are about: all of a manifest but note and record.

    Args:
        manifest: A bundle's, as JSON has it.

    Returns:
        SHA-256 of its canonical JSON, lower-case hex; any other file, or another digest of one,
        gives another.
    """
    files = {name: entry for name, entry in manifest["files"].items() if name not in (NOTE, RECORD)}
    return canonical_digest({**manifest, "files": files})
