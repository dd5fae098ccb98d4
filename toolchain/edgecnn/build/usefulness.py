"""Tells whether a float model beats guessing; if it does not, parity with it proves nothing.

Guessing is to answer always with the class that most images are of: no look at an image is needed
for it. A model beats it if it is right significantly more often, by the one-sided exact binomial
test at 2.5 %.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from edgecnn.build.reference import Reference
from edgecnn.errors import UselessModelError
from edgecnn_runner.quantities import percent_text

ALPHA: Final = 0.025
"""The largest chance of an answer that was guessed to be taken for more."""

GuessingOutcome = Literal["better", "guessing", "too few"]


@dataclass(frozen=True, kw_only=True)
class AgainstGuessing:
    """A model's right answers beside those that guessing would have.

    Attributes:
        images: Images with a label.
        right: Those that the model is right on.
        largest_class: Name of the class that most images are of; empty where there are no images.
        largest_images: How many those are.
    """

    images: int
    right: int
    largest_class: str
    largest_images: int

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0..1; 0 where there are no images."""
        return self.right / self.images if self.images else 0.0

    @property
    def guessing(self) -> float:
        """Share that guessing would be right on, 0..1; 1 where there are no images."""
        return self.largest_images / self.images if self.images else 1.0

    @property
    def p(self) -> float:
        """Chance, 0..1, of so many right answers if each is right as often as guessing is."""
        return _tail(self.right, self.images, self.guessing)

    @property
    def outcome(self) -> GuessingOutcome:
        """Whether it beats guessing; ``too few`` where not even all images right would show it."""
        if self.p <= ALPHA:
            return "better"
        return "guessing" if self.least_right is not None else "too few"

    @property
    def least_right(self) -> int | None:
        """The fewest right answers that beat guessing; None where all of them would not."""
        if _tail(self.images, self.images, self.guessing) > ALPHA:
            return None
        low, high = 0, self.images
        while low < high:
            middle = (low + high) // 2
            if _tail(middle, self.images, self.guessing) <= ALPHA:
                high = middle
            else:
                low = middle + 1
        return low

    def error(
        self, min_accuracy: float | None, *, recipe: bool = True, hint: str = ""
    ) -> UselessModelError | None:
        """Return the error that a useless model is; None where it is of use, or that is open.

        Args:
            min_accuracy: The limit in force, percent. Where one is given, files are judged by it
                and not by whether their model guesses; 0 asks for nothing.
            recipe: Whether there is a recipe that could say so.
            hint: What was found to be wrong with how it is fed or read, a sentence; often nothing.
        """
        if min_accuracy is not None or self.outcome != "guessing":
            return None
        where = "min_accuracy = 0 under [limits] in the recipe, or " if recipe else ""
        return UselessModelError(
            "the float model is no better than guessing, so that nothing it is compared with is "
            "proven to be of use",
            observed=f"right on {self.right:,} of {self.images:,} images "
            f"({percent_text(self.accuracy, 1)}); always to answer {self.largest_class} is right "
            f"on {self.largest_images:,} ({percent_text(self.guessing, 1)})",
            expected=f"right on at least {self.least_right:,} of them, which chance alone gives "
            "in at most 2.5 % of cases",
            remedy=(f"perhaps it is how it is fed or read: {hint} Else " if hint else "")
            + (
                "train on more images, longer, or on classes that look less alike; of a model made "
                "elsewhere "
                if recipe
                else ""
            )
            + "check the order of the labels, the input range, the other preprocessing flags and "
            f"the training; if such a model is wanted: {where}--min-accuracy 0 of convert and "
            "verify",
        )

    def notes(self, min_accuracy: float | None) -> list[str]:
        """Return what has to be known of the model where that is no error, a sentence each."""
        if not self.images:
            return [
                "no evaluation image has a label, so it is not known whether the float model is "
                "better than guessing"
            ]
        outcome = self.outcome
        if outcome == "too few" and self.largest_images == self.images:
            return [
                f"all {self.images:,} evaluation images are of one class, {self.largest_class}, so "
                "it is not known whether the float model is better than guessing"
            ]
        if outcome == "too few":
            return [
                f"{self.images:,} evaluation images are too few to tell whether the float model "
                f"is better than guessing ({percent_text(self.guessing, 1)}): even all of them "
                "right could be chance"
            ]
        found = []
        if min_accuracy is not None and 100 * self.accuracy < min_accuracy:
            found.append(
                f"the float model itself is right on {percent_text(self.accuracy)} of "
                f"{self.images:,} images, below the {min_accuracy:g} % that every file is asked "
                "for: train it further, or lower min_accuracy"
            )
        if min_accuracy is not None and outcome == "guessing":
            found.append(
                f"the float model is right on {percent_text(self.accuracy, 1)} of {self.images:,} "
                f"images, no better than guessing ({percent_text(self.guessing, 1)}): that a file "
                "follows it does not make the file useful"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, derived ones included."""
        return dataclasses.asdict(self) | {
            "accuracy": self.accuracy,
            "guessing": self.guessing,
            "p": self.p,
            "outcome": self.outcome,
        }


def against_guessing(
    decisions: npt.NDArray[np.integer[Any]],
    labels: npt.NDArray[np.integer[Any]],
    class_names: Sequence[str],
) -> AgainstGuessing:
    """Count what a model is right on, and the largest class.

    Args:
        decisions: The class that it answers with, for each image, shape (n,).
        labels: The true classes, shape (n,); below 0 for an image without a label, which does not
            count.
        class_names: Their names.
    """
    known = labels >= 0
    of_class = np.bincount(labels[known], minlength=len(class_names))
    images = int(known.sum())
    largest = int(of_class.argmax())
    return AgainstGuessing(
        images=images,
        right=int(np.count_nonzero((decisions == labels) & known)),
        largest_class=class_names[largest] if images else "",
        largest_images=int(of_class[largest]),
    )


def float_model_of(reference: Reference) -> AgainstGuessing:
    """Count what the float model of a build is right on, on all its evaluation images."""
    decisions = reference.scores.argmax(axis=1)
    return against_guessing(decisions, reference.labels, reference.class_names)


def _tail(right: int, images: int, share: float) -> float:
    """Return the chance of at least ``right`` of ``images`` where each has the chance ``share``."""
    from scipy.special import bdtrc

    return 1.0 if right <= 0 else float(bdtrc(right - 1, images, share))
