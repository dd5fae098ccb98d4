"""What goes wrong at the command line gives a typed error, its exit code, and a remedy."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import Finished, edgecnn
from integration.conftest import record_again

pytestmark = pytest.mark.slow

Demo = tuple[Path, Finished]
Damage = Callable[[bytes], bytes]


def flipped(data: bytes) -> bytes:
    middle = len(data) // 3
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]


DAMAGES: dict[str, Damage] = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "bit-flipped": flipped,
    "another file": lambda data: b"%PDF-1.7 nothing to see here" * 20,
}


def expect(done: Finished, code: int) -> None:
    """The exit code, a remedy, and no traceback."""
    assert done.code == code, done.err
    assert "remedy:" in done.err
    assert "Traceback" not in done.err
    assert done.err.count("error: ") >= 1


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["digits-int8.tflite", "digits-int8.onnx"])
def test_a_damaged_artifact_is_refused_by_every_command_that_reads_it(
    demo: Demo, tmp_path: Path, name: str, damage: str
) -> None:
    folder = Path(shutil.copytree(demo[0], tmp_path / "build"))
    file = folder / name
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    for arguments in (("run", file, folder / "sample.png"), ("inspect", file), ("verify", file)):
        done = edgecnn(*arguments)
        assert done.code in (10, 11), (arguments[0], done.code, done.err)
        expect(done, done.code)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_float_model_is_refused_and_the_build_stays_as_it_was(
    demo: Demo, tmp_path: Path, damage: str
) -> None:
    folder = Path(shutil.copytree(demo[0], tmp_path / "build"))
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    source = tmp_path / "broken.keras"
    source.write_bytes(DAMAGES[damage](before["model.keras"]))
    done = edgecnn("convert", source, "--data", "digits", "--out", folder)
    expect(done, 26)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_files_that_are_not_there(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.tflite"
    image = tmp_path / "image.png"
    Image.new("RGB", (8, 8)).save(image)
    expect(edgecnn("run", nowhere, image), 10)
    expect(edgecnn("inspect", nowhere), 10)
    expect(edgecnn("verify", nowhere), 29)
    expect(edgecnn("convert", tmp_path / "nowhere.keras"), 26)
    expect(edgecnn("train", tmp_path), 20)


def test_an_image_that_is_not_one(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a jpeg")
    expect(edgecnn("run", demo[0] / "digits-int8.tflite", tmp_path / "broken.jpg"), 12)
    expect(edgecnn("run", demo[0] / "digits-int8.tflite", tmp_path / "missing.jpg"), 12)


def test_one_bad_picture_does_not_keep_the_others_from_their_answers(
    demo: Demo, tmp_path: Path
) -> None:
    broken, good = tmp_path / "broken.jpg", demo[0] / "sample.png"
    broken.write_bytes(b"nothing")
    artifact = demo[0] / "digits-int8.tflite"
    done = edgecnn("run", artifact, broken, good)
    expect(done, 12)
    assert str(good) in done.out
    rows = edgecnn("run", artifact, broken, good, "--json").json()
    assert [row.get("error") for row in rows] == ["ImageError", None]


def test_an_artifact_that_does_not_follow_its_float_model_exits_3(
    demo: Demo, tmp_path: Path
) -> None:
    # The reference says of every image that it is another class: no artifact can agree.
    from edgecnn.reference import read_reference

    folder = Path(shutil.copytree(demo[0], tmp_path / "build"))
    reference = read_reference(folder / "reference.npz")
    turned = dataclasses.replace(reference, scores=np.roll(reference.scores, 1, axis=1))
    turned.write(folder / "reference.npz")
    record_again(folder, "reference.npz")
    done = edgecnn("verify", folder, "--junit", tmp_path / "parity.xml")
    expect(done, 3)
    assert "FAIL" in done.out
    assert (tmp_path / "parity.xml").read_text().count("<failure") == 6


def test_labels_that_do_not_fit(demo: Demo, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("zero\none\n")
    model = demo[0] / "model.keras"
    done = edgecnn(
        "convert", model, "--data", "digits", "--labels", labels, "--out", tmp_path / "out"
    )
    expect(done, 25)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_second_input_range_for_a_model_that_has_its_own_is_refused(
    demo: Demo, tmp_path: Path
) -> None:
    done = edgecnn(
        "convert", demo[0] / "model.keras", "--data", "digits", "--input-range", "0..1",
        "--out", tmp_path / "out",
    )  # fmt: skip
    expect(done, 2)


def test_a_model_without_data_says_which_option_is_missing(demo: Demo) -> None:
    done = edgecnn("convert", demo[0] / "model.keras")
    expect(done, 2)
    assert "--data" in done.err


def test_a_wrong_runtime_text_is_usage(demo: Demo, tmp_path: Path) -> None:
    expect(edgecnn("convert", demo[0], "--out", tmp_path / "o", "--runtime", "tflite"), 2)


def test_an_unknown_variant_is_named_with_those_there_are(demo: Demo, tmp_path: Path) -> None:
    done = edgecnn("convert", demo[0], "--out", tmp_path / "o", "--variant", "tflite-int4")
    expect(done, 2)
    assert "tflite-int8" in done.err
    expect(edgecnn("verify", demo[0], "--max-drop", "-1"), 2)


def test_an_unknown_runtime_is_usage(demo: Demo) -> None:
    file, sample = demo[0] / "digits-int8.tflite", demo[0] / "sample.png"
    done = edgecnn("run", file, sample, "--runtime", "nonsense")
    expect(done, 2)
    assert "litert" in done.err


def test_a_missing_runtime_names_what_to_install(demo: Demo) -> None:
    done = edgecnn(
        "run", demo[0] / "digits-int8.tflite", demo[0] / "sample.png",
        "--runtime", "tflite-runtime",
    )  # fmt: skip
    expect(done, 13)
    assert "pip install" in done.err


def test_calibration_with_more_images_than_there_are(tmp_path: Path) -> None:
    folder = tmp_path / "leaves"
    rng = np.random.default_rng(0)
    for name in ("ash", "oak"):
        (folder / "images" / name).mkdir(parents=True)
        for index in range(15):
            pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / name / f"{index}.png")
    (folder / "recipe.toml").write_text(
        '[model]\nname = "leaves"\narchitecture = "tiny_cnn"\n'
        '[data]\nname = "folder"\npath = "images"\nimage_size = 16\n'
        "[train]\nepochs = 1\nbatch_size = 8\n[calibration]\nimages = 500\n"
    )
    done = edgecnn("build", folder)
    expect(done, 24)
    assert (folder / "build" / "model.keras").exists()
    # With a number that is there, the same build goes on from where it stopped.
    done = edgecnn("build", folder, "--set", "calibration.images=10")
    assert "train: up to date" in done.err
    assert done.code in (0, 3, 4), done.err
    parity = json.loads((folder / "build" / "parity.json").read_text())
    assert len(parity["rows"]) == 6
