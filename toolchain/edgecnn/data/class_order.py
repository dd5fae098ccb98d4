"""Bring a data set's labels into the order of a model's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.data.types import Dataset, Images
from edgecnn.errors import LabelsError

_SHOWN: Final = 12


def in_class_order(dataset: Dataset, class_names: tuple[str, ...]) -> Dataset:
    """Renumber a data set's labels so that they follow a model's output order.

    A model made elsewhere may have learnt its classes in another order than the data set's;
    its labels file says which.

    Args:
        dataset: The data.
        class_names: Class names in output order.

    Returns:
        The data set itself if the orders are the same, else one with renumbered labels.

    Raises:
        LabelsError: If the names are not the same names.
    """
    if dataset.class_names == class_names:
        return dataset
    missing = [name for name in dataset.class_names if name not in class_names]
    unknown = [name for name in class_names if name not in dataset.class_names]
    if missing or unknown or len(class_names) != len(dataset.class_names):
        raise LabelsError(
            "the labels are not the classes of the data",
            observed=f"labels without data: {', '.join(unknown) or 'none'}; "
            f"classes without a label: {', '.join(missing) or 'none'}",
            expected=f"the names {', '.join(dataset.class_names[:12])}"
            + (", ..." if len(dataset.class_names) > 12 else ""),
            remedy="name the classes in the labels file as the data does, in output order",
        )
    new_label = np.array([class_names.index(name) for name in dataset.class_names], np.int64)

    def renumbered(images: Images) -> Images:
        return replace(images, labels=new_label[images.labels])

    return replace(
        dataset,
        class_names=class_names,
        train=renumbered(dataset.train),
        validation=renumbered(dataset.validation),
        test=renumbered(dataset.test),
    )


def places_in(labels: Sequence[str], class_names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return where a data set's classes stand among a model's labels.

    Args:
        labels: Class names in output order; those without images may be among them.
        class_names: The data set's, in label order.

    Returns:
        The output of each class, shape (classes of the data,), int64.

    Raises:
        LabelsError: If the labels lack a class of the data.
    """
    missing = [name for name in class_names if name not in labels]
    if missing:
        some = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
        raise LabelsError(
            f"{len(missing)} of {len(class_names)} classes of the data are not among the labels",
            observed=f"no label {some}; the labels begin {', '.join(labels[:3])}",
            expected="a label for each class that there are images of",
            remedy="name the class folders as the labels are, or the labels as the folders, in "
            "output order",
        )
    place = {name: index for index, name in enumerate(labels)}
    return np.array([place[name] for name in class_names], np.int64)
