"""Finds the classes, splits and files of a folder of images, by their names.

Folders of images are published in a few forms:

- one folder per class: ``cat``, ``dog``;
- split: ``train``, ``valid`` and ``test``, each with a folder per class. A split is known by its
  name, in any case and in the words that publishers use (``Training``, ``val``, ``seg_test``,
  ``test_set``), and by class folders that others have, too;
- either of them some folders deeper: ``dataset/train/cat``.

A folder that holds the same class folders as its neighbour is never taken for a class: a network
would learn to tell ``train`` from ``val``. The same holds inside of a split.

No file is opened but a few of a folder in which none is named as an image.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, NoReturn

from edgecnn.errors import DataError, ImageError, some_of

ImageFile = tuple[Path, int]
"""A file with its label."""

Split = Literal["train", "validation", "test"]
_Kind = Literal["train", "validation", "test", "evaluation", "unlabelled"]

# What Windows, macOS and Synology leave in folders of images without being asked.
_LITTER: Final = frozenset({"thumbs.db", "desktop.ini"})
_LITTER_FOLDERS: Final = frozenset(
    {"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"}
)
# Those of photos that are not read, such as a camera's raw files, are among them: such a file is
# missed where it cannot be used, a text file is not.
_IMAGE_SUFFIXES: Final = frozenset(
    {"jpg", "jpeg", "jpe", "jfif", "png", "gif", "bmp", "dib", "webp", "tif", "tiff", "ppm", "pgm",
     "pbm", "pnm", "tga", "ico", "jp2", "j2k", "jpx", "avif", "heic", "heics", "heif", "heifs",
     "hif", "psd", "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf"}
)  # fmt: skip
_WORDS_OF: Final[Mapping[_Kind, str]] = {
    "train": "train training trn",
    "validation": "validation validate validating val valid dev development",
    "test": "test tests testing tst holdout",
    # The test set, or the validation set of data that have a test set, too.
    "evaluation": "eval evaluation evaluate",
    "unlabelled": "unlabelled unlabeled unlabel unsup unsupervised pred predict prediction "
    "predictions inference submission",
}
_KINDS: Final[Mapping[str, _Kind]] = {
    word: kind for kind, words in _WORDS_OF.items() for word in words.split()
}
_FILLING: Final = frozenset(
    {"set", "sets", "data", "dataset", "image", "images", "img", "imgs", "photo", "photos",
     "picture", "pictures", "folder", "dir", "split"}
)  # fmt: skip
_WORD: Final = re.compile(r"[^\W\d_]+|\d+")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_JOINED: Final = re.compile(r"^(.+?)(?:set|data)$")  # "testset"
# Folders of data for detecting things (YOLO, COCO, Pascal VOC) are named by what is in them.
_OF_PICTURES: Final = frozenset({"images", "jpegimages"})
_OF_BOXES: Final = frozenset(
    {"labels", "annotations", "masks", "segmentationclass", "segmentationobject"}
)
_LISTS: Final = frozenset({"imagesets"})
_ORDER: Final[tuple[Split, ...]] = ("train", "validation", "test")
_DEEPEST: Final = 4
# Folders are alike if they share more than this part of the names of both.
_ALIKE: Final = 0.5
# A folder of class folders may hold a stray image; a class, most of whose images are its own, may
# hold folders of more.
_OWN: Final = 0.1
_OPENED: Final = 20


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the classes of a folder of images are.

    Attributes:
        place: The folder whose sub-folders are the classes, where it does not come split.
        splits: The folder of each split, whose sub-folders are the classes; empty where the folder
            does not come split.
        notes: What somebody who uses the images should know, a sentence each.
    """

    place: Path
    splits: Mapping[Split, Path]
    notes: tuple[str, ...] = ()

    @property
    def judged(self) -> tuple[Path, str]:
        """The folder of the images that a model may be judged on, and which they are, in words."""
        for split in ("test", "validation"):
            if split in self.splits:
                return self.splits[split], f"its folder {self.splits[split].name}"
        return self.place, "all of it"


def find_layout(root: Path) -> Layout:
    """Return which folders hold the classes of a folder of images.

    Where a split has a folder for validation and none for the test, that one is the test set: the
    verdict needs images that no choice of the training was made by. Validation images can be taken
    off the training images instead; test images could not, since they would show the same objects
    and places as the images trained on.

    Args:
        root: A folder.

    Raises:
        DataError: If it does not exist or may not be read, if its folders hold the same class
            folders and are no split that can be told, or if two folders are the same split.
    """
    # These two answer no, and raise nothing, where a name is too long.
    if not os.path.isdir(root):  # noqa: PTH112
        is_file = os.path.isfile(root)  # noqa: PTH113
        raise DataError(
            f"{root} is a file" if is_file else f"the data folder {root} does not exist",
            observed="a file" if is_file else "nothing there",
            expected="a folder with one sub-folder of images per class",
            remedy="check the path: FOLDER or --data of the command, or data.path in the recipe",
        )
    try:
        return _layout_below(root)
    except OSError as error:
        _refuse_unreadable(error)


