"""Files of scores as other programs write them, and as nobody should."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.data.own_scores import OwnScores, read_scores
from edgecnn.errors import DataError

NAMES = ("cat", "dog", "eel")
IDS = ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/ü 3.png", "eel/sub/4.jpg")
SCORES = np.array(
    [[0.7, 0.2, 0.1], [0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6]]
)


def csv_of(
    names: tuple[str, ...] = IDS,
    header: str | None = "image,cat,dog,eel",
    scores: Any = SCORES,
    form: str = "{}",
) -> str:
    lines = [] if header is None else [header]
    lines += [
        ",".join([name, *(form.format(one) for one in row)])
        for name, row in zip(names, scores, strict=False)
    ]
    return "\n".join(lines) + "\n"


def read(path: Path, content: str | bytes, ids: tuple[str, ...] = IDS, **more: Any) -> OwnScores:
    path = path / "scores.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_scores(path, NAMES, ids, **more)


def refused(path: Path, content: str | bytes, ids: tuple[str, ...] = IDS) -> DataError:
    with pytest.raises(DataError) as caught:
        read(path, content, ids)
    assert "scores.csv" in caught.value.problem
    return caught.value


def as_is(own: OwnScores) -> None:
    """Assert that all of it was read, with the images in their order."""
    np.testing.assert_array_equal(own.places, range(5))
    np.testing.assert_allclose(own.probabilities, SCORES, atol=1e-6)
    assert (own.kind, own.unknown) == ("probabilities", 0)


SEMICOLONS = csv_of().replace(",", ";")


@pytest.mark.parametrize(
    "content",
    [
        csv_of(),
        csv_of().replace("\n", "\r\n"),
        csv_of().replace("\n", "\r"),
        csv_of().rstrip("\n"),
        "\n" + csv_of() + "\n\n",
        "\ufeff" + csv_of(),
        csv_of().encode("utf-16"),
        SEMICOLONS,
        SEMICOLONS.replace(".2", ",2").replace(".1", ",1").replace("0.", "0,"),
        csv_of().replace(",", "\t"),
        csv_of().replace(",", "|"),
        "\n".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) for line in csv_of().splitlines()
        ),
        csv_of(form=" {:.3e} "),
        csv_of(header=" image , cat , dog , eel "),
        csv_of(header=",Cat,DOG,eel"),
        csv_of(header="image,0,1,2"),
        csv_of(header=None),
        csv_of(scores=100 * SCORES),
    ],
)  # fmt: skip
def test_any_dialect_is_read(tmp_path: Path, content: str | bytes) -> None:
    if isinstance(content, str) and content.count(",") > 10 and ";" in content:
        content = content.replace("1,jpg", "1.jpg")  # the commas of the numbers alone
        content = "\n".join(
            line if number == 0 else line.replace(",jpg", ".jpg").replace(",png", ".png")
            for number, line in enumerate(content.splitlines())
        )
    as_is(read(tmp_path, content))


def test_columns_in_another_order_are_matched_by_name(tmp_path: Path) -> None:
    own = read(tmp_path, csv_of(header="image,eel,cat,dog", scores=SCORES[:, [2, 0, 1]]))
    as_is(own)
    assert own.named
    assert not read(tmp_path, csv_of(header="image,0,1,2")).named


def test_sure_scores_without_a_header_are_no_header(tmp_path: Path) -> None:
    own = read(tmp_path, "dog/ü 3.png,0,1,2\ncat/1.jpg,3,1,1\n")
    assert own.places.tolist() == [0, 3]
    assert own.kind == "logits"


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("cat/2.jpg", 1),
        ("./cat/2.jpg", 1),
        ("cat\\2.jpg", 1),
        ("C:\\Users\\me\\data\\cat\\2.jpg", 1),
        ("/home/me/data/cat/2.jpg", 1),
        ("2.jpg", 1),
        ("other/2.jpg", 1),  # no other image and no other row has this file name
        ("sub/4.jpg", 4),
        ("dog/u\u0308 3.png", 3),  # as macOS writes it
    ],
)
def test_images_are_found_by_what_other_programs_call_them(
    tmp_path: Path, name: str, place: int
) -> None:
    own = read(tmp_path, f"image,cat,dog,eel\n{name},0.5,0.25,0.25\n")
    assert own.places.tolist() == [place]


def test_names_in_split_folders_fit_with_and_without_the_split(tmp_path: Path) -> None:
    ids = ("test/cat/1.jpg", "test/dog/1.jpg")
    own = read(tmp_path, csv_of(("cat/1.jpg", "/data/test/dog/1.jpg")), ids)
    assert own.places.tolist() == [0, 1]


def test_names_that_fit_several_images_are_listed(tmp_path: Path) -> None:
    error = refused(tmp_path, csv_of(("1.jpg", "cat/2.jpg")))
    assert "1 names" in error.problem
    assert "1.jpg (cat/1.jpg or dog/1.jpg)" in str(error.observed)
    error = refused(tmp_path, csv_of(("1", "2")), ("train/1", "test/1", "test/2"))
    assert "1 (train/1 or test/1)" in str(error.observed)


def test_names_of_no_image_are_counted_and_refused_where_they_are_most(tmp_path: Path) -> None:
    own = read(tmp_path, csv_of((*IDS[:4], "fox/9.jpg")))
    assert (len(own), own.unknown) == (4, 1)
    error = refused(tmp_path, csv_of(("fox/9.jpg", "fox/8.jpg", "cat/1.jpg")))
    assert "2 of 3 names" in error.problem
    assert "fox/9.jpg, fox/8.jpg" in str(error.observed)
    assert "cat/1.jpg" in str(error.expected)


def test_scores_of_other_images_of_the_data_are_left_out_without_a_word(tmp_path: Path) -> None:
    own = read(tmp_path, csv_of(), IDS[3:], others=IDS[:3])
    assert (own.places.tolist(), own.unknown) == ([0, 1], 0)
    np.testing.assert_allclose(own.probabilities, SCORES[3:], atol=1e-6)


def test_two_rows_of_one_image_are_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, csv_of(("cat/1.jpg", "data/cat/1.jpg")))
    assert "several rows for 1 images" in error.problem


def test_logits_go_through_a_softmax(tmp_path: Path) -> None:
    own = read(tmp_path, csv_of(scores=np.log(SCORES + 1e-9) + 3))
    assert own.kind == "logits"
    np.testing.assert_allclose(own.probabilities, SCORES, atol=1e-6)


def test_rounded_probabilities_add_up_again(tmp_path: Path) -> None:
    own = read(tmp_path, csv_of(scores=np.round(SCORES, 2) + 0.002))
    np.testing.assert_allclose(own.probabilities.sum(axis=1), 1, atol=1e-12)


def test_some_images_are_taken_in_another_order(tmp_path: Path) -> None:
    own = read(tmp_path, csv_of()).of(IDS, (IDS[4], "not there", IDS[1]))
    assert own.places.tolist() == [0, 2]
    np.testing.assert_allclose(own.probabilities, SCORES[[4, 1]], atol=1e-6)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "0 cells"),
        ("\n\n", "0 cells"),
        ("image,cat,dog,eel\n", "no images"),
        ("image,cat,dog\ncat/1.jpg,1,0\n", "3 cells in the first line"),
        (csv_of() + "cat/9.jpg,1,0\n", "line 7 has 3 cells"),
        (csv_of() + "cat/9.jpg,1,0,x\n", "'x'"),
        (csv_of() + "cat/9.jpg,1,0,\n", "''"),
        (csv_of() + "cat/9.jpg,1_0,0,0\n", "'1_0'"),
        (csv_of() + "cat/9.jpg,1,0,٣\n", "line 7 has"),
        (csv_of() + 'cat/9.jpg,1,0,"1\n', "near"),
        ("cat/1.jpg,nan,0,0\n", "NaN or infinity for cat/1.jpg"),
        ("cat/1.jpg,1e999,0,0\n", "NaN or infinity"),
        (csv_of(header="image,cat,dog,fox"), "columns fox; none for eel"),
        (csv_of(header="image,cat,cat,dog"), "none for eel"),
        (csv_of(header="image,1,2,3"), "columns 1, 2, 3"),
        (csv_of(scores=np.full((5, 3), 0.9)), "sums of 2.7 to 2.7"),
        (b"\xff\xd8\xff\xe0 no text", "bytes ff d8"),
        (b"image,cat,dog,eel\ncat/1.jpg\0,1,0,0\n", "zero bytes"),
        ("image," + "x," * 10_000_000, "a line of more than"),
        (b"PK\x03\x04 no zip", "BadZipFile"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_scores_is_refused_with_the_reason(
    tmp_path: Path, content: str | bytes, says: str
) -> None:
    error = refused(tmp_path, content)
    assert says in str(error)


def test_a_file_that_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path, Path("/dev/zero"), tmp_path / ("x" * 300)):
        with pytest.raises(DataError, match="cannot read the scores"):
            read_scores(path, NAMES, IDS)


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_an_npz_file_is_read_with_and_without_classes(tmp_path: Path) -> None:
    as_is(read(tmp_path, npz(names=np.array(IDS), scores=SCORES.astype("f4"))))
    own = read(
        tmp_path,
        npz(
            names=np.array([name.encode() for name in IDS]),
            scores=SCORES[:, [1, 2, 0]],
            classes=np.array(["dog", "eel", "cat"]),
        ),
    )
    as_is(own)
    assert own.named
    as_is(read(tmp_path, npz(names=np.array(IDS), scores=SCORES, classes=np.arange(3))))


def array_file(shape: tuple[int, ...], kind: str, data: bytes) -> bytes:
    """An array file whose header may lie."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(f"{name}.npy", data)
    return file.getvalue()


