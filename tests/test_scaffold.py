"""What ``init`` writes, with images and without."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel

from edgecnn.commands.init import InitRequest, init, pretrained_for, recipe_text
from edgecnn.data import Survey
from edgecnn.data.class_folders import Split
from edgecnn.errors import DataError, UsageError
from edgecnn.recipe.load import Recipe, load_recipe, parse_recipe
from edgecnn.recipe.sections import Limits
from edgecnn.verify.gate.criteria import judge
from edgecnn.verify.gate.judgement import Counts, Paired


def survey(counts: dict[str, int], short_side: int, *, grey: bool = False, **splits: int) -> Survey:
    return Survey(
        counts=counts,
        splits=cast("dict[Split, int]", splits),
        short_side=short_side,
        grey=grey,
        notes=(),
    )


FOUND = {
    "180 photos": survey({"a": 60, "b": 60, "c": 60}, 1080),
    "6 photos": survey({"a": 3, "b": 3}, 3000),
    "1,500 photos": survey({str(number): 300 for number in range(5)}, 216),
    "50,000 photos": survey({str(number): 500 for number in range(100)}, 375),
    "a million": survey({str(number): 1000 for number in range(1000)}, 375),
    "tiny pictures": survey({"a": 900, "b": 900}, 32),
    "digits": survey({str(number): 6000 for number in range(10)}, 28, grey=True),
    "smaller than any network takes": survey({"a": 90, "b": 90}, 3),
    "X-rays of two classes": survey({"ill": 300, "well": 90}, 1024, grey=True),
    "uneven": survey({"a": 1000, "b": 20}, 500),
    "with splits": survey({"a": 100, "b": 100}, 640, train=200, validation=50, test=40),
    "with a test set": survey({"a": 5000, "b": 5000}, 640, train=10_000, test=40),
}


def recipe_for(found: Survey | None, folder: Path = Path("leaves")) -> Recipe:
    raw = tomllib.loads(recipe_text(folder, None, found))
    return parse_recipe(raw, source="test", for_training=True)


@pytest.mark.parametrize("name", FOUND)
def test_what_is_chosen_suits_the_images(name: str) -> None:
    found = FOUND[name]
    recipe = recipe_for(found)
    height, width = recipe.data.image_size or (0, 0)
    channels = recipe.data.channels
    assert recipe.model.architecture != "seed_cnn"
    assert height == width
    assert 8 <= height <= max(8, min(found.short_side, 96))
    assert found.total * height * width * channels <= 1_000_000_000 or height == 8
    assert channels == (1 if found.grey else 3)
    assert recipe.train.batch_size is not None
    assert 8 <= recipe.train.batch_size <= 128
    assert 10 <= recipe.train.epochs <= 150


@pytest.mark.parametrize("name", FOUND)
def test_a_quick_try_of_one_epoch_is_no_mistake(name: str) -> None:
    raw = tomllib.loads(recipe_text(Path("leaves"), None, FOUND[name]))
    raw["train"]["epochs"] = 1
    parse_recipe(raw, source="test", for_training=True)


@pytest.mark.parametrize("name", FOUND)
def test_photos_that_come_unsplit_are_split_by_groups(name: str) -> None:
    found = FOUND[name]
    text = recipe_text(Path("leaves"), None, found)
    assert recipe_for(found).data.split_by == ("image" if found.splits else "auto")
    assert ("follow on each other by name" in " ".join(text.split())) == (not found.splits)
    assert recipe_for(None).data.split_by == "auto"
    # On one line with its comment, and none of what follows it is torn off.
    assert re.search(r'^split_by = "(auto|image)" +# what stays together', text, re.MULTILINE)


def test_more_images_get_fewer_epochs_and_larger_batches() -> None:
    few, many = recipe_for(FOUND["180 photos"]), recipe_for(FOUND["50,000 photos"])
    assert few.train.epochs > many.train.epochs
    assert (few.train.batch_size or 0) < (many.train.batch_size or 0)
    assert few.augment.preset == many.augment.preset == "light"
    assert few.data.test > many.data.test


@pytest.mark.parametrize("name", FOUND)
def test_validation_images_are_learnt_from_where_they_are_too_few_to_choose_by(name: str) -> None:
    found = FOUND[name]
    recipe = recipe_for(found)
    trained = found.splits.get("train", found.total * (1 - recipe.data.test))
    few = trained * recipe.data.validation < 100 and "validation" not in found.splits
    assert recipe.train.include_validation == few
    assert ("too few to choose an epoch by" in recipe_text(Path("leaves"), None, found)) == few


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["180 photos", "digits", "smaller than any network takes", "50,000 photos"]
)
def test_the_network_that_is_chosen_is_built_and_small(name: str) -> None:
    from edgecnn.train.architectures import build_network

    recipe = recipe_for(FOUND[name])
    size = recipe.data.image_size
    assert size is not None
    network = build_network(
        str(recipe.model.architecture),
        shape=(*size, recipe.data.channels),
        classes=len(FOUND[name].counts),
        precision="float32",
        seed=0,
    )
    assert 200_000 < network.count_params() < 250_000


def test_small_grey_pictures_are_not_mirrored() -> None:
    assert not recipe_for(FOUND["digits"]).augment.flip
    assert recipe_for(FOUND["X-rays of two classes"]).augment.flip


def test_every_choice_has_its_reason_and_all_else_is_the_default() -> None:
    text = recipe_text(Path("leaves"), None, FOUND["1,500 photos"])
    lines = text.splitlines()
    for key, why in (
        ("architecture", "1,500 images of 5 classes"),
        ("image_size", "216 pixels"),
        ("test", "300 of 1,500 images"),
        ("preset", "1,080 images to train on"),
        ("epochs", "1,080 images to train on"),
        ("batch_size", "1,080 images"),
        ("max_drop", "300 test images"),
    ):
        (at,) = [index for index, line in enumerate(lines) if line.startswith(f"{key} = ")]
        above = " ".join(lines[at - 3 : at])
        assert why in above, key
    chosen, plain = recipe_for(FOUND["1,500 photos"]), recipe_for(None)
    differing = {
        f"{section}.{key}"
        for section, keys in plain.to_dict().items()
        for key, value in keys.items()
        if chosen.to_dict()[section][key] != value
    }
    preset = {"preset", "flip", "rotation", "shift", "zoom", "brightness", "contrast", "colour"}
    assert differing == {
        "data.image_size", "data.validation", "train.epochs", "train.batch_size",
        "train.label_smoothing", "train.ema", "train.optimizer", "limits.max_drop",
        *(f"augment.{key}" for key in preset),
    }  # fmt: skip


@pytest.mark.parametrize("each", [8, 24, 60, 200, 6000])
def test_limits_are_such_that_the_test_images_can_decide_them(each: int) -> None:
    found = survey(dict.fromkeys("abcde", each), 216)
    limits, images = recipe_for(found).limits, each  # a fifth of five classes
    assert limits.agreement_on == "clear"
    lost = 1 if each >= 24 else 0
    counts = Counts(
        overall=Paired(images=images, lost=lost, gained=lost),
        disagreements=lost,
        right=images - lost,
        classes=(Paired(images=images // 5, lost=lost, gained=0),) * 5,
    )
    assert judge(counts, limits).verdict == "PASS"
    assert (limits == Limits()) == (each == 6000)


@pytest.mark.parametrize("each", [24, 48, 100, 200, 700])
def test_a_good_file_mostly_passes_by_them_whatever_the_test_images(each: int) -> None:
    """One that changes 4.5 % of its answers and loses 0.8 points, as those of own photos do."""
    found = survey(dict.fromkeys("abcde", each), 216)
    limits, random = recipe_for(found).limits, np.random.default_rng(each)
    passed = 0
    for _ in range(draws := 150):
        lost, gained = (
            random.binomial(each // 5, (0.045 + loss) / 2, 5) for loss in (0.008, -0.008)
        )
        classes = tuple(
            Paired(images=each // 5, lost=int(one), gained=int(other))
            for one, other in zip(lost, gained, strict=True)
        )
        counts = Counts(
            overall=Paired(images=each, lost=int(lost.sum()), gained=int(gained.sum())),
            disagreements=int(random.binomial(each, 0.015)),
            right=int(0.8 * each),
            classes=classes,
        )
        passed += judge(counts, limits).verdict == "PASS"
    assert passed / draws >= 0.7


def test_the_templates_explain_every_key() -> None:
    # Of training from scratch, and of training on a pretrained network.
    photos = FOUND["1,500 photos"]
    texts = [
        recipe_text(Path("leaves"), None, None),
        recipe_text(Path("leaves"), None, photos, pretrained_for(photos, "pi-4")),
    ]

    def keys(model: type[BaseModel], table: str) -> list[tuple[str, str]]:
        found = []
        for key, field in model.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                found += keys(inner, f"{table}.{key}".strip("."))
            else:
                found.append((table, key))
        return found

    for table, key in keys(Recipe, ""):
        begin, end = rf"^(?:# )?\[{re.escape(table)}\]", r"^(?:# )?\["
        parts = [re.split(begin, text, flags=re.MULTILINE)[1:2] for text in texts]
        sections = [re.split(end, one[0], flags=re.MULTILINE)[0] for one in parts if one]
        found = [re.search(rf"^(# )?{key} = ", one, re.MULTILINE) for one in sections]
        assert any(found), f"{table}.{key}"


PHOTOS = {
    "60 a class": survey({str(number): 60 for number in range(5)}, 216),
    "enlarged": survey({"a": 100, "b": 100}, 205),
    "large": survey({"a": 200, "b": 300, "c": 50}, 3000),
    "small photos": survey({"a": 200, "b": 300}, 100),
    "many": survey({str(number): 500 for number in range(30)}, 375),
    "with splits": survey({"a": 100, "b": 100}, 640, train=200, validation=50, test=40),
}


@pytest.mark.parametrize("device", ["pi-zero", "pi-4", "pi-5", "phone"])
@pytest.mark.parametrize("name", PHOTOS)
def test_photos_get_a_pretrained_network_that_the_device_carries(name: str, device: str) -> None:
    found = PHOTOS[name]
    pretrained = pretrained_for(found, device)
    assert pretrained is not None
    text = recipe_text(Path("leaves"), None, found, pretrained)
    recipe = parse_recipe(tomllib.loads(text), source="test", for_training=True)
    assert recipe.model.architecture is None
    assert recipe.model.backbone == (
        "mobilenet_025" if device == "pi-zero" else "efficientnet_lite0"
    )
    height, width = recipe.data.image_size or (0, 0)
    most = {"pi-zero": 128, "pi-4": 160}.get(device, 224)
    assert height == width
    assert 96 <= height <= min(most, 1.1 * found.short_side)
    assert found.total * height * width * 3 <= 1_000_000_000
    assert recipe.augment.flip
    assert "epochs, batch_size" not in text
    assert "[train.optimizer]" not in text
    assert not re.search(r"\{|None", text)


@pytest.mark.parametrize("name", ["digits", "tiny pictures", "X-rays of two classes", "6 photos"])
def test_what_such_a_network_has_not_seen_is_trained_from_scratch(name: str) -> None:
    expected = name == "6 photos"
    assert (pretrained_for(FOUND[name], "pi-4") is not None) == expected


def test_thousands_of_each_class_are_trained_from_scratch() -> None:
    assert pretrained_for(survey({"a": 3000, "b": 3000}, 300), "pi-5") is None


def test_what_to_expect_is_said_where_it_was_measured() -> None:
    few = pretrained_for(PHOTOS["60 a class"], "pi-4")
    more = pretrained_for(survey({str(number): 190 for number in range(5)}, 216), "pi-4")
    other = pretrained_for(PHOTOS["60 a class"], "pi-zero")
    assert few is not None
    assert more is not None
    assert other is not None
    assert "with 60 photos each of cardboard, glass, metal, paper and plastic" in few.expected
    assert "with 150 photos each of cardboard, glass, metal, paper and plastic" in more.expected
    assert "waste" not in other.expected
    assert "training takes about" in other.expected


def test_a_device_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--device-class pi-9") as caught:
        init(InitRequest(folder=tmp_path / "leaves", device_class="pi-9"))
    assert "pi-zero, pi-4, pi-5, phone" in str(caught.value.expected)
    assert not (tmp_path / "leaves").exists()


def test_keys_that_are_comments_show_values_that_are_taken() -> None:
    text = recipe_text(Path("leaves"), None, None)
    written = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE)
    raw = tomllib.loads(re.sub(r"^# (\[)", r"\1", written, flags=re.MULTILINE))
    parse_recipe(raw, source="test")


def pictures(folder: Path, **counts: int) -> Path:
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def test_images_that_are_there_are_looked_at(tmp_path: Path) -> None:
    pictures(tmp_path / "leaves" / "images", ash=12, oak=15)
    project = init(InitRequest(folder=tmp_path / "leaves"))
    assert project.survey is not None
    assert project.survey.counts == {"ash": 12, "oak": 15}
    recipe = load_recipe(project.made[0])
    assert recipe.data.image_size == (32, 32)
    assert recipe.data.path == (tmp_path / "leaves" / "images").resolve()


def test_images_elsewhere_are_named_in_the_recipe(tmp_path: Path) -> None:
    data = pictures(tmp_path / 'my "leaves" \\ ガラス', ash=12, oak=15)
    project = init(InitRequest(folder=tmp_path / "model", data=data))
    assert project.made == [tmp_path / "model" / "recipe.toml"]
    assert not (tmp_path / "model" / "images").exists()
    recipe = load_recipe(project.made[0])
    assert recipe.data.path == data.resolve()
    # In the folder itself, the recipe can move with them.
    inside = pictures(tmp_path / "whole" / "photos", ash=3, oak=3)
    made = init(InitRequest(folder=tmp_path / "whole", data=inside)).made[0]
    assert tomllib.loads(made.read_text())["data"]["path"] == "photos"


def test_a_folder_of_images_is_no_place_for_a_recipe(tmp_path: Path) -> None:
    data = pictures(tmp_path / "photos", ash=3, oak=3)
    for folder, named in ((data, None), (data, data), (data / "model", data)):
        with pytest.raises(UsageError) as caught:
            init(InitRequest(folder=folder, data=named))
        assert caught.value.remedy
    assert sorted(path.name for path in data.iterdir()) == ["ash", "oak"]


def test_an_empty_place_for_images_gives_defaults(tmp_path: Path) -> None:
    (tmp_path / "leaves" / "images" / "ash").mkdir(parents=True)
    assert init(InitRequest(folder=tmp_path / "leaves")).survey is None


def test_what_is_no_data_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    for data in (tmp_path / "none", pictures(tmp_path / "one", ash=3)):
        with pytest.raises(DataError):
            init(InitRequest(folder=tmp_path / "model", data=data))
    assert not (tmp_path / "model").exists()


def test_a_path_that_is_no_text_is_refused(tmp_path: Path) -> None:
    data = pictures(tmp_path / "photos", ash=3, oak=3)
    odd = data.rename(tmp_path / b"caf\xe9".decode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match="cannot be written into a recipe"):
        init(InitRequest(folder=tmp_path / "model", data=odd))
    assert not (tmp_path / "model").exists()