def _layout_below(root: Path) -> Layout:
    place, notes = root, list[str]()
    for depth in range(_DEEPEST + 1):
        folders = _folders(place)
        layout = _split_layout(place, folders) or _train_alone(folders)
        if layout is not None:
            for split in layout.splits.values() or [layout.place]:
                _refuse_other_forms(split, _names(split))
                _refuse_the_same_classes(split, _folders(split), in_split=True)
            return replace(layout, notes=(*notes, *layout.notes))
        inner = _only_one_with_images(folders) if depth < _DEEPEST else None
        if inner is None or not _folders(inner):
            break
        beside = [folder.name for folder in folders if folder != inner]
        notes.append(
            f"the images are those of {inner}, the only folder of {place} that holds any"
            + (f" (beside it: {some_of(beside)})" if beside else "")
        )
        place = inner
    folders = _folders(place)
    _refuse_the_same_classes(place, folders)
    _refuse_splits_among_classes(place, folders)
    _refuse_other_forms(place, {folder.name for folder in folders})
    if {folder.name for folder in folders} == {"train", "test"}:
        notes.append(
            f"the classes are called train and test: if these are splits, {place} needs one folder "
            "per class in each of them"
        )
    return Layout(place=place, splits={}, notes=tuple(notes))


def _split_layout(place: Path, folders: Sequence[Path]) -> Layout | None:
    """Return the layout of a folder that comes split; None for any other."""
    group = _split_folders(folders)
    if not group:
        return None
    splits = {split: _unwrapped(path) for split, path in _one_each(place, group).items()}
    train = _names(splits["train"]) if "train" in splits else set()
    for split in [split for split in splits if split != "train" and train]:
        # Test images without labels come in one folder: "test/test", "test/unknown".
        if len(_names(splits[split]) - train) == 1 == len(_names(splits[split])):
            del splits[split]
    if set(splits) == {"train"}:
        return None
    notes = []
    if set(splits) == {"train", "validation"}:
        splits["test"] = splits.pop("validation")
        notes.append(
            f"{splits['test']} is the test set, since there is no other; validation images are "
            "taken off the training images"
        )
    elif any(path != place / split for split, path in splits.items()):
        named = ", ".join(
            f"{path.relative_to(place).as_posix()} ({split})" for split, path in splits.items()
        )
        notes.append(f"the folders of {place} are splits: {named}")
    used = {part for path in splits.values() for part in (path, *path.parents)}
    unused = [folder.name for folder in folders if folder not in used]
    if unused:
        notes.append(f"not used, beside the splits of {place}: {some_of(unused)}")
    return Layout(
        place=place,
        splits={split: splits[split] for split in _ORDER if split in splits},
        notes=tuple(notes),
    )


def _split_folders(folders: Sequence[Path]) -> list[tuple[_Kind, Path]]:
    """Return the folders that are splits, by their names and by the classes they share."""
    groups: dict[tuple[str, ...], list[tuple[_Kind, Path]]] = {}
    for folder in folders:
        named = _kind(folder.name)
        if named is not None and named[0] != "unlabelled" and _names(_unwrapped(folder)):
            groups.setdefault(named[1], []).append((named[0], folder))
    found = {
        words: group
        for words, group in groups.items()
        # Nothing else there, or other folders that are none of the classes.
        if len(group) > 1 and (len(group) == len(folders) or _share_classes(group))
    }
    # "train" and "test" beside "small_train" and "small_test": the plain words are meant.
    return found.get((), []) or (next(iter(found.values())) if len(found) == 1 else [])


def _train_alone(folders: Sequence[Path]) -> Layout | None:
    """Return the layout of training images beside others without labels; None for any other."""
    kinds = {folder: _kind(folder.name) for folder in folders}
    with_classes = [folder for folder in folders if len(_names(_unwrapped(folder))) > 1]
    others = [folder for folder in folders if folder not in with_classes]
    if (
        len(with_classes) != 1
        or (kinds[with_classes[0]] or ("",))[0] != "train"
        or not others
        or not all(kinds[folder] or not _holds_images(folder) for folder in others)
    ):
        return None
    train = _unwrapped(with_classes[0])
    beside = some_of([folder.name for folder in others])
    note = f"the images are those of {train}; not used, since without class folders: {beside}"
    return Layout(place=train, splits={}, notes=(note,))


