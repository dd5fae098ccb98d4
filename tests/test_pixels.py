from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from PIL import Image

from edgecnn import pixels as store
from edgecnn.build.reference import images_digest, with_noise
from edgecnn.data import Images
from edgecnn.data.split import digest_per_image
from edgecnn.errors import DataError
from graph.onnx_files import end, model, weight

SHAPE = (6, 5, 3)


@pytest.fixture
def in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every array be in a file, and be worked on in parts of two images."""
    monkeypatch.setattr(store, "IN_MEMORY", 0)
    monkeypatch.setattr(store, "AT_ONCE", 2 * 6 * 5 * 3)


def images(count: int = 11, seed: int = 0) -> Images:
    return Images(
        pixels=np.random.default_rng(seed).integers(0, 256, (count, *SHAPE), np.uint8),
        labels=np.arange(count, dtype=np.int64),
        ids=tuple(f"{seed}/{index}" for index in range(count)),
    )


def test_few_images_are_in_memory_and_many_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "IN_MEMORY", 10 * 90)
    assert not store.is_mapped(store.room_for(10, SHAPE))
    room = store.room_for(11, SHAPE)
    assert store.is_mapped(room)
    assert store.is_mapped(room[3:5])
    assert type(room) is np.ndarray
    assert room.shape == (11, *SHAPE)
    assert room.flags.c_contiguous


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux")
def test_the_file_has_no_name_and_goes_with_the_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_a_file: None
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    room = store.room_for(11, SHAPE)
    room[:] = 7
    assert not list(tmp_path.iterdir())
    assert str(tmp_path) in Path("/proc/self/maps").read_text()
    part = room[2:3]
    del room
    assert int(part.max()) == 7
    del part
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_everything_is_the_same_to_the_last_bit(in_a_file: None) -> None:
    plain = images()
    places = [10, 0, 3, 3, 7]
    taken = plain.take(places)
    assert store.is_mapped(taken.pixels)
    np.testing.assert_array_equal(taken.pixels, plain.pixels[places])
    both = plain.joined(images(4, seed=1))
    np.testing.assert_array_equal(
        both.pixels, np.concatenate([plain.pixels, images(4, seed=1).pixels])
    )
    mapped = plain.take(range(11))
    assert store.is_mapped(mapped.pixels)
    # What earlier versions computed, at once.
    assert mapped.digest() == "".join(_digest_at_once(plain, with_labels=True))
    assert images_digest(mapped.pixels) == "".join(_digest_at_once(plain, with_labels=False))
    assert digest_per_image(mapped.pixels) == digest_per_image(plain.pixels)
    np.testing.assert_array_equal(with_noise(mapped.pixels), with_noise(plain.pixels))
    assert len(plain.take([])) == 0


def _digest_at_once(images: Images, *, with_labels: bool) -> str:
    import hashlib

    data = repr(images.pixels.shape).encode() + images.pixels.tobytes()
    if with_labels:
        data += images.labels.astype("<i8").tobytes()
    return hashlib.sha256(data).hexdigest()


def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(DataError, match="no room") as caught:
        store.room_for(2**40, (224, 224, 3))
    assert "TMPDIR" in caught.value.remedy
    assert str(tmp_path) in str(caught.value.observed)
    assert not list(tmp_path.iterdir())


def test_a_limit_on_file_sizes_is_an_error(tmp_path: Path) -> None:
    program = (
        "import resource, signal\n"
        "from edgecnn import pixels\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))\n"
        "pixels.IN_MEMORY = 0\n"
        "pixels.room_for(2, (1024, 1024, 1))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "DataError: there is no room" in done.stderr


def test_a_file_system_that_cannot_reserve_is_asked_for_its_free_space(
    monkeypatch: pytest.MonkeyPatch, in_a_file: None
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    room = store.room_for(3, SHAPE)
    room[:] = 1
    assert int(room.sum()) == 3 * 90
    with pytest.raises(DataError, match="no room"):
        store.room_for(2**40, (224, 224, 3))


# Many images in processes of their own, whose memory is watched: what is neither in a file nor
# shared. Data sets in memory would take 60 MB more in the larger case, three times over.

_FEW, _MANY, _SIDE = 100, 500, 224
_WATCHED = """
import sys, threading, time
from pathlib import Path
from edgecnn import pixels
pixels.IN_MEMORY = int(sys.argv.pop(1))
most = [0]
def look():
    while True:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                most[0] = max(most[0], int(line.split()[1]) * 1024)
        time.sleep(0.004)
