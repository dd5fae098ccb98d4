"""What verification found, as data: one row per artifact, and what the rows rest on.

Everything is JSON-ready and reads back the same, so that a finished verification can be shown
again without being repeated.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import edgecnn.errors
from edgecnn.errors import EdgeError, ParityFailError, ParityInconclusiveError, WorkspaceError
from edgecnn.verify.gate import Criterion, CriterionName, Judgement
from edgecnn.verify.metrics import Metrics
from edgecnn.verify.needed import Needed

__all__ = [
    "PARITY_SCHEMA",
    "ArtifactRow",
    "Evaluated",
    "ParityReport",
    "RowError",
    "RowVerdict",
    "read_report",
]

PARITY_SCHEMA: Final = 1

RowVerdict = Literal["PASS", "FAIL", "INCONCLUSIVE", "ERROR", "NOT MADE"]


@dataclass(frozen=True, kw_only=True)
class RowError:
    """An ``EdgeError`` as values; see there."""

    error: str
    exit_code: int
    problem: str
    remedy: str
    observed: str | None = None
    expected: str | None = None

    @classmethod
    def of(cls, error: EdgeError) -> RowError:
        """Keep an error."""
        return cls(**error.to_dict())

    def to_error(self) -> EdgeError:
        """Return the error, of its own class, to be raised."""
        kind = getattr(edgecnn.errors, self.error, EdgeError)
        error: EdgeError = kind(
            self.problem, observed=self.observed, expected=self.expected, remedy=self.remedy
        )
        return error


@dataclass(frozen=True, kw_only=True)
class ArtifactRow:
    """One artifact.

    Attributes:
        variant: Format and precision, for example ``tflite-int8``.
        file: File name, or the path as it was given; None for a variant that was not made.
        bytes: File size; None where there is no readable file.
        sha256: Digest of the file; None where there is no readable file.
        runtime: What ran it, with version; None if nothing did.
        metrics: The comparison; None if it did not come to one.
        mcnemar_p: Exact two-sided p of no difference in accuracy; None without metrics.
        judgement: The verdict; None without metrics.
        needed: What would decide; only for an INCONCLUSIVE verdict.
        error: Why there is no verdict; None where there is one.
        reason: Why the variant was not made; empty where it was.
    """

    variant: str
    file: str | None
    bytes: int | None = None
    sha256: str | None = None
    runtime: str | None = None
    metrics: Metrics | None = None
    mcnemar_p: float | None = None
    judgement: Judgement | None = None
    needed: Needed | None = None
    error: RowError | None = None
    reason: str = ""

    @property
    def verdict(self) -> RowVerdict:
        """The judgement's verdict, or why there is none."""
        if self.judgement is not None:
            return self.judgement.verdict
        return "ERROR" if self.error is not None else "NOT MADE"

    def criterion(self, name: CriterionName) -> Criterion:
        """Return one criterion of a judged artifact.

        Raises:
            ValueError: If the artifact was not judged.
        """
        if self.judgement is None:
            raise ValueError(f"{self.variant} was not judged")
        return next(one for one in self.judgement.criteria if one.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, derived ones included."""
        values = dataclasses.asdict(self) | {"verdict": self.verdict}
        if self.metrics is not None:
            values["metrics"] |= {
                "accuracy_drop": self.metrics.accuracy_drop,
                "agreement": self.metrics.agreement,
                "calibration_error_change": self.metrics.calibration_error_change,
            }
            for entry, one in zip(values["metrics"]["classes"], self.metrics.classes, strict=True):
                entry |= {"reference_recall": one.reference_recall, "recall": one.recall}
        return values


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """The images and the reference that all artifacts were compared on.

    Attributes:
        dataset: Name of the data set.
        images: How many images were used.
        available: How many the test split has.
        seed: Seed of the class-balanced subset; None if all were used.
        images_sha256: Digest of the images used, in order.
        reference_sha256: Digest of the file with the reference scores.
        model_sha256: Digest of the float model's file.
    """

    dataset: str
    images: int
    available: int
    seed: int | None
    images_sha256: str
    reference_sha256: str
    model_sha256: str


@dataclass(frozen=True, kw_only=True)
class ParityReport:
    """All artifacts of one verification.

    Attributes:
        model: Model name.
        class_names: Names in score order.
        evaluated: Images and reference.
        limits: As in the recipe: ``max_drop``, ``min_agreement``, ``max_class_drop``, percent.
        rows: One per artifact asked for, also those that did not run or were not made.
        machine: See ``edgecnn_runner.machine.describe_machine``.
        versions: Tool name to version.
        created: When, UTC, ISO 8601; from SOURCE_DATE_EPOCH where that is set.
        schema: Version of this layout in JSON.
    """

    model: str
    class_names: tuple[str, ...]
    evaluated: Evaluated
    limits: Mapping[str, float]
    rows: tuple[ArtifactRow, ...]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    created: str
    schema: int = PARITY_SCHEMA

    @property
    def verdict(self) -> RowVerdict:
        """The gravest verdict of the rows; variants that were not made do not count."""
        found = {row.verdict for row in self.rows}
        order: tuple[RowVerdict, ...] = ("FAIL", "ERROR", "INCONCLUSIVE", "PASS")
        return next((verdict for verdict in order if verdict in found), "NOT MADE")

    def exit_error(self) -> EdgeError | None:
        """Return what a command line should end with.

        Returns:
            ``ParityFailError`` if any artifact failed, else the first error of an artifact that
            did not run, else ``ParityInconclusiveError`` if any is undecided, else None.
        """
        if failed := self._files("FAIL"):
            return ParityFailError(
                f"{_list(failed)} {_do(failed)} not follow the float model within the limits",
                remedy="see the report for what changed; deploy another variant, or change "
                "[limits] in the recipe if the loss is acceptable",
            )
        for row in self.rows:
            if row.error is not None:
                return row.error.to_error()
        if undecided := self._files("INCONCLUSIVE"):
            return ParityInconclusiveError(
                f"{self.evaluated.images:,} images are too few to tell whether {_list(undecided)} "
                f"{_follow(undecided)} the float model within the limits",
                remedy=self._more_images(),
            )
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, derived ones included; ``parity.json`` holds them."""
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("evaluated", "rows")
        }
        return values | {
            "class_names": list(self.class_names),
            "limits": dict(self.limits),
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "evaluated": dataclasses.asdict(self.evaluated),
            "rows": [row.to_dict() for row in self.rows],
            "verdict": self.verdict,
        }

    def _files(self, verdict: RowVerdict) -> list[str]:
        return [row.file or row.variant for row in self.rows if row.verdict == verdict]

    def _more_images(self) -> str:
        numbers = [row.needed.images if row.needed else None for row in self.rows]
        wanted = [number for number in numbers if number is not None]
        spare = self.evaluated.available - self.evaluated.images
        if spare and wanted and max(wanted) <= self.evaluated.available:
            return (
                f"use more of the {self.evaluated.available:,} test images: about "
                f"{max(wanted):,} would decide if the observed rates hold"
            )
        if wanted:
            return (
                f"about {max(wanted):,} test images would decide if the observed rates hold; add "
                "images to the test split, or change the limits (--max-drop and others, or "
                "[limits] in the recipe)"
            )
        return "an observed value is at its limit; change [limits] in the recipe"


def read_report(path: Path) -> ParityReport:
    """Read a ``parity.json`` back.

    Args:
        path: What ``edgecnn.verify.run`` wrote.

    Returns:
        The report.

    Raises:
        WorkspaceError: If the file is missing, damaged or of another schema.
    """
    from pydantic import TypeAdapter, ValidationError

    remedy = f"verify again: edgecnn verify {path.parent}"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        schema = values["schema"]
        if schema == PARITY_SCHEMA:
            return TypeAdapter(ParityReport).validate_python(values)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise WorkspaceError(
            f"cannot read the parity report {path} ({type(error).__name__})", remedy=remedy
        ) from error
    raise WorkspaceError(
        f"{path} was written by another version of edgecnn",
        observed=f"schema {schema}",
        expected=f"schema {PARITY_SCHEMA}",
        remedy=remedy,
    )


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _follow(files: list[str]) -> str:
    return "follows" if len(files) == 1 else "follow"


def _do(names: list[str]) -> str:
    return "does" if len(names) == 1 else "do"