def _one_each(place: Path, group: Sequence[tuple[_Kind, Path]]) -> dict[Split, Path]:
    of_split: dict[Split, list[Path]] = {}
    # What is called evaluation comes last: it is what nothing else is.
    for kind, folder in sorted(group, key=lambda member: member[0] == "evaluation"):
        if kind == "evaluation" or kind == "unlabelled":
            split: Split = "validation" if "test" in of_split else "test"
        else:
            split = kind
        of_split.setdefault(split, []).append(folder)
    for split, found in of_split.items():
        if len(found) > 1:
            raise DataError(
                f"{len(found)} folders of {place} are the {split} split",
                observed=some_of([folder.name for folder in found]),
                expected="one folder for each of train, validation and test",
                remedy="put the images of these into one of them, or move the others out",
            )
    return {split: found[0] for split, found in of_split.items()}


def _kind(name: str) -> tuple[_Kind, tuple[str, ...]] | None:
    """Return what a folder's name says of its images, and its other words; None where nothing.

    >>> [_kind(name) for name in ("seg_train", "TestSet", "val", "Evaluation images", "cat")]
    [('train', ('seg',)), ('test', ()), ('validation', ()), ('evaluation', ()), None]
    """
    words = [_base(word.lower()) for word in _WORD.findall(_CAMEL.sub(" ", name))]
    telling = [word for word in words if word in _KINDS]
    if len(telling) != 1:
        return None
    others = tuple(word for word in words if word not in telling and word not in _FILLING)
    return _KINDS[telling[0]], others


def _base(word: str) -> str:
    joined = _JOINED.match(word)
    return joined[1] if joined and joined[1] in _KINDS else word


def _share_classes(group: Sequence[tuple[_Kind, Path]]) -> bool:
    names = [_names(_unwrapped(folder)) for _, folder in group]
    return any(one & other for at, one in enumerate(names) for other in names[at + 1 :])


def _unwrapped(folder: Path) -> Path:
    """Return the folder inside a folder that holds nothing but it: ``seg_train/seg_train``."""
    for _ in range(_DEEPEST):
        inner = _folders(folder)
        if len(inner) != 1 or len(_folders(inner[0])) < 2:
            break
        folder = inner[0]
    return folder


def _only_one_with_images(folders: Sequence[Path]) -> Path | None:
    """Return the only folder that holds images, where all others hold something else."""
    holding = [folder for folder in folders if _holds_images(folder)]
    others = [folder for folder in folders if folder not in holding]
    # An empty folder may be a class that is still to be filled.
    return holding[0] if len(holding) == 1 and all(map(has_files, others)) else None


def _refuse_the_same_classes(
    place: Path, folders: Sequence[Path], *, in_split: bool = False
) -> None:
    """Refuse to take folders for classes that hold the same class folders.

    Args:
        place: What they are in.
        folders: All of them.
        in_split: Whether ``place`` is the folder of a split.
    """
    inner = {folder: _class_folders(folder) for folder in folders}
    inner = {folder: names for folder, names in inner.items() if len(names) > 1}
    for folder, names in inner.items():
        alike = [
            other
            for other, others in inner.items()
            if len(names & others) > _ALIKE * len(names | others)
        ]
        if len(alike) < 2 or all(map(_holds_images_of_its_own, alike)):
            continue
        shared = sorted(names & inner[alike[0]] & inner[alike[1]])
        outer = some_of([other.name for other in alike])
        first = _unwrapped(alike[0])
        if in_split:
            remedy = (
                f"put the images of each class into one folder: {place.name}/{shared[0]}; where "
                f"{outer} are the classes, move the images out of the folders inside"
            )
        elif all(map(_kind, shared)) and len(_class_folders(first / shared[0])) > 1:
            remedy = f"name one of {outer}, which come split: --data {first}"
        elif all(map(_kind, shared)):
            remedy = f"make the splits the outer folders: {shared[0]}/{folder.name}"
        else:
            remedy = (
                f"name one of {outer} with --data or data.path, rename them train, validation and "
                f"test, or put the images of each class into one folder; where {outer} are the "
                "classes, move the images out of the folders inside"
            )
        raise DataError(
            f"{outer} of {place} cannot be classes: they hold the same folders, {some_of(shared)}",
            observed=" and ".join(
                (_unwrapped(other) / shared[0]).relative_to(place).as_posix() for other in alike[:2]
            ),
            expected="one folder per class"
            + (
                ""
                if in_split
                else ", or the folders train, validation and test with one folder per class in each"
            ),
            remedy=remedy,
        )


