"""The record of a repair, as a row of the manifest keeps it and as a sentence says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from edgecnn.report.text import percent_text

Outcome = Literal["not needed", "recalibrated", "mixed", "nothing helps"]


@dataclass(frozen=True, kw_only=True)
class TriedFile:
    """One file that was made and judged.

    Attributes:
        what: How it was made.
        result: What the gate said of it, or why it could not be made or run.
        holds: Whether it may be shipped.
    """

    what: str
    result: str
    holds: bool


@dataclass(frozen=True, kw_only=True)
class KeptLayer:
    """A layer that stays in float.

    Attributes:
        name: As in the float file.
        operator: For example ``CONV_2D``.
        macs: Its multiply-accumulates.
        snr_db: Of the median channel of what it makes in int8; None if it could not be compared.
        why: What int8 does to its numbers, in words.
    """

    name: str
    operator: str
    macs: int
    snr_db: float | None
    why: str


@dataclass(frozen=True, kw_only=True)
class RepairRecord:
    """One variant's repair.

    Attributes:
        outcome: ``not needed``: the first file does not miss the limits; ``recalibrated``:
            another calibration holds, and the file is integer throughout; ``mixed``: some layers
            are in float; ``nothing helps``.
        split: Whose images decided, which the model had not seen: ``validation``, ``training``, or
            ``unlabelled`` for pictures without labels, on which agreement alone is judged.
        images: How many.
        folder: Where pictures without labels were; None of others.
        tried: Files in the order in which they were tried, the first one first.
        reason: Where nothing helps, why the search ended.
        kept: The layers in float, in order of execution.
        float_macs: Share, 0..1, of the multiply-accumulates in float, as counted in the file.
        latency: Medians of the files beside each other on this machine; None unless some layers
            are in float.
    """

    outcome: Outcome
    split: str
    images: int
    folder: str | None = None
    tried: tuple[TriedFile, ...] = ()
    reason: str = ""
    kept: tuple[KeptLayer, ...] = ()
    float_macs: float = 0.0
    latency: Mapping[str, Any] | None = field(default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        values = asdict(self)
        return {**values, "tried": list(values["tried"]), "kept": list(values["kept"])}


def judged_on(split: str, images: int) -> str:
    """Say on which images files were judged."""
    if split == "unlabelled":
        return f"{images:,} pictures without labels (agreement alone)"
    return f"{images:,} {split} images"


def repair_sentence(variant: str, repair: Mapping[str, Any]) -> str:
    """Say in a line what became of a variant.

    Args:
        variant: The one that was asked for.
        repair: A ``RepairRecord``, as a row holds it.
    """
    where = f"on {judged_on(repair['split'], repair['images'])}"
    first = repair["tried"][0]["result"]
    if repair["outcome"] == "not needed":
        return f"{variant} needs no repair {where} ({first})"
    missed = f"{variant} misses the limits {where} ({first})"
    if repair["outcome"] == "recalibrated":
        last = repair["tried"][-1]
        return f"{missed}; it holds them with {last['what']} ({last['result']})"
    if repair["outcome"] == "mixed":
        kept = len(repair["kept"])
        return (
            f"{missed}; {variant}-mixed holds them with {kept} "
            f"{'layer' if kept == 1 else 'layers'} and {percent_text(repair['float_macs'], 1)} of "
            "the multiply-accumulates in float"
        )
    return f"{missed}, and nothing helps: {repair['reason']}"
