"""The facts about files that edgecnn did not make, as data: said by flags, read, or suspected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

HintKind = Literal["input", "labels", "guessing"]


@dataclass(frozen=True, kw_only=True)
class Hint:
    """Something that may have gone wrong in how a file was fed or read; never a verdict.

    Attributes:
        kind: ``input`` for another range, layout or order of colours, ``labels`` for another order
            of the outputs, ``guessing`` for answers no better than chance that neither explains.
        text: A sentence with its numbers, and what to do.
        images: How many images the numbers are of.
        before: Share of answers as expected, as it was fed and read, 0..1.
        after: The same with what is suspected; None if nothing is.
        option: The flags that would make it so; None where no flag does.
    """

    kind: HintKind
    text: str
    images: int
    before: float
    after: float | None = None
    option: str | None = None


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """How a verification of files that edgecnn did not make came to its numbers.

    Attributes:
        reference: The reference as it was named.
        reference_sha256: Digest of the file, or of the folder's files.
        reference_runtime: What computed its scores, with version.
        reference_range: What pixels were brought to for it, as a contract writes it.
        reference_normalizes: Whether it was seen to normalize raw pixels itself.
        reference_kind: ``probabilities`` or ``logits``.
        input_range: What pixels were brought to for the artifacts.
        read: Artifact to how it was fed and read, in words.
        images: Which of the data's images they are, in words.
        unseen_labels: How many labels there are no images of.
        calibration: Always ``not known``: nothing tells which images a file was calibrated or
            trained on.
        hints: About the reference, and about the labels of both.
    """

    reference: str
    reference_sha256: str
    reference_runtime: str
    reference_range: str
    reference_normalizes: bool
    reference_kind: str
    input_range: str
    read: Mapping[str, str]
    images: str
    unseen_labels: int = 0
    calibration: Literal["not known"] = "not known"
    hints: tuple[Hint, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """Return what has to be known beside the verdicts, a sentence each."""
        found = [
            "It is not known which images these files were trained and calibrated on: if these are "
            "among them, the verdicts flatter them."
        ]
        if self.unseen_labels:
            found.append(
                f"There are no images of {self.unseen_labels:,} labels; nothing is said of these "
                "classes."
            )
        return tuple(found)