HONEST = npz(names=np.array(IDS), scores=SCORES)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (npz(names=np.array(IDS)), "arrays names"),
        (npz(names=np.array(IDS, object), scores=SCORES), "Python objects"),
        (npz(names=np.arange(5), scores=SCORES), "names are int64"),
        (npz(names=np.array(IDS), scores=SCORES[:4]), "(4, 3), with 5 names"),
        (npz(names=np.array(IDS), scores=SCORES[:, :2]), "(5, 2)"),
        (npz(names=np.array(IDS), scores=SCORES + 0j), "complex128"),
        (npz(names=np.array(IDS), scores=SCORES, classes=np.arange(4)), "classes are"),
        (npz(names=np.array(IDS), scores=SCORES * np.nan), "NaN or infinity"),
        (HONEST[: len(HONEST) // 2], "BadZipFile"),
        (archive(names=b"", scores=b""), "ValueError"),
        (archive(names=array_file((10**12,), "<U9", b""), scores=b""), "another size"),
        (archive(names=array_file((5,), "<U99999999", b""), scores=b""), "another size"),
        (archive(names=array_file((-1,), "<U9", b""), scores=b""), ""),
        (archive(names=array_file((5,), "|O", b"cos\nsystem\n"), scores=b""), "Python objects"),
        (archive(names=b"\0" * (300 << 20), scores=b""), "more than it may hold"),
    ],
)  # fmt: skip
def test_an_npz_file_that_lies_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    assert says in str(refused(tmp_path, content))