def _refuse_splits_among_classes(place: Path, folders: Sequence[Path]) -> None:
    """Refuse a split beside folders that are none, where both would be taken for classes.

    ``train`` with class folders beside ``samples``, and ``test`` with the classes that stand beside
    it.
    """
    names = {folder.name for folder in folders}
    for folder in folders:
        kind, inner = _kind(folder.name), _class_folders(folder)
        known = len(inner) > 1 and inner <= names - {folder.name}
        trains = kind == ("train", ()) and len(inner) > 1
        if not (known or trains) or _holds_images_of_its_own(folder):
            continue
        others = some_of(sorted(names - {folder.name}))
        raise DataError(
            f"{folder.name} of {place} cannot be a class: it holds the folders "
            f"{some_of(sorted(inner))}, as a split does",
            observed=f"{folder.name}/{min(inner)}, and beside it {others}",
            expected="one folder per class, or the folders train, validation and test with one "
            "folder per class in each",
            remedy=(
                f"put {some_of(sorted(inner))} of {place} into a folder train beside it"
                if known
                else f"name the images with --data {folder}, or move {others} away"
            )
            + f"; where {folder.name} is a class, move its images out of the folders inside",
        )


def _class_folders(folder: Path) -> set[str]:
    """Return the names of the folders with images in a folder, or in the only one in it."""
    return {path.name for path in _folders(_unwrapped(folder)) if _holds_images(path)}


def _holds_images_of_its_own(folder: Path) -> bool:
    """Return whether more than a stray image lies in a folder itself."""
    own = sum(
        claims_to_be_an_image(path) and not path.name.startswith(".") and path.is_file()
        for path in folder.iterdir()
    )
    return own > 0 and own >= _OWN * sum(map(claims_to_be_an_image, _files_below(folder)))


def _refuse_other_forms(place: Path, names: set[str]) -> None:
    """Refuse folders whose names say that they are no classes."""
    lower = {name.lower() for name in names}
    if lower & _OF_PICTURES and lower & _OF_BOXES and lower <= _OF_PICTURES | _OF_BOXES | _LISTS:
        raise DataError(
            f"{place} holds images with boxes or masks for detecting things, not classes of images",
            observed=f"the folders {some_of(sorted(names))}",
            expected="one folder per class, with the images of that class",
            remedy="export the data for classification, as a folder per class, or cut the things "
            "out and sort them into such folders",
        )
    # There are things called train and test, and none called val or Training.
    kinds = {name: _kind(name) for name in sorted(names)}
    splits = [name for name, kind in kinds.items() if kind is not None and not kind[1]]
    if len(splits) == len(names) > 1 and not names <= {"train", "test"}:
        raise DataError(
            f"{some_of(splits)} of {place} are splits by their names, but hold no class folders",
            observed="images, or nothing, in them",
            expected="one folder per class in each of them",
            remedy="sort the images of each into one folder per class: train/CLASS; where these "
            "are the classes themselves, give them other names",
        )


def _names(folder: Path) -> set[str]:
    return {path.name for path in _folders(folder)}


def _folders(root: Path) -> list[Path]:
    """Return the folders in a folder, by name, but for hidden ones and litter."""
    with os.scandir(root) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and not _is_litter(entry.name)]
    return [root / name for name in sorted(names)]


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LITTER_FOLDERS


def _holds_images(folder: Path) -> bool:
    """Return whether there is an image in a folder, or in one below it.

    Told by the files' names. Where none is named as an image, a few are opened: crawlers write
    names without a suffix, or with ``.jpg_large``.
    """
    unnamed: list[Path] = []
    for path in _files_below(folder):
        if claims_to_be_an_image(path):
            return True
        if len(unnamed) < _OPENED:
            unnamed.append(path)
    return any(map(is_image, unnamed))


def is_image(path: Path) -> bool:
    """Return whether a file is named as an image, or has the header of one."""
    from edgecnn_runner.images.decode import image_size

    if claims_to_be_an_image(path):
        return True
    try:
        image_size(path)
    except ImageError:
        return False
    return True


def has_files(folder: Path) -> bool:
    """Return whether there is a file in a folder, or in one below it."""
    return next(_files_below(folder), None) is not None


