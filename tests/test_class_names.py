"""Class names as other programs write them: numbered, in lists, in tables; and none guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.build.class_names import imagenet_names, named_as, read_class_names
from edgecnn.errors import LabelsError


def names(folder: Path, text: str, *known: str) -> tuple[str, ...]:
    path = folder / "labels.txt"
    path.write_text(text, encoding="utf-8", newline="")
    return read_class_names(path, known=known or None)


@pytest.mark.parametrize(
    "text",
    [
        "cat\nbig dog\n",
        "0 cat\n1 big dog\n",
        "\ufeff0 cat\r\n1 big dog\r\n\r\n",
        "0: cat\n1: big dog\n",
        "0,cat\n1,big dog\n",
        "0\tcat\n1\tbig dog\n",
        '["cat", "big dog"]',
        "['cat', 'big dog']\n",
        "class_names = [\n    'cat',\n    'big dog',\n]\n",
        "('cat', 'big dog')",
        '{"0": "cat", "1": "big dog"}',
        '{"1": "big dog", "0": "cat"}',
        "{0: 'cat', 1: 'big dog'}",
        "{'big dog': 1, 'cat': 0}",
        '{"0": ["n01", "cat"], "1": ["n02", "big dog"]}',
    ],
)
def test_each_form_is_read(tmp_path: Path, text: str) -> None:
    assert names(tmp_path, text) == ("cat", "big dog")


@pytest.mark.parametrize(
    "text",
    [
        "1 euro\n2 euro\n",  # numbers from 1 go only where the data says so
        "0 cat\n2 dog\n",
        "0 cat\ndog\n",
        "0\n1\n",
        "1 0 cat\n0 1 dog\n",
        "[none]\ncat\n",
        "0 cat\n1 cat\n",
    ],
)
def test_what_may_be_names_stays(tmp_path: Path, text: str) -> None:
    assert names(tmp_path, text) == tuple(text.split("\n")[:-1])


def test_the_classes_of_the_data_decide_whose_the_numbers_are(tmp_path: Path) -> None:
    assert names(tmp_path, "0 cat\n1 dog\n", "1 dog", "0 cat") == ("0 cat", "1 dog")
    assert names(tmp_path, "0 cat\n1 dog\n", "dog", "cat") == ("cat", "dog")
    assert names(tmp_path, "1 euro\n2 euros\n", "2 euros", "1 euro") == ("1 euro", "2 euros")
    assert names(tmp_path, "1 crow\n2 tern\n", "tern", "crow") == ("crow", "tern")
    assert names(tmp_path, "1 crow\n2 tern\n", "other", "crow") == ("1 crow", "2 tern")


def test_imagenet_is_a_word_for_its_thousand_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = read_class_names(Path("imagenet"))
    assert len(set(found)) == 1000
    # As every table of them has it: fish first, paper last; both cranes, and both maillots.
    assert (found[0], found[207], found[999]) == ("tench", "golden retriever", "toilet tissue")
    assert (found[134], found[517]) == ("crane bird", "crane")
    assert (found[281], found[751], found[954]) == ("tabby", "racer", "banana")
    Path("imagenet").write_text("cat\ndog\n")
    assert read_class_names(Path("imagenet")) == ("cat", "dog")


def test_folders_of_imagenet_have_their_names_by_their_order() -> None:
    names = imagenet_names()
    folders = [f"n{number:08}" for number in range(1440764, 1440764 + 1000)]
    assert named_as(names, folders) == names
    assert named_as(names, folders[::-1]) == names[::-1]
    # Some of them do not tell which, and other labels are other names.
    assert named_as(names, folders[:10]) == tuple(folders[:10])
    assert named_as(names[::-1], folders) == tuple(folders)
    assert named_as(names, names) == names


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('["cat", "dog"', "no list of names"),
        ('[\n"cat",\n"dog",\n', "no list of names"),
        ("[1, 2]", "not names: 1, 2"),
        ('["cat", null]', "not names: None"),
        ('["cat", "a\\ndog"]', "not names"),
        ('["cat", "cat"]', "twice: cat"),
        ('["cat"]', "not at least 2"),
        ("[]", "no list of names"),
        ('{"1": "cat", "2": "dog"}', "number its names from 0"),
        ('{"cat": 0, "dog": 0}', "number its names from 0"),
        ("[__import__('os').system('touch ran'), 'b']", "no list of names"),
        ("[" * 100_000, "no list of names"),
        ("cat\n\ndog\n", "blank lines: 2"),
        ("a" * 2_000_000, "too large"),
    ],
)
def test_what_names_no_classes_is_refused(
    tmp_path: Path, text: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabelsError) as caught:
        names(tmp_path, text)
    assert says in f"{caught.value.problem} {caught.value.observed}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.txt"]


def test_a_missing_file_and_no_text_are_errors(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="No such file"):
        read_class_names(tmp_path / "nowhere.txt")
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabelsError, match="cannot read") as caught:
        read_class_names(tmp_path / "labels.txt")
    assert caught.value.remedy == "save the file as UTF-8"
