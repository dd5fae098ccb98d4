"""The findings of a verification, as data: one row per artifact, and what the rows rest on.

Everything is JSON-ready and reads back the same, so that a finished verification can be shown
again without being repeated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from edgecnn.build.usefulness import AgainstGuessing
from edgecnn.errors import EdgeError, RowError
from edgecnn.verify.changes import Baseline
from edgecnn.verify.corruptions.conditions import CorruptedImages, CorruptionResults
from edgecnn.verify.foreign.facts import Foreign, Hint
from edgecnn.verify.gate.judgement import Criterion, CriterionName, Judgement
from edgecnn.verify.gate.sequential import Looked
from edgecnn.verify.gate.tightest import TightestLimits
from edgecnn.verify.groups import GroupColumn
from edgecnn.verify.layers.diagnosis import Layers
from edgecnn.verify.metrics import Metrics
from edgecnn.verify.near_ties import NearTies
from edgecnn.verify.own_agreement import OwnAgreement
from edgecnn.verify.statistics.needed import Needed
from edgecnn.verify.unlabelled import UnlabelledAgreement, UnlabelledFacts

PARITY_SCHEMA: Final = 2
"""1 was edgecnn 0.2's: without near-ties, equality, unlabelled pictures and tightest limits."""
READABLE_SCHEMAS: Final = (1, PARITY_SCHEMA)
"""Layouts that are read back; what an earlier one does not have is None."""

_NESTED: Final = (
    "evaluated",
    "rows",
    "baseline",
    "corrupted",
    "write_error",
    "foreign",
    "own_scores",
    "float_model",
    "near_ties",
    "unlabelled",
    "decidable",
)

LOCAL: Final = "local"
"""How a report calls the machine that verified, where nothing else ran the artifacts."""

RowVerdict = Literal["PASS", "FAIL", "INCONCLUSIVE", "ERROR", "NOT MADE"]


