"""Bring a data set's labels into the order of a model's outputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecnn.data.types import Dataset, Images
from edgecnn.errors import LabelsError

__all__ = ["in_class_order"]


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
