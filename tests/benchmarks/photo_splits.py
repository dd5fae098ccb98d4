"""What splits by groups and the check of labels are worth, on photos whose names tell neighbours.

The same features are judged by random folds, by folds that keep the groups of ``split_by = "auto"``
together, and by folds that keep runs of 20 neighbouring file names together, which stand for what a
careful person would do. Then labels are exchanged at random, and it is counted how many of them
``edgecnn data`` finds. The results are written beside this file, and the manual's page "Your data"
quotes them. Not part of ``run_all.py``: it takes some minutes, and photos that are not here.

    python tests/benchmarks/photo_splits.py FOLDER [--weights FILE]

FOLDER holds a folder per class, for example TrashNet's (https://github.com/garythung/trashnet).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from measure import machine, versions

from edgecnn.data.class_folders import list_classes
from edgecnn.data.grouping import group_images
from edgecnn.data.quality.cross_validation import grouped_folds, out_of_fold_scores
from edgecnn.data.quality.duplicates import near_pairs
from edgecnn.data.quality.labels import label_doubts
from edgecnn.data.quality.photos import FeatureExtractor, read_photos
from edgecnn.data.quality.split_effect import split_effect
from edgecnn.progress import NO_PROGRESS
from edgecnn.train.backbones.networks import PhotoFeatures

RESULTS: Final = Path(__file__).with_suffix(".json")
RUN: Final = 20
FEW: Final = 60  # photos of a class to learn from
DRAWS: Final = 15
EXCHANGED: Final = 0.05

Integers = npt.NDArray[np.int64]


def runs_by_hand(ids: list[str], labels: Integers) -> Integers:
    """Return runs of neighbouring file names, by their numbers."""
    groups = np.empty(len(ids), np.int64)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        order = sorted(own, key=lambda n: int("".join(filter(str.isdigit, Path(ids[n]).name))))
        for place, index in enumerate(order):
            groups[index] = label * 1000 + place // RUN
    return groups


def learnt_from_few(
    features: npt.NDArray[np.float32], labels: Integers, groups: Integers
) -> dict[str, float]:
    """Return the accuracy on all other photos of what learns from ``FEW`` of each class."""
    parts = round(np.bincount(labels).min() / FEW)
    found = []
    for seed in range(DRAWS):
        folds = grouped_folds(labels, groups, seed=seed, folds=parts)
        # One part is learnt from, and the others are asked about.
        sides = (folds == 0).astype(np.int64)
        scores = out_of_fold_scores(features, labels, sides, int(labels.max()) + 1)
        asked = sides == 0
        found.append(float((scores[asked].argmax(axis=1) == labels[asked]).mean()))
    return {"mean": float(np.mean(found)), "deviation": float(np.std(found, ddof=1))}


def exchanged_labels(features: npt.NDArray[np.float32], labels: Integers) -> dict[str, int]:
    """Return how many labels were exchanged, how many of these are named, and how many in all."""
    rng = np.random.default_rng(0)
    classes = int(labels.max()) + 1
    wrong = rng.choice(len(labels), round(EXCHANGED * len(labels)), replace=False)
    changed = labels.copy()
    changed[wrong] = (labels[wrong] + rng.integers(1, classes, len(wrong))) % classes
    doubts = label_doubts(features, changed, np.arange(len(labels)), classes=classes)
    named = {doubt.index for doubt in doubts}
    return {
        "exchanged": len(wrong),
        "found": len(named & set(wrong.tolist())),
        "named": len(named),
    }


def measure(root: Path, extractor: FeatureExtractor) -> dict[str, Any]:
    """Return the results for a folder of photos."""
    names, files = list_classes(root)
    read = read_photos(root, {"": files}, extractor=extractor)
    assert read.features is not None
    # What stands in two classes trains nothing, and is in no split.
    digests = [photo.pixels_sha256 for photo in read.photos]
    kept = [n for n, digest in enumerate(digests) if digests.count(digest) == 1]
    photos, features = [read.photos[n] for n in kept], read.features[kept]
    labels = np.array([photo.label for photo in photos], np.int64)
    ids = [photo.id for photo in photos]
    prints = [photo.print for photo in photos]
    grouping = group_images(ids, [names[label] for label in labels], "auto", prints=prints)
    kinds = {
        "auto": np.array([grouping.group_of[name] for name in ids], np.int64),
        f"runs of {RUN} names": runs_by_hand(ids, labels),
    }
    few = {"random": np.arange(len(ids)), **kinds}
    return {
        "photos": len(ids),
        "classes": len(names),
        "splits": {
            kind: asdict(
                split_effect(features, labels, groups, backbone=extractor.name, classes=len(names))
            )
            for kind, groups in kinds.items()
        },
        f"learnt from {FEW} a class": {
            kind: learnt_from_few(features, labels, groups) for kind, groups in few.items()
        },
        "labels": exchanged_labels(features, labels),
        "look alike": [
            sorted((ids[pair.first], ids[pair.second]))
            for pair in near_pairs(prints, features=features)
        ],
    }


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path)
    given = parser.parse_args()
    extractor = PhotoFeatures(weights=given.weights, progress=NO_PROGRESS)
    found = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions("keras", "numpy", "pillow", "scikit-learn", "tensorflow"),
        "backbone": f"{extractor.name} at {extractor.size} px",
        **measure(given.folder, extractor),
    }
    RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