def images_below(folder: Path) -> list[Path]:
    """Return the image files in a folder and those below it, by name, but for hidden ones.

    Raises:
        DataError: If a folder cannot be read.
    """
    return sorted(path for path in _files_below(folder) if is_image(path))


def claims_to_be_an_image(path: Path) -> bool:
    """Return whether a file's name is that of an image."""
    return path.suffix[1:].lower() in _IMAGE_SUFFIXES


def check_trainable(root: Path, layout: Layout) -> None:
    """Refuse splits without one to train on.

    Args:
        root: The folder, for the error.
        layout: Its layout.

    Raises:
        DataError: If the folder comes split, and none of the splits is for training.
    """
    if layout.splits and "train" not in layout.splits:
        raise DataError(
            f"{root} has no training images",
            observed=f"the splits {some_of(layout.splits)}",
            expected="a folder train beside them, with the same class folders",
            remedy="add one, or name a folder of class folders with --data, which is split then",
        )


def check_same_classes(layout: Layout, classes: Mapping[Split, Sequence[str]]) -> None:
    """Refuse splits that have other classes than the training images.

    Args:
        layout: Of a folder that comes split.
        classes: The names of each split's class folders, sorted.

    Raises:
        DataError: If they differ.
    """
    names = classes["train"]
    for split, found in classes.items():
        if list(found) == list(names):
            continue
        differing = sorted({*found} ^ {*names})
        composed = [unicodedata.normalize("NFC", name) for name in differing]
        folded = [name.casefold() for name in composed]
        alike = len({*folded}) < len(folded)
        shown = [ascii(name) if composed.count(form) > 1 else name
                 for name, form in zip(differing, composed, strict=True)]  # fmt: skip
        raise DataError(
            f"{layout.splits[split]} has other classes than {layout.splits['train']}",
            observed=f"only in one of them: {some_of(shown)}",
            expected="the same class folders in each",
            remedy="give a class the same name in all splits: these differ in capital letters, or "
            "in how Unicode writes an accent (macOS writes it as a character of its own)"
            if alike
            else "add or remove class folders, so that all splits have the same",
        )


def class_names_of(root: Path) -> tuple[str, ...]:
    """Return the names of the classes that a folder of images has, before its files are listed.

    Args:
        root: The folder.

    Raises:
        DataError: If its layout cannot be told.
    """
    layout = find_layout(root)
    folders = _folders(layout.splits.get("train", layout.judged[0]))
    return tuple(folder.name for folder in folders)


def list_classes(root: Path) -> tuple[tuple[str, ...], list[ImageFile]]:
    """Return the class names and each file with its label, in a fixed order.

    Args:
        root: A folder of class folders; see ``find_layout``.

    Raises:
        DataError: If there are fewer than two classes, one without any file, or one whose name is
            no label; if a folder may not be read.
    """
    names = tuple(path.name for path in _folders(root))
    if len(names) < 2:
        raise DataError(
            f"{root} has fewer than two class folders",
            observed=f"{len(names)} folders" + (f": {names[0]}" if names else ""),
            expected="one sub-folder of images per class, at least two",
            remedy="sort the images into one folder per class",
        )
    odd = [name for name in names if not (name.isprintable() and name == name.strip())]
    if odd:
        raise DataError(
            f"{len(odd)} class folders of {root} have names that do not fit on a line of text",
            observed=some_of(map(ascii, odd)),
            expected="printable names without blanks at either end, in valid UTF-8",
            remedy="rename these folders; their names become the labels",
        )
    files: list[ImageFile] = []
    empty: list[str] = []
    for label, name in enumerate(names):
        found = sorted(_files_below(root / name), key=lambda path: path.as_posix())
        if not found:
            empty.append(name)
        files.extend((path, label) for path in found)
    if empty:
        raise DataError(
            f"{len(empty)} of {len(names)} class folders of {root} hold no images: "
            f"{some_of(empty)}",
            observed=f"{len(names) - len(empty)} folders with images",
            expected="an image in every class folder",
            remedy="add images to these folders, or delete them",
        )
    return names, files


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and its folders, but for hidden ones and litter."""
    visited: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_refuse_unreadable):
        # Links may lead out of the folder, but not in circles.
        real = os.path.realpath(place)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = [name for name in folders if not _is_litter(name)]
        yield from (
            Path(place, name)
            for name in names
            if not name.startswith(".") and name.lower() not in _LITTER
        )


def _refuse_unreadable(error: OSError) -> NoReturn:
    raise DataError(
        f"the data folder {error.filename} cannot be read",
        observed=str(error.strerror),
        expected="a folder that may be read",
        remedy="check its permissions, or name another with --data",
    ) from error
