"""Folders of images as people publish them: what splits them is never learnt as a class."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from command import edgecnn_here
from convert.brightness import NAMES, pictures
from edgecnn.data.folder import load_folder
from edgecnn.errors import DataError

LABELS = tuple(sorted(NAMES))
# Where the parts stand, and which split each is to be: a letter, or - where it is left out.
SPLITS = {
    "as Keras's examples have it": {"train": "r", "val": "t"},  # there is nothing else to judge on
    "as Roboflow exports it": {"train": "r", "valid": "v", "test": "t"},
    "as on Kaggle": {"Training": "r", "Testing": "t"},
    "capitals": {"TRAIN": "r", "VAL": "v", "TEST": "t"},
    "with numbers": {"seg_train": "r", "seg_test": "t"},
    "as courses have it": {"training_set": "r", "test_set": "t"},
    "one too deep": {"pictures/v1/train": "r", "pictures/v1/test": "t"},
    "wrapped each": {"seg_train/seg_train": "r", "seg_test/seg_test": "t"},
    "with something beside it": {"train": "r", "test": "t", "unlabelled": "-"},
}
NO_CLASSES = {
    "folds": ("fold1", "fold2", "fold3"),
    "two sources": ("camera", "phone"),
    "years": ("2023", "2024"),
}


def write(root: Path, parts: tuple[str, ...]) -> Path:
    """Write pictures of every class, others in each part."""
    for seed, part in enumerate(parts):
        for index, (pixels, label) in enumerate(zip(*pictures(8, seed), strict=True)):
            place = root / part / NAMES[label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place / f"{index:03}.png")
    return root


@pytest.mark.parametrize("name", SPLITS)
def test_the_split_is_taken_as_it_was_meant(tmp_path: Path, name: str) -> None:
    parts = SPLITS[name]
    root = write(tmp_path, tuple(parts))
    found = load_folder(root, image_size=(16, 16), channels=3, test=0.2, validation=0.1, seed=1)
    assert found.class_names == LABELS
    where = {
        part: {one for one in ("train", "validation", "test")
               if any(f"{part}/" in image for image in getattr(found, one).ids)}
        for part in parts
    }  # fmt: skip
    wanted = {"r": {"train"}, "v": {"validation"}, "t": {"test"}, "-": set()}
    if "v" not in parts.values():
        wanted["r"] = {"train", "validation"}
    assert where == {part: wanted[kind] for part, kind in parts.items()}


@pytest.mark.parametrize("name", NO_CLASSES)
def test_folders_that_hold_the_same_classes_are_no_classes(tmp_path: Path, name: str) -> None:
    root = write(tmp_path, NO_CLASSES[name])
    with pytest.raises(DataError) as caught:
        load_folder(root, image_size=(16, 16), channels=3, test=0.2, validation=0.1, seed=1)
    message = str(caught.value)
    assert all(part in message for part in NO_CLASSES[name])


@pytest.mark.slow
def test_a_network_learns_the_classes_and_not_the_split(tmp_path: Path) -> None:
    root = write(tmp_path / "pictures", ("train", "val"))
    recipe = tmp_path / "recipe"
    assert edgecnn_here("init", recipe).code == 0
    done = edgecnn_here(
        "build", recipe, "--data", root, "--set", "train.epochs=1", "--set",
        "model.architecture=tiny_cnn", "--set", "data.image_size=32",
        "--set", 'convert.variants=["tflite-fp32"]',
    )  # fmt: skip
    assert done.code != 1, done.err  # one epoch: no promise of what it can
    labels = recipe / "build" / "labels.txt"
    assert tuple(labels.read_text().split()) == LABELS
