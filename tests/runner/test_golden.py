from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn_runner.errors import OutputError, SelfTestError
from edgecnn_runner.golden import (
    MIN_MARGIN,
    Golden,
    preprocessing_cases,
    read_golden,
    write_golden,
)
from edgecnn_runner.images.preprocess import prepare
from runner.fixture_files import images, reference


def sure(name: str) -> Golden:
    """Return golden vectors of a fixture: those of its images that are not in doubt."""
    scores = reference(name)
    ordered = np.sort(scores, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] >= MIN_MARGIN
    pictures = images(name)[clear]
    sources, prepared = preprocessing_cases(*pictures.shape[1:])
    return Golden(
        images=pictures,
        reference=scores[clear],
        scores={"tflite-int8": scores[clear], "onnx-fp32": scores[clear]},
        sources=sources,
        prepared=prepared,
    )


@pytest.mark.parametrize("name", ["rgb", "grey"])
def test_survives_its_file(tmp_path: Path, name: str) -> None:
    golden, path = sure(name), tmp_path / "golden.npz"
    write_golden(path, golden)
    found = read_golden(path)
    np.testing.assert_array_equal(found.images, golden.images)
    np.testing.assert_array_equal(found.reference, golden.reference)
    assert found.scores.keys() == golden.scores.keys()
    np.testing.assert_array_equal(found.scores["onnx-fp32"], golden.scores["onnx-fp32"])
    for left, right in zip(found.sources, golden.sources, strict=True):
        np.testing.assert_array_equal(left, right)
    for left, right in zip(found.prepared, golden.prepared, strict=True):
        np.testing.assert_array_equal(left, right)


def test_equal_vectors_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_golden(tmp_path / name, sure("rgb"))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_no_vectors_can_be_written_and_read(tmp_path: Path) -> None:
    golden = sure("rgb")
    empty = replace(golden, images=golden.images[:0], reference=golden.reference[:0], scores={})
    write_golden(tmp_path / "golden.npz", empty)
    assert len(read_golden(tmp_path / "golden.npz").images) == 0


def test_references_in_doubt_are_refused() -> None:
    golden = sure("rgb")
    doubtful = np.array([[0.5, 0.3, 0.1, 0.1]], np.float32)
    with pytest.raises(SelfTestError, match=r"at least 0\.3"):
        replace(golden, images=golden.images[:1], reference=doubtful, scores={})
    with pytest.raises(SelfTestError, match=r"at least 0\.3"):
        replace(golden, images=golden.images[:1], reference=doubtful * np.nan, scores={})


def test_parts_that_do_not_fit_together_are_refused() -> None:
    golden = sure("rgb")
    for change in (
        {"images": golden.images[:-1]},
        {"images": golden.images.astype(np.float32)},
        {"prepared": golden.prepared[:-1]},
        {"scores": {"tflite-int8": golden.reference[:, :-1]}},
    ):
        with pytest.raises(SelfTestError, match="do not fit together"):
            replace(golden, **change)


def crafted(name: str) -> dict[str, Any]:
    """Return the arrays of a file in which one is not what it should be."""
    golden = sure("rgb")
    count = len(golden.images)
    arrays: dict[str, Any] = {
        "images": golden.images,
        "reference": golden.reference,
        "scores_tflite-int8": golden.reference,
        "sources_0": golden.sources[0],
        "prepared_0": golden.prepared[0],
    }
    scores = ("reference", "scores_tflite-int8")
    changes: dict[str, dict[str, Any]] = {
        "one class": dict.fromkeys(scores, np.ones((count, 1), np.float32)),
        "no classes": dict.fromkeys(scores, np.ones((count, 0), np.float32)),
        "texts": {"reference": np.full(golden.reference.shape, "high")},
        "integers": dict.fromkeys(scores, np.eye(count, 4, dtype=np.int64)),
        "texts as scores": {"scores_tflite-int8": np.full(golden.reference.shape, "high")},
        "no source": {"sources_0": np.zeros((5, 5, 0), np.uint8)},
        "a flat source": {"sources_0": np.zeros((5, 5), np.uint8)},
        "a source of floats": {"sources_0": np.zeros((5, 5, 3), np.float32)},
        "a source of texts": {"sources_0": np.full((5, 5, 3), "red")},
        "an empty source": {"sources_0": np.zeros((0, 5, 3), np.uint8)},
        "prepared floats": {"prepared_0": golden.prepared[0].astype(np.float32)},
        "prepared too small": {"prepared_0": golden.prepared[0][:-1]},
    }
    return {**arrays, **changes[name]}


@pytest.mark.parametrize(
    "name",
    [
        "one class",
        "no classes",
        "texts",
        "integers",
        "texts as scores",
        "no source",
        "a flat source",
        "a source of floats",
        "a source of texts",
        "an empty source",
        "prepared floats",
        "prepared too small",
    ],
)
def test_crafted_vectors_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "golden.npz"
    np.savez(path, **crafted(name))
    with pytest.raises(SelfTestError, match="do not fit together"):
        read_golden(path)


def test_references_that_are_infinite_are_refused() -> None:
    golden = sure("rgb")
    infinite = np.array([[np.inf, np.inf, 0, 0]], np.float32)
    with pytest.raises(SelfTestError, match=r"at least 0\.3"):
        replace(golden, images=golden.images[:1], reference=infinite, scores={})


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"nonsense"])
def test_damaged_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "golden.npz"
    path.write_bytes(data)
    with pytest.raises(SelfTestError, match="copy golden"):
        read_golden(path)


def test_every_flipped_byte_is_refused_or_means_nothing(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    golden = sure("rgb")
    write_golden(path, golden)
    data = path.read_bytes()
    for position in range(0, len(data), 61):
        changed = bytearray(data)
        changed[position] ^= 0xFF
        path.write_bytes(changed)
        try:
            found = read_golden(path)
        except SelfTestError:
            continue
        np.testing.assert_array_equal(found.images, golden.images)


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    np.savez(path, images=np.array([{}], dtype=object), reference=np.zeros((1, 2)))
    with pytest.raises(SelfTestError, match="pickle"):
        read_golden(path)


def test_a_missing_file_and_a_missing_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(SelfTestError, match="No such file"):
        read_golden(tmp_path / "golden.npz")
    with pytest.raises(OutputError, match="make the folder first"):
        write_golden(tmp_path / "missing" / "golden.npz", sure("rgb"))


@pytest.mark.parametrize("shape", [(12, 16, 3), (8, 8, 1), (1, 1, 3)])
def test_preprocessing_cases_cover_the_ways_through_the_rule(shape: tuple[int, int, int]) -> None:
    height, width, channels = shape
    sources, prepared = preprocessing_cases(*shape)
    assert (1, 1, 3) in {source.shape for source in sources}
    assert (height, width, 3) in {source.shape for source in sources}
    for source, expected in zip(sources, prepared, strict=True):
        assert expected.shape == shape
        found = prepare(source, height=height, width=width, channels=channels)
        np.testing.assert_array_equal(found, expected)
