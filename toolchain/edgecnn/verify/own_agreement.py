"""Holds how far a user's own scores are the float model's, as data, and says it in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edgecnn.errors import OwnScoresError


@dataclass(frozen=True, kw_only=True)
class OwnAgreement:
    """How far the user's own scores are the float model's.

    Attributes:
        file: The file of scores, as it was named.
        sha256: Its digest.
        kind: ``probabilities`` or ``logits``.
        named: Whether its columns have the names of classes: then their order is proven, too.
        images: How many images were compared.
        agreed: On how many of them both have the same class.
        excused: On how many they differ, where the float model's margin is below ``margin``, or
            below twice what another decoder makes of the scores of that image.
        largest: The largest difference of a probability, 0..1.
        mean: Mean over the images of their largest difference, 0..1.
        margin: The margin below which decoding alone can change the class of most images, 0..1:
            twice the median change of a score.
        decoded: Of how many images the decoding was measured; 0 where no class differed, or images
            have one meaning to the bit.
        decoding: The largest change of a probability by another decoder; None where that was not
            measured.
        without: How many images of the data have no scores in the file.
        unknown: How many rows of the file are of no image of the data.
        differing: The first images on which the class differs and is not excused.
        explanation: What explains the difference, a sentence; None where there is none, or it was
            not looked for.
    """

    file: str
    sha256: str
    kind: str
    named: bool
    images: int
    agreed: int
    excused: int
    largest: float
    mean: float
    margin: float
    decoded: int = 0
    decoding: float | None = None
    without: int = 0
    unknown: int = 0
    differing: tuple[str, ...] = ()
    explanation: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether the classes are equal but for what decoding alone can change."""
        return self.agreed + self.excused == self.images

    @property
    def text(self) -> str:
        """A sentence with the numbers."""
        excused = (
            f"; on {self.excused:,} others by no more than another decoder of images changes"
            if self.excused
            else ""
        )
        return (
            f"the float model has the class of {self.file} on {self.agreed:,} of "
            f"{self.images:,} images{excused}; largest difference of a score {self.largest:.2g}"
        )

    @property
    def sentence(self) -> str:
        """The same as a whole sentence, and what follows where the two do not agree."""
        told = self.text[0].upper() + self.text[1:]
        if self.agrees:
            return f"{told}."
        return f"{told}. The verdicts prove nothing until this is explained: {self._advice}."

    @property
    def _advice(self) -> str:
        return self.explanation or "give the model that made these scores, and its images"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, derived ones included."""
        return asdict(self) | {"agrees": self.agrees}

    def error(self) -> OwnScoresError | None:
        """Return the error for scores that are not the float model's; None if they are."""
        if self.agrees:
            return None
        differ = self.images - self.agreed - self.excused
        return OwnScoresError(
            f"the scores in {self.file} are not those of the float model here",
            observed=f"another class for {differ:,} of {self.images:,} images, such as "
            f"{', '.join(self.differing)}; largest difference of a score {self.largest:.2g}, mean "
            f"{self.mean:.2g}",
            expected="the same class for all images with a margin of at least "
            f"{self.margin:.2g}, below which another decoder of images may change it, or twice its "
            "change on that image",
            remedy=self._advice,
        )
