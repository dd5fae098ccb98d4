"""Says what is not proven of a file whose verdict is INCONCLUSIVE, in numbers and in words.

Card, manifest, privacy note, web app and the self-test on the device say the same sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from edgecnn.report.text import count_text, dataset_text, interval_text, level_text, points_text

_TITLES: Final[Mapping[str, str]] = {
    "accuracy_drop": "loss of accuracy",
    "disagreement": "answers other than the float model's",
    "class_drop": "loss of recall",
    "accuracy": "accuracy",
    "gap_increase": "wider gap between groups",
    "corruption_drop": "loss of accuracy when pictures are worse",
}
_OF_IMAGES: Final = ("disagreement", "accuracy")


@dataclass(frozen=True, kw_only=True)
class OpenCriterion:
    """A criterion of the verdict that the images could not decide. Shares, 0..1, not percent.

    Attributes:
        name: As in ``parity.json``.
        about: The class, groups or corruption that the numbers are of; empty for all images.
        estimate: The observed value.
        low: Lower bound of its interval.
        high: Upper bound of its interval.
        level: Confidence of the interval.
        limit: The largest value allowed; the smallest one of ``accuracy``.
    """

    name: str
    about: str
    estimate: float
    low: float
    high: float
    level: float
    limit: float

    @property
    def text(self) -> str:
        """The criterion in words, with its numbers in percent or percentage points."""
        title = _TITLES.get(self.name, self.name.replace("_", " "))
        about = f" ({self.about})" if self.about else ""
        unit = "%" if self.name in _OF_IMAGES else "points"
        limit = "at least" if self.name == "accuracy" else "at most"
        return (
            f"{title}{about} {points_text(self.estimate)} {unit}, {level_text(self.level)} "
            f"interval {interval_text(self.low, self.high)}, allowed {limit} "
            f"{points_text(self.limit)}"
        )


@dataclass(frozen=True, kw_only=True)
class Unproven:
    """What is not proven of a file, and how far its images reach.

    Attributes:
        images: Test images that it was judged on.
        dataset: What they are called.
        criteria: Those that they could not decide; at least one.
        float_model: What is not known of the float model itself; empty where it beats guessing.
    """

    images: int
    dataset: str
    criteria: tuple[OpenCriterion, ...]
    float_model: str = ""

    @property
    def statement(self) -> str:
        """All of it in one line, for people."""
        return f"not proven: {self.reason}"

    @property
    def reason(self) -> str:
        """Why it is not proven, with the numbers."""
        found = "; ".join(one.text for one in self.criteria)
        return (
            f"{count_text(self.images)} images of {dataset_text(self.dataset)} are too few to tell "
            f"whether it answers as well as its float model ({found})"
            + (f"; {self.float_model}" if self.float_model else "")
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, with the statement."""
        return {
            "verdict": "INCONCLUSIVE",
            "statement": self.statement,
            "images": self.images,
            "dataset": self.dataset,
            "criteria": [asdict(one) for one in self.criteria],
            "float_model": self.float_model,
        }


def unproven_of(found: Mapping[str, Any], row: Mapping[str, Any]) -> Unproven | None:
    """Return what is not proven of a row of a verification's record.

    Args:
        found: The record: ``parity.json``, or a released model's ``results.json``.
        row: One of its rows.

    Returns:
        None where the verdict is another than INCONCLUSIVE, or the record does not say what is
        open.

    Raises:
        KeyError: If it is no such record; also ``TypeError`` and others.
    """
    if row["verdict"] != "INCONCLUSIVE":
        return None
    criteria: Sequence[OpenCriterion] = ()
    if row.get("judgement"):
        names: Sequence[str] = found["class_names"]
        criteria = [
            OpenCriterion(
                name=str(one["name"]),
                about=str(one.get("about") or "")
                if one.get("class_index") is None
                else names[one["class_index"]],
                **{key: float(one[key]) for key in ("estimate", "low", "high", "level", "limit")},
            )
            for one in row["judgement"]["criteria"]
            if one["outcome"] == "undecided"
        ]
    if not criteria:
        return None
    return Unproven(
        images=int(found["evaluated"]["images"]),
        dataset=str(found["evaluated"]["dataset"]),
        criteria=tuple(criteria),
        float_model=_float_model(found.get("float_model")),
    )


def _float_model(known: Mapping[str, Any] | None) -> str:
    """Say that the images do not show the float model to be of use, where they do not."""
    if not known or known["outcome"] != "too few":
        return ""
    return (
        f"nor whether the float model itself, right on {count_text(known['right'])} of "
        f"{count_text(known['images'])}, is better than guessing"
    )
