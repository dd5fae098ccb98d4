"""The kinds of findings about photos: what each means, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

FindingKind = Literal[
    "equal_across_classes",
    "equal_across_splits",
    "near_across_classes",
    "near_across_splits",
    "label",
    "unreadable",
    "not_an_image",
    "blank",
    "dark",
    "burnt_out",
    "blurred",
    "small",
    "equal",
    "near",
]


@dataclass(frozen=True, kw_only=True)
class PhotoFinding:
    """Something to look at: one photo, or several that belong together.

    Attributes:
        kind: What it is; see ``KINDS``.
        photos: Paths relative to the folder, with ``/``.
        detail: What was measured, in words.
        suggested: The class that a photo looks like; None where it is not about its label.
        score: The measure behind the order of the findings of a kind, the gravest highest: for
            ``label`` how much more probable the other class is, 0..1; for near duplicates the
            share of the hash that is equal; for ``blurred`` the blur, 0..1; None for the others.
    """

    kind: FindingKind
    photos: tuple[str, ...]
    detail: str
    suggested: str | None = None
    score: float | None = None


@dataclass(frozen=True, kw_only=True)
class KindOfFinding:
    """What findings of a kind have in common.

    Attributes:
        title: Their heading.
        meaning: What they do to a training or a verdict.
        advice: What to do.
    """

    title: str
    meaning: str
    advice: str


KINDS: Final[Mapping[FindingKind, KindOfFinding]] = {
    "equal_across_classes": KindOfFinding(
        title="One photo in two classes",
        meaning="Nothing can be learnt or told from it: training leaves out all copies.",
        advice="Delete the copies that are in the wrong class.",
    ),
    "equal_across_splits": KindOfFinding(
        title="One photo in two splits",
        meaning="A test by what was trained on says nothing: training leaves its copy out.",
        advice="Delete the copy among the training photos, or the one in the test.",
    ),
    "near_across_classes": KindOfFinding(
        title="Photos that look alike, in two classes",
        meaning="One of them may be in the wrong class; or it takes more than such a photo to tell "
        "the classes apart.",
        advice="Look at them side by side; move what is in the wrong class, and delete a copy.",
    ),
    "near_across_splits": KindOfFinding(
        title="Photos that look alike, in two splits",
        meaning="The test shows what the training has seen: its accuracy flatters.",
        advice="Move them to one side; or put all photos into one folder of classes, and let "
        "data.split_by = 'auto' divide them.",
    ),
    "label": KindOfFinding(
        title="Labels that are likely wrong",
        meaning="By the other photos, they look like another class. Wrong labels in the training "
        "cost accuracy; in the test they make it look worse than it is.",
        advice="Look at each; move those that are in the wrong class, and leave the others: a "
        "right photo that looks unusual is worth keeping.",
    ),
    "unreadable": KindOfFinding(
        title="Files that cannot be read",
        meaning="Training leaves them out, and refuses a folder in which they are more than 5 %.",
        advice="Open them in a viewer and save them again, copy them again, or delete them.",
    ),
    "not_an_image": KindOfFinding(
        title="Files that are no images",
        meaning="Training leaves them out.",
        advice="Move them out of the class folders.",
    ),
    "blank": KindOfFinding(
        title="Photos that show nothing",
        meaning="One colour, or nearly: a closed lens, an empty frame. They teach a class what is "
        "no sign of it.",
        advice="Delete them.",
    ),
    "dark": KindOfFinding(
        title="Dark photos",
        meaning="19 of 20 pixels are nearly black.",
        advice="Delete those in which you cannot tell the class yourself. Keep them where the "
        "device will see such light, and then in all classes.",
    ),
    "burnt_out": KindOfFinding(
        title="Burnt-out photos",
        meaning="More than half of the pixels are white to the end of the range.",
        advice="Where it is the light, expose less. Where it is a white background, as of "
        "catalogues, take photos as the device will see the things, too.",
    ),
    "blurred": KindOfFinding(
        title="Blurred photos",
        meaning="Motion, or focus on something else. A few do no harm, and devices take such, too.",
        advice="Delete those in which you cannot tell the class yourself.",
    ),
    "small": KindOfFinding(
        title="Photos much smaller than the others",
        meaning="They are scaled up, and show less than the rest: thumbnails, perhaps.",
        advice="Replace them by the originals. Where one class has most of them, size alone gives "
        "it away: then do so first.",
    ),
    "equal": KindOfFinding(
        title="Copies of one photo",
        meaning="A copy counts twice, in the training as in the test. Splits keep them together.",
        advice="Keep one of each.",
    ),
    "near": KindOfFinding(
        title="Photos that look alike",
        meaning="They teach little more than one of them, and on both sides of a split they "
        "flatter.",
        advice="Keep them, with data.split_by = 'auto', which puts them on one side; or keep the "
        "best of each.",
    ),
}
"""What each kind means, the gravest first."""

TAKEN_SO: Final = 1 / 3
"""Beyond this share of all photos, a fault of light or focus is how the photos were taken."""


def kinds_found(findings: Sequence[PhotoFinding]) -> dict[FindingKind, list[PhotoFinding]]:
    """Return the findings of each kind that there are findings of, the gravest kind first."""
    found: dict[FindingKind, list[PhotoFinding]] = {}
    for kind in KINDS:
        of_kind = [finding for finding in findings if finding.kind == kind]
        if of_kind:
            found[kind] = of_kind
    return found
