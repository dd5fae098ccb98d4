"""Which folders are classes and which are splits; the files are empty, since none is opened."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from edgecnn.data import class_names_of
from edgecnn.data.class_folders import check_same_classes, find_layout, list_classes
from edgecnn.errors import DataError


def tree(root: Path, *folders: str, file: str = "1.jpg") -> Path:
    """Make folders, ``train/{cat,dog}`` being two, with an image in each."""
    for text in folders:
        outer, _, inner = text.partition("{")
        for name in inner.rstrip("}").split(",") if inner else [""]:
            place = root / outer / name
            place.mkdir(parents=True, exist_ok=True)
            (place / file).touch()
    return root


def splits(root: Path) -> dict[str, str]:
    layout = find_layout(root)
    return {split: path.relative_to(root).as_posix() for split, path in layout.splits.items()}


PUBLISHED = {
    "ours": ("train validation test", "train validation test"),
    "Roboflow": ("train valid test", "train valid test"),
    "Kaggle, in capitals": ("Training Testing", "Training - Testing"),
    "Keras": ("train val test", "train val test"),
    "words": ("training validation testing", "training validation testing"),
    "sets": ("training_set test_set", "training_set - test_set"),
    "joined": ("TrainSet ValSet TestSet", "TrainSet ValSet TestSet"),
    "data": ("train_data test_data", "train_data - test_data"),
    "a word before": ("seg_train seg_test", "seg_train - seg_test"),
    "shouting": ("TRAIN DEV TEST", "TRAIN DEV TEST"),
    "evaluation as the test": ("train eval", "train - eval"),
    "evaluation beside a test": ("train Evaluation test", "train Evaluation test"),
    "evaluation beside validation": ("train dev eval", "train dev eval"),
    "validation as the test": ("train val", "train - val"),
    "a smaller copy beside": ("train test small_train small_test", "train - test"),
}


@pytest.mark.parametrize("form", PUBLISHED)
def test_folders_as_people_publish_them_are_splits(tmp_path: Path, form: str) -> None:
    there, meant = PUBLISHED[form]
    tree(tmp_path, *(f"{name}/{{cat,dog}}" for name in there.split()))
    pairs = zip(("train", "validation", "test"), meant.split(), strict=True)
    assert splits(tmp_path) == {split: name for split, name in pairs if name != "-"}
    assert len(class_names_of(tmp_path)) == 2
    assert find_layout(tmp_path).judged[1] == f"its folder {meant.split()[2]}"


def test_validation_images_that_are_the_test_are_named_as_that(tmp_path: Path) -> None:
    (note,) = find_layout(tree(tmp_path, "train/{cat,dog}", "val/{cat,dog}")).notes
    assert "val is the test set, since there is no other" in note


def test_other_things_beside_splits_are_not_used_and_named(tmp_path: Path) -> None:
    tree(tmp_path, "Train/{cat,dog}", "Test/{cat,dog}", "unlabelled", "extra/{cat,dog}")
    (tmp_path / "README.txt").touch()
    (tmp_path / "data.yaml").touch()
    assert splits(tmp_path) == {"train": "Train", "test": "Test"}
    notes = find_layout(tmp_path).notes
    assert any("not used" in note and "extra, unlabelled" in note for note in notes)
    assert any("Train (train)" in note and "Test (test)" in note for note in notes)


@pytest.mark.parametrize("beside", ["test", "test/test", "test/unknown", "unlabelled", "Testing"])
def test_images_without_labels_beside_training_images_are_no_class(
    tmp_path: Path, beside: str
) -> None:
    tree(tmp_path, "train/{cat,dog}", beside)
    layout = find_layout(tmp_path)
    assert layout.splits == {}
    assert layout.place == tmp_path / "train"
    assert beside.split("/")[0] in layout.notes[0]
    assert list_classes(layout.place)[0] == ("cat", "dog")
    assert len(class_names_of(tmp_path)) == 2


def test_test_images_without_labels_leave_the_other_splits(tmp_path: Path) -> None:
    tree(tmp_path, "train/{cat,dog}", "val/{cat,dog}", "test/images")
    assert splits(tmp_path) == {"train": "train", "test": "val"}


@pytest.mark.parametrize(
    "folders",
    [
        ("val/{cat,dog}", "cam/{cat,dog}"),
        ("part1/{cat,dog}", "part2/{cat,dog}"),
        ("fold_0/{1,2,3}", "fold_1/{1,2,3}", "fold_2/{1,2,3}"),
        ("original/{cat,dog,fox}", "augmented/{cat,dog,fox,emu}"),
        ("train1/{cat,dog}", "train2/{cat,dog}", "test/{cat,dog}"),
        ("a_train/{cat,dog}", "a_test/{cat,dog}", "b_train/{cat,dog}", "b_test/{cat,dog}"),
        ("part1/{cat,dog}", "part2/{cat,dog}", "extra"),
    ],
)
def test_folders_of_the_same_classes_are_refused(tmp_path: Path, folders: tuple[str, ...]) -> None:
    tree(tmp_path, *folders)
    with pytest.raises(DataError, match="cannot be classes") as caught:
        find_layout(tmp_path)
    problem = caught.value.problem
    alike = [text.split("/")[0] for text in folders if "/" in text]
    assert sum(name in problem for name in alike) == min(len(alike), 3)
    assert ("and 1 more" in problem) == (len(alike) > 3)
    assert "cat, dog" in problem or "1, 2, 3" in problem
    assert "train, validation and test" in caught.value.remedy
    with pytest.raises(DataError, match="cannot be classes"):
        class_names_of(tmp_path)


@pytest.mark.parametrize(
    "folders",
    [
        ("day/{cat,dog}", "night/{cat,dog}", "day"),  # a stray image in one of them
        ("part1/part1/{cat,dog}", "part2/part2/{cat,dog}"),
        ("one/one/{cat,dog}", "two/{cat,dog}"),
        ("train/{cat,dog}", "more/test/{cat,dog}"),
        ("train/{raw,aug}/{cat,dog}", "val/{raw,aug}/{cat,dog}"),
        ("train/{day,night}/{cat,dog}", "test/{day,night}/{cat,dog}"),
        ("raw/{train,val}/{cat,dog}", "aug/{train,val}/{cat,dog}"),
        ("train/{cat,dog}", "samples"),
        ("cat", "dog", "test/{cat,dog}"),
        ("car", "train/{old,new}"),
    ],
)
def test_folders_that_hold_classes_are_never_classes(
    tmp_path: Path, folders: tuple[str, ...]
) -> None:
    for text in folders:
        outer, _, inner = text.partition("/{")
        names, _, rest = inner.partition("}")
        for name in names.split(",") if rest else [""]:
            tree(tmp_path, f"{outer}/{name}{rest}" if rest else text)
    with pytest.raises(DataError, match="cannot be") as caught:
        find_layout(tmp_path)
    assert caught.value.remedy


def test_hidden_and_stray_images_make_no_class_of_a_split(tmp_path: Path) -> None:
    tree(tmp_path, "day/{cat,dog}", "night/{cat,dog}", file="1.jpg")
    (tmp_path / "day/._1.jpg").touch()
    with pytest.raises(DataError, match="cannot be classes"):
        find_layout(tmp_path)
    # Control: folders of more images in classes that hold images themselves.
    for place in ("day", "night"):
        for number in range(3):
            (tmp_path / place / f"{number}.jpg").touch()
    assert find_layout(tmp_path).place == tmp_path


def test_the_way_out_of_folders_that_come_split_themselves_works(tmp_path: Path) -> None:
    for fold in ("fold_0", "fold_1"):
        tree(tmp_path, *(f"{fold}/{split}/{{cat,dog}}" for split in ("train", "val")))
    with pytest.raises(DataError, match="cannot be classes") as caught:
        find_layout(tmp_path)
    assert f"--data {tmp_path / 'fold_0'}" in caught.value.remedy
    assert splits(tmp_path / "fold_0") == {"train": "train", "test": "val"}


def test_splits_are_found_as_deep_as_classes(tmp_path: Path) -> None:
    for split in ("train", "test"):
        tree(tmp_path, f"a/b/c/d/{split}/{{cat,dog}}")
    assert splits(tmp_path) == {"train": "a/b/c/d/train", "test": "a/b/c/d/test"}


def test_images_are_known_by_their_content_where_their_names_say_nothing(tmp_path: Path) -> None:
    tree(tmp_path, "set/{cat,dog}", file="0001")
    tree(tmp_path, "notes", file="read.me")
    for name in ("cat", "dog"):
        Image.new("RGB", (8, 8)).save(tmp_path / "set" / name / "0001", format="PNG")
    assert find_layout(tmp_path).place == tmp_path / "set"


def test_splits_are_named_by_where_they_are(tmp_path: Path) -> None:
    (note,) = find_layout(tree(tmp_path, "train/data/{cat,dog}", "test/data/{cat,dog}")).notes
    assert "test/data (test), train/data (train)" in note


@pytest.mark.parametrize("other", [("Cat", "dog"), ("cafe\u0301", "dog")])
def test_names_that_differ_in_their_writing_alone_are_told(
    tmp_path: Path, other: tuple[str, str]
) -> None:
    first = {"Cat": "cat", "cafe\u0301": "caf\u00e9"}[other[0]]
    tree(tmp_path, f"train/{{{first},dog}}", f"test/{{{other[0]},dog}}")
    layout = find_layout(tmp_path)
    classes = {split: list_classes(place)[0] for split, place in layout.splits.items()}
    with pytest.raises(DataError, match="other classes") as caught:
        check_same_classes(layout, classes)
    assert "Unicode" in caught.value.remedy
    shown = str(caught.value.observed).removeprefix("only in one of them: ").split(", ")
    assert len(set(shown)) == 2
    assert all(name.isascii() for name in shown)


def test_splits_inside_of_classes_are_refused_with_the_way_round(tmp_path: Path) -> None:
    tree(tmp_path, "cat/{train,test}", "dog/{train,test}")
    with pytest.raises(DataError, match="cannot be classes") as caught:
        find_layout(tmp_path)
    assert "test/cat" in caught.value.remedy


@pytest.mark.parametrize(
    "folders",
    [
        ("cat", "dog"),
        ("cat/{2023,2024}", "dog/{2024,2025}"),
        ("apple/{healthy,scab,rot}", "grape/{healthy,rot,blight}"),
        ("cat", "cat/{a,b}", "dog", "dog/{a,b}"),  # with images of their own
        ("train", "test"),
        ("test/{a,b}", "cat", "dog"),
    ],
)
def test_other_folders_are_classes(tmp_path: Path, folders: tuple[str, ...]) -> None:
    layout = find_layout(tree(tmp_path, *folders))
    assert layout.splits == {}
    assert layout.place == tmp_path
    assert layout.judged == (tmp_path, "all of it")


def test_classes_that_are_called_train_and_test_are_doubted(tmp_path: Path) -> None:
    (note,) = find_layout(tree(tmp_path, "train", "test")).notes
    assert "one folder per class" in note
    assert find_layout(tree(tmp_path / "other", "train", "car")).notes == ()


@pytest.mark.parametrize(
    "folders",
    [
        ("train", "val"),
        ("Training", "Testing"),
        ("train", "valid", "test"),
        ("train_images", "test_images"),
        ("images/{train,val}",),  # of YOLO, without its labels
    ],
)
def test_splits_without_class_folders_are_refused(tmp_path: Path, folders: tuple[str]) -> None:
    with pytest.raises(DataError, match="but hold no class folders") as caught:
        find_layout(tree(tmp_path, *folders))
    assert "train/CLASS" in caught.value.remedy


@pytest.mark.parametrize(
    ("images", "others"),
    [
        (["images"], ["labels"]),
        (["train/images", "valid/images", "test/images"], ["train/labels", "valid/labels"]),
        (["JPEGImages"], ["Annotations", "ImageSets"]),
    ],
)
def test_data_for_detecting_things_are_named_as_that(
    tmp_path: Path, images: list[str], others: list[str]
) -> None:
    tree(tmp_path, *images)
    tree(tmp_path, *others, file="1.txt")
    with pytest.raises(DataError, match="for detecting things") as caught:
        find_layout(tmp_path)
    assert "classification" in caught.value.remedy


def test_classes_may_have_such_words_in_their_names(tmp_path: Path) -> None:
    layout = find_layout(tree(tmp_path, "test tubes", "valid coins", "labels", "images of trains"))
    assert layout.notes == ()
    assert len(class_names_of(tmp_path)) == 4


@pytest.mark.parametrize("names", [("Train", "training"), ("val", "valid"), ("test", "TEST")])
def test_two_folders_of_one_split_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    tree(tmp_path, *(f"{name}/{{cat,dog}}" for name in {"train", "test", *names}))
    with pytest.raises(DataError, match=r"\d folders of .* are the") as caught:
        find_layout(tmp_path)
    assert all(name in str(caught.value.observed) for name in names)


@pytest.mark.parametrize(
    ("folders", "place"),
    [
        (("data/{cat,dog}",), "data"),
        (("a/b/{cat,dog}",), "a/b"),
        (("images/{cat,dog}", "annotations"), "images"),
        (("train/{cat,dog}",), "train"),
    ],
)
def test_a_folder_nested_too_deep_is_found_and_named(
    tmp_path: Path, folders: tuple[str, ...], place: str
) -> None:
    tree(tmp_path, folders[0])
    for name in folders[1:]:
        tree(tmp_path, name, file="1.xml")
    layout = find_layout(tmp_path)
    assert layout.place == tmp_path / place
    assert str(tmp_path / place) in layout.notes[-1]
    assert all(name in layout.notes[0] for name in folders[1:])


def test_splits_nested_too_deep_are_found(tmp_path: Path) -> None:
    tree(tmp_path, "flowers/train/{cat,dog}", "flowers/valid/{cat,dog}", "flowers/test/{cat,dog}")
    assert splits(tmp_path) == {
        "train": "flowers/train", "validation": "flowers/valid", "test": "flowers/test",
    }  # fmt: skip


def test_each_split_may_be_nested_in_its_own_name(tmp_path: Path) -> None:
    tree(tmp_path, "seg_train/seg_train/{cat,dog}", "seg_test/seg_test/{cat,dog}", "seg_pred")
    assert splits(tmp_path) == {"train": "seg_train/seg_train", "test": "seg_test/seg_test"}


def test_an_empty_folder_beside_may_be_a_class_that_is_still_to_be_filled(tmp_path: Path) -> None:
    tree(tmp_path, "cat/{2023,2024}")
    (tmp_path / "dog").mkdir()
    layout = find_layout(tmp_path)
    assert layout.place == tmp_path
    with pytest.raises(DataError, match="hold no images: dog"):
        list_classes(layout.place)


def test_litter_is_neither_class_nor_image(tmp_path: Path) -> None:
    tree(tmp_path, "cat", "dog")
    tree(tmp_path, "__MACOSX/{cat,dog}", ".ipynb_checkpoints", "cat/@eaDir", file="._1.jpg")
    for name in (".DS_Store", "Thumbs.db", "DESKTOP.INI", "._1.jpg"):
        (tmp_path / "dog" / name).touch()
    layout = find_layout(tmp_path)
    names, files = list_classes(layout.place)
    assert names == ("cat", "dog")
    assert [path.relative_to(tmp_path).as_posix() for path, _ in files] == [
        "cat/1.jpg",
        "dog/1.jpg",
    ]


def test_names_of_any_script_and_links_are_folders_as_others(tmp_path: Path) -> None:
    tree(tmp_path / "elsewhere", "ガラス", "紙 と 箱", "Métal")
    (tmp_path / "data").mkdir()
    for path in (tmp_path / "elsewhere").iterdir():
        (tmp_path / "data" / path.name).symlink_to(path, target_is_directory=True)
    assert list_classes(find_layout(tmp_path / "data").place)[0] == ("Métal", "ガラス", "紙 と 箱")


def test_a_name_that_is_too_long_is_a_folder_that_does_not_exist() -> None:
    with pytest.raises(DataError, match="does not exist"):
        find_layout(Path("a" * 5000))
