"""A repair of a model made elsewhere: images that it has seen show nothing wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command import Finished, edgecnn_here
from convert.hard_networks import digit_classifier, with_uneven_channels
from edgecnn.build.workspace import Workspace
from edgecnn.data import load_dataset
from edgecnn.quiet import captured_log
from edgecnn.recipe.load import parse_recipe

pytestmark = pytest.mark.slow

SEEN, NEW = 200, 500
"""Images that the model learnt by heart, and pictures without labels that it has not seen."""


@dataclass(frozen=True)
class Place:
    """A folder with my.keras, its photos in data/train and data/test, and new/ without labels."""

    folder: Path
    none_said: Finished
    trusted: Finished
    repaired: Finished
    verified: Finished

    def row(self, build: str, variant: str) -> Any:
        rows = Workspace(self.folder / build).manifest()["variants"]
        return next(row for row in rows if row["variant"] == variant)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("elsewhere")
    raw = {"model": {"name": "x"}, "data": {"name": "digits"}}
    data = load_dataset(parse_recipe(raw, source="test").data)
    parts = (data.train, data.validation, data.test)
    pixels = np.concatenate([part.pixels for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    for index, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        if index < SEEN:
            file = folder / "data/train" / str(label) / f"{index}.png"
        elif index < SEEN + NEW:
            file = folder / "new" / f"{index}.png"
        else:
            file = folder / "data/test" / str(label) / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(file)
    seen: Any = SimpleNamespace(train=SimpleNamespace(pixels=pixels[:SEEN], labels=labels[:SEEN]))
    with captured_log():
        model = with_uneven_channels(digit_classifier(seen, epochs=100), factor=30)
        model.save(folder / "my.keras")
    command = (
        "convert",
        folder / "my.keras",
        "--data",
        folder / "data",
        "--variant",
        "tflite-int8",
    )
    repair = (*command, "--repair", "--as-is")
    return Place(
        folder=folder,
        none_said=edgecnn_here(*repair, "--out", folder / "none"),
        trusted=edgecnn_here(*repair, "--unseen-data", "--out", folder / "trusted"),
        repaired=edgecnn_here(
            *repair, "--unlabelled", folder / "new", "--out", folder / "repaired", "--json"
        ),
        verified=edgecnn_here(
            "verify", folder / "repaired", "--unlabelled", folder / "new", "--json"
        ),
    )


def test_it_asks_for_images_that_the_model_has_not_seen_before_it_loads_anything(
    place: Place,
) -> None:
    assert place.none_said.code == 2
    assert "which images it has seen is not known" in place.none_said.err
    for option in ("--unlabelled FOLDER", "--unseen-data"):
        assert option in place.none_said.err
    assert not (place.folder / "none").exists()


def test_images_that_it_learnt_by_heart_show_nothing_wrong(place: Place) -> None:
    assert place.trusted.code == 0, place.trusted.err
    repair = place.row("trusted", "tflite-int8")["repair"]
    assert (repair["outcome"], repair["split"]) == ("not needed", "validation")


def test_new_pictures_without_labels_show_what_int8_costs_and_what_mends_it(place: Place) -> None:
    assert place.repaired.code == 0, place.repaired.err
    rows = place.repaired.json()["variants"]
    (made,) = [row for row in rows if row["status"] == "made"]
    repair = made["repair"]
    assert repair["outcome"] in ("recalibrated", "mixed")
    assert (repair["split"], repair["folder"]) == ("unlabelled", str(place.folder / "new"))
    assert 0.9 * NEW < repair["images"] <= NEW
    first = repair["tried"][0]
    assert not first["holds"]
    assert first["result"].startswith("agreement ")
    assert repair["tried"][-1]["holds"] or any(one["holds"] for one in repair["tried"])
    record = place.folder / "repaired" / Workspace.calibration_of(made["variant"])
    selection = json.loads(record.read_text())["selection"]
    assert selection["folder"] == str(place.folder / "new")
    assert len(selection["image_sha256"]) == repair["images"]


def test_what_it_chose_by_is_remembered_and_is_no_evidence_for_the_verdict(place: Place) -> None:
    source = Workspace(place.folder / "repaired").manifest()["source"]
    assert source["unseen"] == {"folder": str(place.folder / "new")}
    # All of the pictures were spent on the choice.
    assert place.verified.code != 0
    assert "a repair chose a file by them" in place.verified.err
