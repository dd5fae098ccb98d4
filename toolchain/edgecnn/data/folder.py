"""Loads a user's own images: one sub-folder per class, files of any size and format Pillow reads.

Decoding and resizing are the runner's own code, so the network trains on exactly the pixels
that a device will show it.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from edgecnn.data.class_folders import (
    ImageFile,
    Layout,
    check_same_classes,
    check_trainable,
    claims_to_be_an_image,
    find_layout,
    list_classes,
)
from edgecnn.data.grouping import Grouping, group_images, too_few_groups_remedy
from edgecnn.data.quality.fingerprint import Fingerprint, fingerprint
from edgecnn.data.split import GroupSplit, digest_per_image, split_off, split_off_groups
from edgecnn.data.types import Dataset, Images, all_for_the_test
from edgecnn.errors import DataError, ImageError, some_of
from edgecnn.log import has_read
from edgecnn.pixels import room_for
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.report.text import percent_text, plural_text
from edgecnn_runner.contract import RESIZE_RULE

_WORKERS: Final = 4
_AHEAD: Final = 16
"""Files that are read before their pixels are taken."""
# One torn photo among thousands must not end a training; more than that is a copy that went wrong,
# or a format that nothing here reads, and a data set that is not the one that was meant.
MOST_UNREADABLE: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class _Form:
    """What every image is brought to."""

    height: int
    width: int
    channels: int
    resize: str


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """What was read.

    Attributes:
        images: Those of each part, without what was left out.
        skipped: Id and reason of each file that is no image, or none that can be read.
        conflicting: Ids of pictures that are one and the same, in two or more classes; left out.
        prints: What each image is recognized by, by its id; empty where nobody asked.
    """

    images: dict[str, Images]
    skipped: tuple[tuple[str, str], ...]
    conflicting: tuple[tuple[str, ...], ...]
    prints: Mapping[str, Fingerprint]


def load_folder(
    root: Path,
    *,
    image_size: tuple[int, int],
    channels: int,
    test: float,
    validation: float,
    seed: int,
    resize: str = RESIZE_RULE,
    conflicting: Literal["exclude", "error", "keep"] = "exclude",
    split_by: str = "image",
    progress: Progress = NO_PROGRESS,
) -> Dataset:
    """Load a folder of class folders, or one that comes split.

    The labels are the names of the class folders in code-point order. Files in sub-folders of
    a class belong to it; hidden files and files beside the class folders are ignored. Which folders
    are classes and which are splits, ``class_folders.find_layout`` says. What is no image is left
    out and recorded, and so is an image that cannot be read, where there are few of those.

    Of a folder that comes split, ``test`` (and ``validation``, where there is such a folder, too)
    is not used. Otherwise the split is seeded and stratified. Images with equal pixels never
    come into different splits: in a given split, a copy of a test or validation image is dropped
    from the training images, and recorded. Nothing can be learnt or told from a picture that
    stands in two classes: it is left out of all splits, and recorded.

    Args:
        root: The folder.
        image_size: Height and width that images are brought to, pixels.
        channels: 1 or 3.
        resize: Name of the rule that brings them there; see ``edgecnn_runner.images.preprocess``.
        test: Share of all images kept for the test set.
        validation: Share of the other images held out of training.
        seed: Seed of the splits.
        conflicting: What becomes of pictures that stand in two classes: ``exclude`` leaves them
            out, ``keep`` leaves them in both, ``error`` refuses them.
        split_by: What stays together in the splits; see ``edgecnn.data.grouping``.
        progress: Who to tell how far the reading is, and what was left out.

    Returns:
        The data set; ids are paths relative to ``root``, with ``/`` between folders.

    Raises:
        DataError: If the folder is missing, its splits cannot be told, it has fewer than two
            classes, a class without images, more than a few images that cannot be read (all of
            them are listed, those of all given splits together), or too few to split.
    """
    layout = find_layout(root)
    has_read(root)
    form = _Form(height=image_size[0], width=image_size[1], channels=channels, resize=resize)
    for note in layout.notes:
        progress.message(f"note: {note}")
    if layout.splits:
        names, files = _of_given_splits(root, layout)
    else:
        names, found = list_classes(layout.place)
        files = {"": found}
    loaded = _read_all(
        root, names, files, form, conflicting, progress, with_prints=split_by == "auto"
    )
    splitting = _Splitting(names=names, seed=seed, split_by=split_by, loaded=loaded)
    if layout.splits:
        dataset = _given(root, layout, splitting, validation=validation, progress=progress)
    else:
        dataset = _divided(splitting, test=test, validation=validation, progress=progress)
    if dataset.dropped:
        progress.message(
            f"note: left out of training and validation, since they are in another split, too: "
            f"{_some(dataset.dropped)}"
        )
    return replace(
        dataset,
        skipped=loaded.skipped,
        conflicting=loaded.conflicting,
        notes=(*layout.notes, *dataset.notes),
    )


@dataclass(frozen=True, kw_only=True)
class _Splitting:
    """How images are split.

    Attributes:
        names: The classes.
        seed: Of the splits.
        split_by: What stays together.
        loaded: The images, and what they are recognized by.
    """

    names: tuple[str, ...]
    seed: int
    split_by: str
    loaded: _Loaded

    def grouping(self, images: Images, progress: Progress) -> Grouping | None:
        """Return which images belong together; None where nothing but equal ones does."""
        if self.split_by == "image":
            return None
        prints = self.loaded.prints
        return group_images(
            images.ids,
            [self.names[label] for label in images.labels.tolist()],
            self.split_by,
            prints=[prints[name] for name in images.ids] if self.split_by == "auto" else None,
            progress=progress,
        )

    def off(
        self, images: Images, share: float, purpose: str, grouping: Grouping | None
    ) -> GroupSplit:
        """Split a share off, by groups where there are some."""
        if grouping is None:
            rest, held = split_off(
                images, share=share, seed=self.seed, purpose=purpose, class_names=self.names
            )
            return GroupSplit(rest=rest, held=held, notes=())
        return split_off_groups(
            images,
            grouping.group_of,
            share=share,
            seed=self.seed,
            purpose=purpose,
            class_names=self.names,
            remedy=too_few_groups_remedy(self.split_by),
        )


def _divided(
    splitting: _Splitting, *, test: float, validation: float, progress: Progress
) -> Dataset:
    images = splitting.loaded.images[""]
    if test == 1:
        return all_for_the_test("folder", splitting.names, images)
    grouping = splitting.grouping(images, progress)
    tested = splitting.off(images, test, "test", grouping)
    chosen = splitting.off(tested.rest, validation, "validation", grouping)
    dataset = Dataset(
        name="folder",
        class_names=splitting.names,
        train=chosen.rest,
        validation=chosen.held,
        test=tested.held,
        seed=splitting.seed,
        rule=f"stratified: {test} of all for test, {validation} of the rest for validation; "
        "equal images stay together",
    )
    return _with_groups(dataset, grouping, (*tested.notes, *chosen.notes), progress)


def _with_groups(
    dataset: Dataset, grouping: Grouping | None, notes: Sequence[str], progress: Progress
) -> Dataset:
    """Record which rule kept images together, and tell what it could not do."""
    if grouping is None:
        return dataset
    told = (*grouping.notes, *notes)
    for note in told:
        progress.message(f"warning: {note}")
    return replace(
        dataset,
        rule=f"{dataset.rule}; by groups ({grouping.split_by}): {grouping.rule}",
        split_by=grouping.split_by,
        groups=tuple(tuple(group) for group in grouping.groups()),
        notes=told,
    )


def load_unsplit(
    root: Path,
    *,
    image_size: tuple[int, int],
    channels: int,
    resize: str = RESIZE_RULE,
    conflicting: Literal["exclude", "error", "keep"] = "exclude",
    progress: Progress = NO_PROGRESS,
) -> tuple[tuple[str, ...], Images, str]:
    """Load the images of a folder that a model which was not trained here can be judged on.

    Args:
        root: The folder.
        image_size: Height and width that images are brought to, pixels.
        channels: 1 or 3.
        resize: Name of the rule that brings them there; see ``edgecnn_runner.images.preprocess``.
        conflicting: Whether pictures that stand in two classes are left out, kept or refused.
        progress: Who to tell how far the reading is, and what was left out.

    Returns:
        Class names; the images of the test set where ``root`` comes split, else all; and
        which of the two, and how many files were left out, in words.

    Raises:
        DataError: As ``load_folder``, of the images that are used.
    """
    layout = find_layout(root)
    has_read(root)
    form = _Form(height=image_size[0], width=image_size[1], channels=channels, resize=resize)
    for note in layout.notes:
        progress.message(f"note: {note}")
    place, rule = layout.judged
    names, files = list_classes(place)
    loaded = _read_all(root, names, {"": files}, form, conflicting, progress)
    out = {
        "what is no image or cannot be read": len(loaded.skipped),
        "pictures that stand in two classes": sum(map(len, loaded.conflicting)),
    }
    left_out = ", ".join(f"{what} ({count})" for what, count in out.items() if count)
    return names, loaded.images[""], f"{rule} without {left_out}" if left_out else rule


def read_pictures(
    files: Sequence[Path],
    *,
    shape: tuple[int, int, int],
    resize: str = RESIZE_RULE,
    progress: Progress = NO_PROGRESS,
) -> tuple[npt.NDArray[np.uint8], list[Path], int]:
    """Read image files that no class folder holds.

    Args:
        files: The files.
        shape: Height, width and channels that they are brought to.
        resize: Name of the rule that brings them there.
        progress: Who to tell how far the reading is, and what was left out.

    Returns:
        Pixels, shape (n, height, width, channels), uint8; the n files that could be read; and how
        many could not.

    Raises:
        DataError: If more than a few cannot be read, or there is no room for all.
    """
    form = _Form(height=shape[0], width=shape[1], channels=shape[2], resize=resize)
    pixels = _room_for({"": len(files)}, form)[""]
    read: list[Path] = []
    unread: list[tuple[Path, _Unread]] = []
    for path, outcome in _outcomes({"": [(path, 0) for path in files]}, form, progress):
        if isinstance(outcome, _Unread):
            unread.append((path[0], outcome))
        else:
            pixels[len(read)] = outcome.pixels
            read.append(path[0])
    _check_unread(unread, readable=len(read))
    return pixels[: len(read)], read, len(unread)


def _of_given_splits(
    root: Path, layout: Layout
) -> tuple[tuple[str, ...], dict[str, list[ImageFile]]]:
    check_trainable(root, layout)
    listed = {part: list_classes(folder) for part, folder in layout.splits.items()}
    names = listed["train"][0]
    check_same_classes(layout, {part: found for part, (found, _) in listed.items()})
    return names, {part: found for part, (_, found) in listed.items()}


def _given(
    root: Path,
    layout: Layout,
    splitting: _Splitting,
    *,
    validation: float,
    progress: Progress,
) -> Dataset:
    names, images = splitting.names, splitting.loaded.images
    test = images["test"]
    dropped: list[str] = []
    rest = _without(images["train"], [test, *_present(images, "validation")], dropped)
    valid = _without(images["validation"], [test], dropped) if "validation" in images else None
    _check_not_all_dropped(root, layout, names, rest, len(images["train"]))
    if valid is not None and not len(valid):
        place = layout.splits["validation"]
        raise DataError(
            f"all {len(images['validation'])} images of {place} are images of "
            f"{layout.splits['test']}, too",
            observed="no other image to choose an epoch by",
            expected=f"splits of {root} that hold different images: what chose the model says "
            "nothing in a test",
            remedy=f"move {place} away: validation images are taken off the training images then",
        )
    grouping: Grouping | None = None
    notes: tuple[str, ...] = ()
    if valid is not None:
        train = rest
        if splitting.split_by != "image":
            progress.message(
                f"note: data.split_by is not used, since {root} comes split; edgecnn data {root} "
                "says whether photos that look alike are in several splits"
            )
    else:
        grouping = splitting.grouping(rest, progress)
        chosen = splitting.off(rest, validation, "validation", grouping)
        train, valid, notes = chosen.rest, chosen.held, chosen.notes
    folders = ", ".join(
        folder if folder == split else f"{folder} ({split})"
        for split, folder in ((s, id_of(p.relative_to(root))) for s, p in layout.splits.items())
    )
    dataset = Dataset(
        name="folder",
        class_names=names,
        train=train,
        validation=valid,
        test=test,
        seed=None if "validation" in images else splitting.seed,
        rule=f"given by the folders {folders}"
        + ("" if "validation" in images else f"; stratified: {validation} of train for validation"),
        dropped=tuple(dropped),
        came_split=True,
    )
    return _with_groups(dataset, grouping, notes, progress)


def _check_not_all_dropped(
    root: Path, layout: Layout, names: Sequence[str], rest: Images, before: int
) -> None:
    counts = rest.class_counts(len(names))
    bare = [name for name, count in zip(names, counts, strict=True) if not count]
    if bare:
        train = layout.splits["train"]
        raise DataError(
            f"{before - len(rest)} of {before} images of {train} are images of another split, too",
            observed=f"no other image of {some_of(bare)}",
            expected=f"splits of {root} that hold different images: what was trained on says "
            "nothing in a test",
            remedy=f"delete the copies, or name one of the folders, --data {train}, which is "
            "split then",
        )


def _present(images: dict[str, Images], name: str) -> list[Images]:
    return [images[name]] if name in images else []


def _without(images: Images, others: Sequence[Images], dropped: list[str]) -> Images:
    """Return the images whose pixels are in none of the others; add the rest to ``dropped``."""
    known = {digest for other in others for digest in digest_per_image(other.pixels)}
    digests = digest_per_image(images.pixels)
    dropped.extend(images.ids[i] for i, digest in enumerate(digests) if digest in known)
    return images.take([i for i, digest in enumerate(digests) if digest not in known])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Read:
    """A file that could be read.

    Attributes:
        pixels: Brought to size, uint8.
        print: What it is recognized by, at its own size; None where nobody asked.
    """

    pixels: npt.NDArray[np.uint8]
    print: Fingerprint | None


@dataclass(frozen=True, kw_only=True)
class _Unread:
    """Why a file has no pixels.

    Attributes:
        reason: What is wrong with it, without its name.
        remedy: What to do about it; empty for a file that is no image.
    """

    reason: str
    remedy: str = ""


def _read_all(
    root: Path,
    names: Sequence[str],
    parts: Mapping[str, Sequence[ImageFile]],
    form: _Form,
    conflicting: Literal["exclude", "error", "keep"],
    progress: Progress,
    *,
    with_prints: bool = False,
) -> _Loaded:
    """Read the files of all parts, so that what cannot be read is told of all at once."""
    prints: dict[str, Fingerprint] = {}
    # Before the reading, which takes a while where there are many.
    pixels = _room_for({part: len(files) for part, files in parts.items()}, form)
    read: dict[str, list[ImageFile]] = {part: [] for part in parts}
    unread: list[tuple[Path, _Unread]] = []
    part_of = iter([part for part, files in parts.items() for _ in files])
    for file, outcome in _outcomes(parts, form, progress, with_prints=with_prints):
        part = next(part_of)
        if isinstance(outcome, _Unread):
            unread.append((file[0], outcome))
            continue
        pixels[part][len(read[part])] = outcome.pixels
        read[part].append(file)
        if outcome.print is not None:
            prints[id_of(file[0].relative_to(root))] = outcome.print
    _check_unread(unread, readable=sum(map(len, read.values())))
    _tell_unread(root, unread, progress)
    images = {
        part: Images(
            pixels=pixels[part][: len(files)],
            labels=np.asarray([label for _, label in files], dtype=np.int64),
            ids=tuple(id_of(path.relative_to(root)) for path, _ in files),
        )
        for part, files in read.items()
    }
    _check_every_class(root, names, images, "an image that can be read")
    groups = _conflicts(images)
    if groups:
        _tell_conflicts(groups, conflicting, progress)
    if groups and conflicting == "keep":
        groups = []
    if groups:
        out = {name for group in groups for name in group}
        images = {part: _without_ids(found, out) for part, found in images.items()}
        _check_every_class(root, names, images, "an image that stands in no other class")
    return _Loaded(
        images=images,
        skipped=tuple((id_of(path.relative_to(root)), why.reason) for path, why in unread),
        conflicting=tuple(groups),
        prints=prints,
    )


def _outcomes(
    parts: Mapping[str, Sequence[ImageFile]],
    form: _Form,
    progress: Progress,
    *,
    with_prints: bool = False,
) -> Iterator[tuple[ImageFile, _Read | _Unread]]:
    """Yield each file of all parts, in order, with its pixels or why there are none."""
    files = [file for part in parts.values() for file in part]
    pool = ThreadPoolExecutor(max_workers=_WORKERS)
    try:
        # The decoder silences Pillow's warnings image by image; threads that do so at the same
        # time would leave the filters changed.
        with warnings.catch_warnings(), progress.task("reading images", len(files)) as task:
            if with_prints:
                warnings.simplefilter("ignore")  # Pillow's, of metadata that do no harm
            # A few ahead, and not all: the pixels of each wait here until they are taken.
            ahead: deque[Future[_Read | _Unread]] = deque()
            for number, file in enumerate(files):
                while len(ahead) < _AHEAD and number + len(ahead) < len(files):
                    following = files[number + len(ahead)][0]
                    ahead.append(pool.submit(_read, following, form, with_prints))
                yield file, ahead.popleft().result()
                task.advance()
    finally:
        pool.shutdown(cancel_futures=True)


def _check_unread(unread: Sequence[tuple[Path, _Unread]], *, readable: int) -> None:
    """Refuse more than a few images that cannot be read; files that are no images do not count."""
    failures = [(path, why) for path, why in unread if why.remedy]
    total = readable + len(failures)
    if len(failures) <= max(1, int(MOST_UNREADABLE * total)):
        return
    lines = some_of((f"{path}: {why.reason}" for path, why in failures), joint="\n  ")
    remedies = dict.fromkeys(why.remedy for _, why in failures)
    raise DataError(
        f"{len(failures)} of {total} files cannot be read as images:\n  {lines}",
        observed=f"{readable} files that can be read",
        expected=f"at most {percent_text(MOST_UNREADABLE, 0)} of the images that cannot be "
        "read; so few are left out",
        remedy=(next(iter(remedies)) + "; or " if len(remedies) == 1 else "")
        + "delete these files, move them elsewhere, or replace them",
    )


def _tell_unread(root: Path, unread: Sequence[tuple[Path, _Unread]], progress: Progress) -> None:
    for what, some in (
        ("are no images", [entry for entry in unread if not entry[1].remedy]),
        ("are images that cannot be read", [entry for entry in unread if entry[1].remedy]),
    ):
        if some:
            shown = [
                id_of(path.relative_to(root)) + (f" ({why.reason})" if why.remedy else "")
                for path, why in some
            ]
            progress.message(f"note: left out, since they {what}: {_some(shown)}")


def _check_every_class(
    root: Path, names: Sequence[str], images: Mapping[str, Images], what: str
) -> None:
    for part, found in images.items():
        counts = found.class_counts(len(names))
        bare = [name for name, count in zip(names, counts, strict=True) if not count]
        if bare:
            raise DataError(
                f"{len(bare)} of {len(names)} classes of {part or root} have no images: "
                f"{some_of(bare)}",
                observed="nothing in them but files that are left out",
                expected=f"{what}, in every class folder",
                remedy="add images to these folders, or take the folders away",
            )


def _conflicts(images: Mapping[str, Images]) -> list[tuple[str, ...]]:
    """Return the ids of pictures with equal pixels that stand in two or more classes."""
    found: dict[str, list[tuple[int, str]]] = {}
    for part in images.values():
        for digest, label, name in zip(
            digest_per_image(part.pixels), part.labels.tolist(), part.ids, strict=True
        ):
            found.setdefault(digest, []).append((label, name))
    return [
        tuple(name for _, name in group)
        for group in found.values()
        if len({label for label, _ in group}) > 1
    ]


def _tell_conflicts(
    groups: Sequence[tuple[str, ...]], conflicting: str, progress: Progress
) -> None:
    one = len(groups) == 1
    problem = f"{len(groups)} picture{' stands' if one else 's stand'} in two classes"
    lines = [" = ".join(group) for group in groups]
    if conflicting == "error":
        raise DataError(
            f"{problem}:\n  " + some_of(lines, joint="\n  "),
            observed="files with equal pixels in folders of different classes",
            expected="each picture in one class, since data.conflicting is 'error'",
            remedy="delete the files in the wrong class, or set data.conflicting = 'exclude', "
            "which leaves these pictures out",
        )
    done = "kept in both" if conflicting == "keep" else "left out of training and test"
    progress.message(
        f"note: {problem} and {'is' if one else 'are'} {done}: " + some_of(lines, joint="; ")
    )


def _some(names: Sequence[str]) -> str:
    return f"{plural_text(len(names), 'file')}, {some_of(names)}"


def _without_ids(images: Images, ids: set[str]) -> Images:
    return images.take([index for index, name in enumerate(images.ids) if name not in ids])


def _room_for(counts: Mapping[str, int], form: _Form) -> dict[str, npt.NDArray[np.uint8]]:
    """Return empty pixels for each part, of its own: a part that goes then frees its room."""
    shape = (form.height, form.width, form.channels)
    return {part: room_for(count, shape) for part, count in counts.items()}


def id_of(path: Path) -> str:
    """Return a path as text that can be written anywhere, whatever bytes its name has."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _read(path: Path, form: _Form, with_print: bool) -> _Read | _Unread:
    """Return the image's pixels, or the reason why there are none."""
    from edgecnn_runner.images.decode import image_size, read_image
    from edgecnn_runner.images.preprocess import prepare

    if not claims_to_be_an_image(path):
        # Before a film is read whole.
        try:
            image_size(path)
        except ImageError:
            return _Unread(reason="no image")
    try:
        rgb = read_image(path)
    except ImageError as error:
        problem = error.problem.removeprefix(f"{path} ")
        observed = "" if error.observed is None else f" ({error.observed})"
        return _Unread(reason=f"{problem}{observed}", remedy=error.remedy)
    pixels = prepare(
        rgb, height=form.height, width=form.width, channels=form.channels, rule=form.resize
    )
    return _Read(pixels=pixels, print=fingerprint(rgb, path) if with_print else None)