threading.Thread(target=look, daemon=True).start()
"""
_EVALUATE = """
import contextlib, io, json
from edgecnn.cli.app import main
said = io.StringIO()
try:
    with contextlib.redirect_stdout(said):
        main()
except SystemExit as end:
    assert not end.code, end.code
found = json.loads(said.getvalue())
print(json.dumps([most[0], found["images_sha256"], found["accuracy"], found["confusion"]]))
"""
_PREPARE = """
import json
import numpy as np
from edgecnn.build.reference import Reference
from edgecnn.data.calibration import choose_calibration
from edgecnn.data.load import load_dataset
from edgecnn.data.patterns import probes
from edgecnn.data.types import in_class_order
from edgecnn.recipe.load import Data
from edgecnn.verify.evaluation import choose_evaluation
data = load_dataset(Data(name="folder", path=sys.argv[1], image_size=(224, 224), test=0.5))
data = in_class_order(data, data.class_names[::-1])
def score(images):
    found = np.stack([[image.mean(), 1.0] for image in images]).astype(np.float32)
    return found / found.sum(axis=1, keepdims=True)
reference = Reference.asked(score, data.test, probes=probes(data.shape), model_sha256="0",
                            class_names=data.class_names)
evaluation = choose_evaluation(data, reference, shuffled=True)
chosen = choose_calibration(data.train, data.test, count=20, seed=0, class_names=data.class_names)
print(json.dumps([most[0], data.digest(), reference.images_sha256, chosen.record["sha256"]]))
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Few and many photos of two classes, and an ONNX file that looks at their mean."""
    place = tmp_path_factory.mktemp("many")
    rows, columns = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    found = {}
    for count in (_FEW, _MANY):
        found[count] = place / str(count)
        for index in range(count):
            folder = found[count] / ("dark", "light")[index % 2]
            folder.mkdir(parents=True, exist_ok=True)
            grey = (rows * (1 + index % 7) + columns + index) % 128 + 100 * (index % 2)
            colours = np.stack([grey, grey[::-1], grey * 0 + index % 256], axis=2)
            path = folder / f"{index}.bmp"
            Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8)).save(path)
    node = helper.make_node
    made = model(
        [
            node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
            node("GlobalAveragePool", ["t"], ["p"]),
            node("Flatten", ["p"], ["f"]),
            node("MatMul", ["f", "w"], ["l"]),
            node("Softmax", ["l"], ["y"]),
        ],
        [end("x", [1, _SIDE, _SIDE, 3])],
        [end("y", [1, 2])],
        [weight("w", 3, 2)],
    )
    (place / "model.onnx").write_bytes(made.SerializeToString())
    (place / "labels.txt").write_text("dark\nlight\n")
    return found


def _watched(program: str, in_memory: int, *arguments: str | Path) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED + program, str(in_memory), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize("what", ["evaluate", "prepare"])
def test_memory_does_not_grow_with_the_number_of_images(
    folders: dict[int, Path], what: str
) -> None:
    few, many = folders[_FEW], folders[_MANY]
    added = (_MANY - _FEW) * _SIDE * _SIDE * 3

    def run(folder: Path, in_memory: int) -> list[Any]:
        if what == "prepare":
            return _watched(_PREPARE, in_memory, folder)
        place = folder.parent
        return _watched(
            _EVALUATE, in_memory, "evaluate", place / "model.onnx", folder,
            "--labels", place / "labels.txt", "--input-range", "0..255", "--json",
        )  # fmt: skip

    mapped = {folder: run(folder, 2**20) for folder in (few, many)}
    held = run(many, 2**40)
    assert mapped[many][0] - mapped[few][0] < added / 4
    assert held[0] - mapped[few][0] > added / 2  # so that the line above can fail
    assert mapped[many][1:] == held[1:]


def test_the_limit_of_this_process_is_not_changed() -> None:
    assert store.IN_MEMORY == 256 * 2**20
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