@dataclass(frozen=True, kw_only=True)
class ArtifactRow:
    """One artifact.

    Attributes:
        variant: Format and precision, for example ``tflite-int8``.
        file: File name, or the path as it was given; None for a variant that was not made.
        bytes: File size; None where there is no readable file.
        sha256: Digest of the file; None where there is no readable file.
        runtime: What ran it, with version; None if nothing did.
        kernels: Whose kernels computed the scores; None if nothing did, or an earlier version of
            edgecnn did not ask.
        metrics: The comparison; None if it did not come to one.
        mcnemar_p: Exact two-sided p of no difference in accuracy; None without metrics.
        judgement: The verdict; None without metrics.
        groups: How it does on groups of images; none if it was not asked.
        looked: How many images it took, where they were added until the verdict was sure; None
            where all were used at once.
        corruptions: How it does on corrupted images; None if it was not asked.
        layers: Where it departs from its float file, or why that is not known; None if that was not
            asked, for what has no verdict, and for a float32 file beside others.
        needed: What would decide; only for an INCONCLUSIVE verdict.
        error: Why there is no verdict; None where there is one.
        reason: Why the variant was not made; empty where it was.
        clear_disagreements: Changed answers among those that the float model holds clearly; None
            where agreement was judged on all.
        unlabelled: What changed on pictures without labels; None where there were none.
        tightest: The tightest limits that it is shown to keep; only where the verdict is not PASS.
        hints: What may be wrong in how a file made elsewhere is fed or read.
        made_by: Who made a file that was adopted, as it says itself; None for edgecnn's own. Which
            images such a file was trained or calibrated on is not known.
        seconds: How long it took to check and run; None if that was not measured. Not part of
            ``to_dict``: equal verifications write equal files.
    """

    variant: str
    file: str | None
    bytes: int | None = None
    sha256: str | None = None
    runtime: str | None = None
    kernels: str | None = None
    metrics: Metrics | None = None
    mcnemar_p: float | None = None
    judgement: Judgement | None = None
    groups: tuple[GroupColumn, ...] = ()
    looked: Looked | None = None
    corruptions: CorruptionResults | None = None
    layers: Layers | None = None
    needed: Needed | None = None
    error: RowError | None = None
    reason: str = ""
    clear_disagreements: int | None = None
    unlabelled: UnlabelledAgreement | None = None
    tightest: TightestLimits | None = None
    hints: tuple[Hint, ...] = ()
    made_by: str | None = None
    seconds: float | None = dataclasses.field(default=None, compare=False)

    @property
    def verdict(self) -> RowVerdict:
        """The judgement's verdict, or why there is none."""
        if self.judgement is not None:
            return self.judgement.verdict
        return "ERROR" if self.error is not None else "NOT MADE"

    def failed(self, error: EdgeError) -> ArtifactRow:
        """Return this artifact as one that has no verdict: what it is, and why there is none."""
        return ArtifactRow(
            variant=self.variant,
            file=self.file,
            bytes=self.bytes,
            sha256=self.sha256,
            runtime=self.runtime,
            kernels=self.kernels,
            error=RowError.of(error),
            seconds=self.seconds,
        )

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
        if self.judgement is not None:
            values["judgement"]["by_equality"] = self.judgement.by_equality
        del values["seconds"]
        if self.metrics is not None:
            values["metrics"] |= {
                "accuracy_drop": self.metrics.accuracy_drop,
                "agreement": self.metrics.agreement,
                "calibration_error_change": self.metrics.calibration_error_change,
            }
            for entry, one in zip(values["metrics"]["classes"], self.metrics.classes, strict=True):
                entry |= {"reference_recall": one.reference_recall, "recall": one.recall}
        if self.looked is not None:
            values["looked"]["saved"] = self.looked.saved
        for column, counted in zip(values["groups"], self.groups, strict=True):
            for entry, group in zip(column["groups"], counted.groups, strict=True):
                entry |= group.shares()
        if self.corruptions is not None:
            self.corruptions.to_dict(values["corruptions"])
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
        limits: As in the recipe: ``max_drop``, ``min_agreement``, ``max_class_drop``, and, where
            they were judged by, ``max_gap_increase``, ``max_corruption_drop`` and
            ``min_accuracy``; percent.
        rows: One per artifact asked for, also those that did not run or were not made.
        machine: What ran them: its model, processor, cores, system and Python.
        versions: Tool name to version.
        created: When, UTC, ISO 8601; from SOURCE_DATE_EPOCH where that is set.
        device: Its address; ``local`` for the machine that verified.
        baseline: What changed since an earlier verification; None if none was given.
        corrupted: Which images were corrupted; None if none were.
        write_error: Why the reports could not be written; None where they were.
        foreign: How files that edgecnn did not make were compared; None for its own.
        own_scores: How far the user's own scores are the float model's; None if none were given.
        float_model: What the float model is right on, beside guessing; None if an earlier version
            of edgecnn did not ask.
        near_ties: How firmly the float model holds its answers, and which of them agreement was
            judged on; None if an earlier version of edgecnn did not ask.
        unlabelled: Which pictures without labels were used; None if none were.
        decidable: The tightest limits that these images can decide, at best: for a file that
            changes no answer; None if an earlier version of edgecnn did not ask.
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
    device: str = LOCAL
    baseline: Baseline | None = None
    corrupted: CorruptedImages | None = None
    write_error: RowError | None = None
    foreign: Foreign | None = None
    own_scores: OwnAgreement | None = None
    float_model: AgainstGuessing | None = None
    near_ties: NearTies | None = None
    unlabelled: UnlabelledFacts | None = None
    decidable: TightestLimits | None = None
    schema: int = PARITY_SCHEMA

    @property
    def useless(self) -> bool:
        """Whether the float model is no better than guessing, and nobody asked for such a one."""
        least = self.limits.get("min_accuracy")
        return self.float_model is not None and self.float_model.error(least) is not None

    @property
    def verdict(self) -> RowVerdict:
        """The gravest verdict of the rows; variants that were not made do not count.

        ERROR where the float model is useless: then no row's verdict proves anything.
        """
        if self.useless:
            return "ERROR"
        found = {row.verdict for row in self.rows}
        order: tuple[RowVerdict, ...] = ("FAIL", "ERROR", "INCONCLUSIVE", "PASS")
        return next((verdict for verdict in order if verdict in found), "NOT MADE")

    @property
    def until_decided(self) -> bool:
        """Whether each artifact saw only as many images as its verdict needed."""
        return any(row.looked is not None for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, derived ones included; ``parity.json`` holds them."""
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in _NESTED
        }
        return values | {
            "class_names": list(self.class_names),
            "limits": dict(self.limits),
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "evaluated": dataclasses.asdict(self.evaluated),
            "rows": [row.to_dict() for row in self.rows],
            "verdict": self.verdict,
            "baseline": None if self.baseline is None else dataclasses.asdict(self.baseline),
            "corrupted": None if self.corrupted is None else dataclasses.asdict(self.corrupted),
            "write_error": None
            if self.write_error is None
            else dataclasses.asdict(self.write_error),
            "foreign": None if self.foreign is None else dataclasses.asdict(self.foreign),
            "own_scores": None if self.own_scores is None else self.own_scores.to_dict(),
            "float_model": None if self.float_model is None else self.float_model.to_dict(),
            "near_ties": None if self.near_ties is None else dataclasses.asdict(self.near_ties),
            "unlabelled": None if self.unlabelled is None else dataclasses.asdict(self.unlabelled),
            "decidable": None if self.decidable is None else dataclasses.asdict(self.decidable),
        }
