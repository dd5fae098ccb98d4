"""Which images belong together: by what they show, when they were taken, or by a rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.quality.scenes import scene, stored_again
from edgecnn.data.grouping import LONGEST_RUN, Grouping, group_images
from edgecnn.data.quality.fingerprint import Fingerprint, fingerprint
from edgecnn.errors import DataError


def unlike(seed: int) -> Fingerprint:
    """Return a fingerprint that is like no other one, without a picture being made."""
    rng = np.random.default_rng(seed)
    return Fingerprint(
        bits=rng.integers(0, 256, 32, dtype=np.uint8),
        small=rng.integers(0, 256, (32, 32, 3), dtype=np.uint8),
    )


def auto(names: Sequence[str], prints: Sequence[Fingerprint] | None = None) -> Grouping:
    """Group by ``auto``; the class is the first folder of a name."""
    found = [unlike(number) for number in range(len(names))] if prints is None else prints
    return group_images(names, [name.split("/")[0] for name in names], "auto", prints=found)


def together(grouping: Grouping) -> set[frozenset[str]]:
    return {frozenset(group) for group in grouping.groups()}


def apart(class_name: str, count: int) -> list[str]:
    """Return names that do not follow on each other: each has letters of its own."""
    return [f"{class_name}/{'abcdefghij'[n % 10]}{'klmnopqrst'[n // 10]}.jpg" for n in range(count)]


def test_photos_that_look_alike_are_one_group_also_in_two_classes() -> None:
    names = [*apart("cat", 12), *apart("dog", 12)]
    prints = [fingerprint(scene(number)) for number in range(24)]
    prints[5] = fingerprint(stored_again(scene(3)))
    prints[20] = fingerprint(stored_again(scene(3), 60))
    found = auto(names, prints)
    assert together(found) == {frozenset({names[3], names[5], names[20]})}
    assert "look alike" in found.rule


def test_a_burst_is_one_group_and_a_minute_later_is_another() -> None:
    names = apart("cat", 20)
    seconds = [0, 1, 2.5, 90, 91, *(1000 + 100 * n for n in range(15))]
    prints = [replace(unlike(n), taken_s=float(s)) for n, s in enumerate(seconds)]
    found = auto(names, prints)
    assert together(found) == {frozenset(names[:3]), frozenset(names[3:5])}
    assert "within 30 s" in found.rule


def test_two_cameras_and_two_folders_make_no_burst_together() -> None:
    names = [*apart("cat/a", 10), *apart("cat/b", 10)]
    prints = [replace(unlike(n), taken_s=100.0 * (n % 10)) for n in range(20)]
    assert together(auto(names, prints)) == set()
    prints[1] = replace(prints[1], taken_s=0.0, camera="other")
    assert together(auto(names, prints)) == set()


def test_names_that_run_on_do_not_chain_a_class_into_one_group() -> None:
    names = [f"glass/glass{number}.jpg" for number in range(1, 301)]
    found = auto(names)
    sizes = sorted(map(len, found.groups()))
    assert sum(sizes) == 300
    assert sizes[-1] <= LONGEST_RUN
    assert sizes[0] >= 1
    assert np.median(sizes) >= LONGEST_RUN / 2
    # By number, not by letter: glass10 does not stand between glass1 and glass2.
    assert found.group_of["glass/glass1.jpg"] == found.group_of["glass/glass2.jpg"]
    for group in found.groups():
        numbers = sorted(int(name.removeprefix("glass/glass")[:-4]) for name in group)
        assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_a_run_ends_where_the_pictures_change() -> None:
    names = [f"cat/{number:03}.jpg" for number in range(200)]
    looks = [np.full((32, 32, 3), 40 + 150 * (number // 13 % 2), np.uint8) for number in range(200)]
    prints = [replace(unlike(n), small=look) for n, look in enumerate(looks)]
    # The last run is what is left.
    runs = [group for group in auto(names, prints).groups() if names[-1] not in group]
    assert len(runs) == 14
    for group in runs:
        assert len({int(name[4:7]) // 13 for name in group}) == 1


def test_a_run_is_at_most_a_tenth_of_its_class() -> None:
    found = auto([f"cat/{number}.jpg" for number in range(60)])
    assert max(map(len, found.groups())) <= 6
    assert auto([f"cat/{number}.jpg" for number in range(19)]).groups() == []


def test_files_with_times_are_no_runs_by_name() -> None:
    names = [f"cat/IMG_{number}.jpg" for number in range(40)]
    prints = [replace(unlike(n), taken_s=1000.0 * n) for n in range(40)]
    assert auto(names, prints).groups() == []


def test_photos_that_all_look_alike_leave_a_class_that_can_be_split() -> None:
    # A camera on a stand, by which everything looks alike.
    one = fingerprint(scene(0))
    names = apart("cat", 50)
    found = auto(names, [one] * 50)
    sizes = Counter(found.group_of.values())
    assert max(sizes.values()) <= 50 // 5 + 1
    assert len(sizes) >= 5
    assert any("torn apart" in note for note in found.notes)


@pytest.mark.parametrize("count", [2, 3, 5, 6, 7])
def test_a_class_of_few_keeps_three_groups(count: int) -> None:
    one = fingerprint(scene(0))
    found = auto(apart("cat", count), [one] * count)
    assert len(set(found.group_of.values())) >= min(3, count)


def test_no_order_of_the_files_decides_anything() -> None:
    names = [*(f"cat/{number}.jpg" for number in range(60)), *apart("dog", 30)]
    prints = [unlike(number) for number in range(90)]
    prints[70], prints[75] = fingerprint(scene(1)), fingerprint(stored_again(scene(1)))
    order = np.random.default_rng(0).permutation(90)
    forward = auto(names, prints)
    backward = auto([names[n] for n in order], [prints[n] for n in order])
    assert dict(forward.group_of) == dict(backward.group_of)


def grouped(names: Sequence[str], split_by: str) -> Grouping:
    return group_images(names, [name.split("/")[0] for name in names], split_by)


def test_names_are_equal_up_to_their_last_number() -> None:
    names = ["cat/tom_1.jpg", "cat/tom_02.png", "cat/tim_1.jpg", "dog/tom_9 (x).jpg", "dog/b.jpg"]
    found = grouped(names, "name")
    assert together(found) == {frozenset({names[0], names[1], names[3]})}
    assert found.notes == (
        "split_by = 'name' says nothing of 1 of 5 images, each of which is a group of its own",
    )


def test_folders_inside_a_class_are_groups_across_classes() -> None:
    names = ["cat/home/1.jpg", "cat/home/2.jpg", "dog/home/1.jpg", "cat/zoo/1.jpg", "dog/9.jpg"]
    found = grouped(names, "folder")
    assert together(found) == {frozenset(names[:3])}


def test_folders_are_those_below_the_class_where_the_classes_lie_deeper() -> None:
    names = ["set/cat/home/1.jpg", "set/cat/2.jpg", "set/cat/home/3.jpg"]
    found = group_images(names, ["cat"] * 3, "folder")
    assert together(found) == {frozenset({names[0], names[2]})}


def test_no_sub_folder_at_all_is_an_error_that_says_how_to_go_on() -> None:
    with pytest.raises(DataError, match="no image is in a sub-folder") as caught:
        grouped(["cat/1.jpg", "dog/1.jpg"], "folder")
    assert "'auto'" in str(caught.value.remedy)


def test_a_column_of_a_table_says_what_belongs_together(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("image,object,light\ncat/1.jpg,tom,dark\ncat/2.jpg,tom,\n3.jpg,tim,dark\n")
    names = ["cat/1.jpg", "cat/2.jpg", "cat/3.jpg", "cat/4.jpg"]
    found = grouped(names, f"{table}:object")
    assert together(found) == {frozenset({"cat/1.jpg", "cat/2.jpg"})}
    assert (found.split_by, len(found.notes)) == ("groups.csv:object", 1)
    assert "the same object in groups.csv" in found.rule


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("image,object\ncat/1.jpg,tom\n", "thing", "has no column thing"),
        ("image,object\ncow/1.jpg,tom\n", "object", "has an entry for none of"),
        ("image,object\ncat/1.jpg,\n", "object", "has an entry for none of"),
        ("image\n", "object", "is no table of groups"),
    ],
)
def test_a_table_that_says_nothing_is_an_error(
    tmp_path: Path, text: str, column: str, problem: str
) -> None:
    table = tmp_path / "groups.csv"
    table.write_text(text)
    with pytest.raises(DataError, match=problem):
        grouped(["cat/1.jpg", "cat/2.jpg"], f"{table}:{column}")
