"""Groups of evaluation images: who they are, and how both models do on each.

A table says which groups an image belongs to, for example its lighting, the camera, or the skin
tone of whoever is on it. Nothing is guessed: an image without an entry belongs to no group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.shares import wilson_interval
from edgecnn.data.group_table import group_of, read_group_table
from edgecnn.errors import DataError
from edgecnn.files import canonical_digest
from edgecnn.verify.gate.judgement import Paired

_MOST_GROUPS: Final = 50


@dataclass(frozen=True, kw_only=True)
class Groups:
    """What a table says.

    Attributes:
        columns: Column name to image name to group name, without the empty ones.
    """

    columns: Mapping[str, Mapping[str, str]]

    def digest(self) -> str:
        """Return the SHA-256 of what the table says, however it is written."""
        return canonical_digest({name: dict(named) for name, named in self.columns.items()})


@dataclass(frozen=True, kw_only=True)
class Group:
    """The images of one group.

    Attributes:
        name: As the table has it.
        paired: Their number, and which only one of the models gets right.
        reference_right: Images the float model gets right.
        classes: The same for each class, in score order; a class may have none.
        classes_reference_right: Of each class, the images the float model gets right.
    """

    name: str
    paired: Paired
    reference_right: int
    classes: tuple[Paired, ...]
    classes_reference_right: tuple[int, ...]

    @property
    def right(self) -> int:
        """Images the artifact gets right."""
        return self.reference_right - self.paired.lost + self.paired.gained

    def shares(self) -> dict[str, Any]:
        """Return what is derived of the counts, JSON-ready: shares 0..1 with 95 % intervals.

        ``recall`` and ``reference_recall`` are of each class, None without images of it.
        """
        n = self.paired.images
        recalls = [
            (before, before - one.lost + one.gained, one.images)
            for before, one in zip(self.classes_reference_right, self.classes, strict=True)
        ]
        return {
            "accuracy": share_with_interval(self.right, n),
            "reference_accuracy": share_with_interval(self.reference_right, n),
            "drop": self.paired.drop,
            "reference_recall": [share_with_interval(before, n) for before, _, n in recalls],
            "recall": [share_with_interval(after, n) for _, after, n in recalls],
        }


def share_with_interval(count: int, n: int) -> dict[str, float] | None:
    """Return a share with Wilson's 95 % interval, JSON-ready; None for a share of nothing."""
    if not n:
        return None
    interval = wilson_interval(count, n)
    return {"share": count / n, "low": interval.low, "high": interval.high}


@dataclass(frozen=True, kw_only=True)
class GroupColumn:
    """One column of the table.

    Attributes:
        name: Its heading.
        groups: Those with images among the evaluated ones, in the order of their names.
        without: Evaluated images that the table gives no group in this column.
    """

    name: str
    groups: tuple[Group, ...]
    without: int


def read_groups(path: Path) -> Groups:
    """Read a table of groups; see ``read_group_table``.

    Args:
        path: A CSV file in UTF-8.

    Raises:
        DataError: If it cannot be read, names an image twice, or has no column of groups, or one
            of more than 50.
    """
    return Groups(columns=read_group_table(path, most_groups=_MOST_GROUPS).columns)


def count_groups(
    groups: Groups,
    ids: Sequence[str],
    labels: npt.NDArray[np.int64],
    reference: npt.NDArray[np.intp],
    artifact: npt.NDArray[np.intp],
    *,
    classes: int,
) -> tuple[GroupColumn, ...]:
    """Count right and wrong answers in each group.

    Args:
        groups: Which image belongs to which.
        ids: Names of the evaluated images, n of them.
        labels: Their true classes, shape (n,).
        reference: The float model's decisions, shape (n,).
        artifact: The artifact's, same shape.
        classes: How many classes there are.

    """
    was_right, is_right = reference == labels, artifact == labels
    columns = []
    for name, of_image in _assigned(groups, ids).items():
        present = sorted({group for group in of_image if group})
        columns.append(
            GroupColumn(
                name=name,
                groups=tuple(
                    _count(group, of_image == group, labels, was_right, is_right, classes)
                    for group in present
                ),
                without=int(np.count_nonzero(of_image == "")),
            )
        )
    return tuple(columns)


def check_groups(groups: Groups, ids: Sequence[str]) -> None:
    """Refuse a table that does not fit the images, before any of them is classified.

    Args:
        groups: What it says.
        ids: Names of the evaluated images, at least one.

    Raises:
        DataError: If a column tells fewer than two groups of them apart.
    """
    for name, of_image in _assigned(groups, ids).items():
        present = sorted({group for group in of_image if group})
        if len(present) < 2:
            named = next(iter(groups.columns[name]), "none")
            raise DataError(
                f"the column {name} tells fewer than two groups of the evaluated images apart",
                observed=f"only {present[0]}"
                if present
                else f"none of the {len(ids):,} images, such as {ids[0]}; the table has {named}",
                expected="at least two groups, of images that are named as in the report",
                remedy="name images by their path in the data folder (CIFAR-10: test/0, test/1 "
                "and so on), or use more images",
            )


def _assigned(groups: Groups, ids: Sequence[str]) -> dict[str, npt.NDArray[np.str_]]:
    """Return each column's group of every image, empty for none."""
    return {
        name: np.array([group_of(named, image) for image in ids])
        for name, named in groups.columns.items()
    }


def _count(
    name: str,
    chosen: npt.NDArray[np.bool_],
    labels: npt.NDArray[np.int64],
    was_right: npt.NDArray[np.bool_],
    is_right: npt.NDArray[np.bool_],
    classes: int,
) -> Group:
    def each(which: npt.NDArray[np.bool_]) -> list[int]:
        counts = np.bincount(labels[which], minlength=classes)
        return [int(count) for count in counts]

    lost, gained = chosen & was_right & ~is_right, chosen & ~was_right & is_right
    return Group(
        name=name,
        paired=Paired(images=int(chosen.sum()), lost=int(lost.sum()), gained=int(gained.sum())),
        reference_right=int((chosen & was_right).sum()),
        classes=tuple(
            Paired(images=n, lost=minus, gained=plus)
            for n, minus, plus in zip(each(chosen), each(lost), each(gained), strict=True)
        ),
        classes_reference_right=tuple(each(chosen & was_right)),
    )
