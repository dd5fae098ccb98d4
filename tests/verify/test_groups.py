"""Groups of images: the table that names them, and how both models do on each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import DataError
from edgecnn.verify.groups import check_groups, count_groups, read_groups

TABLE = "image,lighting,camera\nclips/a.png,dark,front\nb.png,bright,\nc.png,dark,rear\n\n"


def table(folder: Path, text: str) -> Path:
    path = folder / "groups.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_names_groups_and_an_empty_cell_is_none(tmp_path: Path) -> None:
    groups = read_groups(table(tmp_path, "\ufeff" + TABLE))
    assert groups.columns == {
        "lighting": {"clips/a.png": "dark", "b.png": "bright", "c.png": "dark"},
        "camera": {"clips/a.png": "front", "c.png": "rear"},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the header is missing"),
        ("image\na.png\n", "the header is image"),
        ("image,light,light\n", "the header is image,light,light"),
        ("image,light\na.png\n", "line 2 has 1 cells"),
        ("image,light\na.png,dark\na.png,bright\n", "a.png is there twice, again in line 3"),
        ('image,light\n"a.png,dark\n', "unexpected end of data"),
        ("image,light\n" + "".join(f"{n}.png,{n}\n" for n in range(60)), "light has 60 groups"),
    ],
)
def test_what_is_no_table_of_groups_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match="is no table of groups") as raised:
        read_groups(table(tmp_path, text))
    assert said in str(raised.value)


def test_a_table_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_groups(tmp_path / "missing.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="a CSV file in UTF-8"):
        read_groups(tmp_path / "bytes.csv")


def test_counts_of_each_group(tmp_path: Path) -> None:
    groups = read_groups(table(tmp_path, TABLE))
    ids = ["clips/a.png", "folder/b.png", "c.png", "d.png"]
    labels = np.array([0, 1, 1, 0])
    reference, artifact = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 1])
    lighting, camera = count_groups(groups, ids, labels, reference, artifact, classes=3)
    assert [group.name for group in lighting.groups] == ["bright", "dark"]
    bright, dark = lighting.groups
    # b.png is named without its folder; d.png is not in the table.
    assert (bright.paired.images, dark.paired.images, lighting.without) == (1, 2, 1)
    assert (dark.reference_right, dark.right, dark.paired.lost, dark.paired.gained) == (2, 1, 1, 0)
    assert [one.images for one in dark.classes] == [1, 1, 0]
    assert camera.without == 2
    shares = dark.shares()
    assert shares["accuracy"]["share"] == 0.5
    assert shares["accuracy"]["low"] < 0.5 < shares["accuracy"]["high"]
    assert [one and one["share"] for one in shares["recall"]] == [1.0, 0.0, None]
    assert [one and one["share"] for one in shares["reference_recall"]] == [1.0, 1.0, None]


@pytest.mark.parametrize(
    ("ids", "said"),
    [(["x.png", "y.png"], "none of the 2 images, such as x.png"), (["c.png"], "only dark")],
)
def test_a_table_of_other_images_is_refused_before_anything_runs(
    tmp_path: Path, ids: list[str], said: str
) -> None:
    groups = read_groups(table(tmp_path, TABLE))
    with pytest.raises(DataError, match="fewer than two groups") as raised:
        check_groups(groups, ids)
    assert said in str(raised.value)
