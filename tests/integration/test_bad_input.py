"""What goes wrong at the command line.

Each time there is a typed error with its exit code, what was seen, what was wanted and what to do,
in words and as JSON; and everything that was there before is as it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command import Finished, edgecnn
from integration.conftest import record_again

pytestmark = pytest.mark.slow

Demo = tuple[Path, Finished]
Damage = Callable[[bytes], bytes]

FIXTURES = Path(__file__).parents[1] / "runner" / "fixtures"
PARTIAL = {"parity-partial.json", "report-partial.html"}
"""What a verification of one file adds to a build, whatever its verdict."""


def contents(folder: Path) -> dict[str, str]:
    """Return a digest of every file and the target of every link, by its path in the folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def expect(
    code: int,
    *arguments: str | Path,
    keeps: Path,
    adds: Set[str] = frozenset(),
    find: Callable[[Any], Any] = lambda document: document,
    env: dict[str, str] | None = None,
) -> Finished:
    """Run a command that has to be refused, and look at all that it leaves.

    Args:
        code: The exit code.
        arguments: The command line; ``--json`` is added, which changes nothing on stderr.
        keeps: A folder whose files have to stay, byte for byte.
        adds: Names of the files that may be new in it.
        find: Takes the error out of the document, where a command has more to say.
        env: Additions to the environment.
    """
    before = contents(keeps)
    done = edgecnn(*arguments, "--json", env=env)
    assert done.code == code, done.err
    told = find(done.json())
    assert told["exit_code"] == code
    for part in ("error", "problem", "observed", "expected", "remedy"):
        assert str(told[part] or "").strip(), (part, told)
    assert f"error: {told['problem'].splitlines()[0]}" in done.err
    for part in ("observed", "expected", "remedy"):
        assert re.search(rf"^  {part}: +\S", done.err, re.MULTILINE), (part, done.err)
    assert "Traceback" not in done.err
    after = contents(keeps)
    assert {name: after.get(name) for name in before} == before
    assert set(after) - set(before) <= adds
    return done


def of_row(document: Any) -> Any:
    """Take the error out of a verification of one file."""
    return document["rows"][0]["error"]


def of_image(document: Any) -> Any:
    """Take the error out of the answers of ``run``."""
    return next(row for row in document["images"] if "error" in row)


def copy_of(demo: Demo, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo[0], tmp_path / "build"))


# Model files


def flipped(data: bytes) -> bytes:
    middle = len(data) // 3
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]


DAMAGES: dict[str, Damage] = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "bit-flipped": flipped,
    "another file": lambda data: b"%PDF-1.7 nothing to see here" * 20,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["digits-int8.tflite", "digits-int8.onnx"])
def test_a_damaged_artifact_is_refused_by_every_command_that_reads_it(
    demo: Demo, tmp_path: Path, name: str, damage: str
) -> None:
    folder = copy_of(demo, tmp_path)
    file = folder / name
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    # A file that lost its end has lost its contract, which stands there.
    code = 11 if (damage, name[-4:]) == ("truncated", "lite") else 10
    expect(code, "run", file, folder / "sample.png", keeps=folder)
    expect(10, "verify", file, keeps=folder, adds=PARTIAL, find=of_row)
    expect(10, "inspect", file, keeps=folder)


def test_a_model_file_that_is_not_there(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    nowhere = folder / "nowhere.tflite"
    expect(10, "run", nowhere, folder / "sample.png", keeps=folder)
    expect(10, "inspect", nowhere, keeps=folder)
    expect(29, "verify", nowhere, keeps=folder)
    expect(26, "convert", folder / "nowhere.keras", "--data", "digits", keeps=folder)
    expect(20, "train", folder / "nowhere", keeps=folder)
    (folder / "digits-int8.onnx").unlink()
    expect(10, "verify", folder, "--images", "50", keeps=folder, adds=PARTIAL, find=first_error)


def first_error(document: Any) -> Any:
    return next(row["error"] for row in document["rows"] if row["error"])


LABELS_OF_RGB = "class 0\nclass 1\nclass 2\nclass 3\n"


def test_a_model_file_that_is_no_classifier(tmp_path: Path) -> None:
    labels, image = tmp_path / "labels.txt", tmp_path / "image.png"
    labels.write_text(LABELS_OF_RGB)
    Image.new("RGB", (16, 12)).save(image)
    options = ("--labels", labels, "--input-range", "0..1")
    expect(10, "run", FIXTURES / "two-outputs.tflite", image, *options, keeps=tmp_path)


def test_a_model_file_that_answers_with_nan(tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    Image.new("RGB", (16, 12)).save(image)
    expect(15, "run", FIXTURES / "rgb-nan.tflite", image, keeps=tmp_path)


BAD_MODELS = """
import sys
import keras, numpy as np

folder = sys.argv[1]
image = keras.Input((8, 8, 1))
body = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
scores = keras.layers.Dense(10, activation="softmax")(body)
keras.Model(image, [scores, body]).save(folder + "/two_outputs.keras")
keras.Model(image, keras.layers.Conv2D(2, 3)(image)).save(folder + "/segmentation.keras")
three = keras.layers.Dense(3, activation="softmax")(body)
keras.Model(image, three).save(folder + "/three_classes.keras")
model = keras.Model(image, scores)
model.save(folder + "/good.keras")
model.set_weights([np.full(weight.shape, np.nan) for weight in model.get_weights()])
model.save(folder + "/nan_weights.keras")
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keras files for 8 x 8 grey images, most of which cannot be converted for the digits."""
    folder = tmp_path_factory.mktemp("models")
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", BAD_MODELS, str(folder)]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return folder


@pytest.mark.parametrize("name", ["two_outputs", "segmentation", "nan_weights"])
def test_a_float_model_that_is_no_classifier(
    demo: Demo, models: Path, tmp_path: Path, name: str
) -> None:
    folder, model = copy_of(demo, tmp_path), models / f"{name}.keras"
    expect(26, "convert", model, "--data", "digits", "--out", folder, keeps=folder)


def test_a_float_model_with_other_classes_than_the_data(
    demo: Demo, models: Path, tmp_path: Path
) -> None:
    folder, model = copy_of(demo, tmp_path), models / "three_classes.keras"
    options = ("--data", "digits", "--out", tmp_path / "new")
    expect(25, "convert", model, *options, keeps=tmp_path)
    assert not (tmp_path / "new").exists()
    # Nor may it take the place of another model in a build.
    expect(29, "convert", model, "--data", "digits", "--out", folder, keeps=folder)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_float_model_is_refused_and_the_build_stays_as_it_was(
    demo: Demo, tmp_path: Path, damage: str
) -> None:
    folder = copy_of(demo, tmp_path)
    source = tmp_path / "broken.keras"
    source.write_bytes(DAMAGES[damage]((folder / "model.keras").read_bytes()))
    expect(26, "convert", source, "--data", "digits", "--out", folder, keeps=folder)


# Recipes and options


def test_all_mistakes_of_a_recipe_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(
        '[model]\nname = "leaves"\narchitecture = "vgg99"\n'
        '[data]\nname = "folder"\n[train]\nepochs = -1\nbatch_sise = 8\n'
        '[convert]\nvariants = ["tflite-int4"]\n[limits]\nmax_drop = "much"\n'
    )
    done = expect(20, "build", tmp_path, keeps=tmp_path)
    for mistake in ("vgg99", "data.path", "epochs", "batch_sise", "tflite-int4", "max_drop"):
        assert mistake in done.err, mistake


@pytest.mark.parametrize("text", ["", "[model\n", "model = 3\n", "\0"])
def test_a_recipe_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    expect(20, "build", tmp_path, keeps=tmp_path)


def test_options_that_cannot_be(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    sample = folder / "sample.png"
    done = expect(2, "convert", folder, "--variant", "tflite-int4", keeps=folder)
    assert "tflite-int8" in done.err
    done = expect(2, "run", folder / "digits-int8.tflite", sample, "--runtime", "x", keeps=folder)
    assert "litert" in done.err
    done = expect(2, "convert", folder / "model.keras", keeps=folder)
    assert "--data" in done.err
    done = expect(2, "verify", folder, "--max-drop", "-1", keeps=folder)
    assert "--max-drop -1.0: has to be greater than 0" in done.err
    expect(2, "convert", folder, "--runtime", "tflite", keeps=folder)
    expect(2, "build", tmp_path, "--out", "", keeps=tmp_path)


def test_a_second_input_range_for_a_model_that_has_its_own_is_refused(
    demo: Demo, tmp_path: Path
) -> None:
    folder = copy_of(demo, tmp_path)
    options = ("--data", "digits", "--input-range", "0..1", "--out", folder)
    expect(2, "convert", folder / "model.keras", *options, keeps=folder)


# Images


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that says it is this large and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * (width + 1))
    end = chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + end


BAD_IMAGES: dict[str, bytes] = {
    "corrupt.jpg": b"\xff\xd8\xff\xe0 not a jpeg",
    "empty.png": b"",
    "text.png": b"hello",
    "bomb.png": png_header(60_000, 60_000),
}


@pytest.mark.parametrize("name", [*BAD_IMAGES, "missing.png", "folder.png"])
def test_an_image_that_is_not_one(demo: Demo, tmp_path: Path, name: str) -> None:
    folder = copy_of(demo, tmp_path)
    image = folder / name
    if name in BAD_IMAGES:
        image.write_bytes(BAD_IMAGES[name])
    elif name == "folder.png":
        image.mkdir()
    expect(12, "run", folder / "digits-int8.tflite", image, keeps=folder, find=of_image)


def test_one_bad_picture_does_not_keep_the_others_from_their_answers(
    demo: Demo, tmp_path: Path
) -> None:
    broken, good = tmp_path / "broken.jpg", demo[0] / "sample.png"
    broken.write_bytes(b"nothing")
    artifact = demo[0] / "digits-int8.tflite"
    assert str(good) in edgecnn("run", artifact, broken, good).out
    done = expect(12, "run", artifact, broken, good, keeps=tmp_path, find=of_image)
    assert [row.get("error") for row in done.json()["images"]] == ["ImageError", None]


def test_every_valid_kind_of_image_is_classified(demo: Demo, tmp_path: Path) -> None:
    grey = Image.open(demo[0] / "sample.png").convert("L")
    rotated = Image.Exif()
    rotated[0x0112] = 6  # turned by a quarter; undone by turning the pixels the other way
    wide = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    made: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "grey.png": (grey, {}),
        "palette.gif": (grey.convert("P"), {}),
        "rgb.bmp": (grey.convert("RGB"), {}),
        "rgba.png": (grey.convert("RGBA"), {}),
        "cmyk.jpg": (grey.convert("RGB").convert("CMYK"), {"quality": 95}),
        "sixteen.png": (wide, {}),
        "turned.jpg": (grey.transpose(Image.Transpose.ROTATE_90), {"exif": rotated}),
        "bits.png": (grey.convert("1"), {}),
    }
    files = []
    for name, (image, options) in made.items():
        files.append(tmp_path / name)
        image.save(files[-1], **options)
    dot = tmp_path / "dot.png"
    Image.new("RGB", (1, 1), (200, 10, 10)).save(dot)
    done = edgecnn("run", demo[0] / "digits-int8.tflite", *files, dot, "--json")
    assert done.code == 0, done.err
    answers = {Path(row["image"]).name: row["label"] for row in done.json()["images"]}
    assert set(answers) == {*made, "dot.png"}
    # All but the dot show the same digit.
    assert len({label for name, label in answers.items() if name != "dot.png"}) == 1


def leaves(folder: Path, *, names: tuple[str, ...] = ("ash", "oak"), each: int = 15) -> Path:
    """Make a project with images of noise."""
    rng = np.random.default_rng(0)
    for name in names:
        (folder / "images" / name).mkdir(parents=True)
        for index in range(each):
            pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / name / f"{index}.png")
    (folder / "recipe.toml").write_text(
        '[model]\nname = "leaves"\narchitecture = "tiny_cnn"\n'
        '[data]\nname = "folder"\npath = "images"\nimage_size = 16\n'
        "[train]\nepochs = 1\nbatch_size = 8\n[calibration]\nimages = 500\n"
    )
    return folder


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_a_data_folder_with_images_that_are_none(tmp_path: Path, name: str) -> None:
    folder = leaves(tmp_path / "leaves")
    for number in range(3):  # one or two of 30 would be left out
        (folder / "images" / "oak" / f"{number} {name}").write_bytes(BAD_IMAGES[name])
    done = expect(21, "train", folder, keeps=folder)
    assert all(f"{number} {name}" in done.err for number in range(3))
    assert not (folder / "build").exists()


# Labels, data and calibration


@pytest.mark.parametrize("count", [2, 11], ids=["fewer", "more"])
def test_labels_fewer_or_more_than_outputs(demo: Demo, tmp_path: Path, count: int) -> None:
    folder = copy_of(demo, tmp_path)
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"name {index}\n" for index in range(count)))
    options = ("--data", "digits", "--labels", labels)
    out = tmp_path / "out"
    expect(25, "convert", folder / "model.keras", *options, "--out", out, keeps=folder)
    assert not out.exists()
    model, image = FIXTURES / "foreign-logits.tflite", folder / "sample.png"
    foreign = ("--labels", labels, "--input-range", "0..1")
    expect(25, "run", model, image, *foreign, keeps=folder)


def test_a_model_with_other_classes_than_the_data(models: Path, tmp_path: Path) -> None:
    folder = leaves(tmp_path / "leaves")
    out = tmp_path / "out"
    options = ("--data", folder / "images", "--out", out)
    expect(25, "convert", models / "good.keras", *options, keeps=folder)
    assert not out.exists()


def test_a_data_file_with_a_wrong_checksum(tmp_path: Path) -> None:
    release = tmp_path / "cifar-10-batches-py"
    release.mkdir()
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta"):
        (release / name).write_bytes(b"not what was published")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[model]\nname = "x"\narchitecture = "tiny_cnn"\n[data]\nname = "cifar10"\n')
    expect(22, "train", recipe, "--data", tmp_path, keeps=tmp_path)


def test_calibration_with_no_images_or_more_than_there_are(tmp_path: Path) -> None:
    folder = leaves(tmp_path / "leaves")
    expect(20, "build", folder, "--set", "calibration.images=0", keeps=folder)
    build = folder / "build"
    trained = {"model.keras", "labels.txt", "splits.json", "history.csv", "curves.png"}
    trained |= {"metrics.json", "reference.npz", "manifest.json", "data-essence.json"}
    trained |= {"training.json", "training.html"}
    adds = {f"build/{name}" for name in trained}
    expect(24, "build", folder, keeps=folder, adds=adds)
    assert (build / "model.keras").exists()
    # With a number that is there, the same build goes on from where it stopped.
    settings = ("--set", "calibration.images=10", "--set", "limits.min_accuracy=0")
    done = edgecnn("build", folder, *settings)
    assert "train: up to date" in done.err
    assert done.code in (0, 3, 4), done.err
    parity = json.loads((build / "parity.json").read_text())
    assert len(parity["rows"]) == 6


# Parity


def test_an_artifact_that_does_not_follow_its_float_model_exits_3(
    demo: Demo, tmp_path: Path
) -> None:
    # The reference says of every image that it is another class: no artifact can agree.
    from edgecnn.build.reference import read_reference

    folder = copy_of(demo, tmp_path)
    reference = read_reference(folder / "reference.npz")
    turned = dataclasses.replace(reference, scores=np.roll(reference.scores, 1, axis=1))
    turned.write(folder / "reference.npz")
    record_again(folder, "reference.npz")
    # That the float model then only guesses is no matter here.
    done = edgecnn("verify", folder, "--min-accuracy", "0", "--junit", tmp_path / "parity.xml")
    assert done.code == 3, done.err
    for part in ("observed", "expected", "remedy"):
        assert re.search(rf"^  {part}: +\S", done.err, re.MULTILINE), done.err
    assert "FAIL" in done.out
    assert (tmp_path / "parity.xml").read_text().count("<failure") == 6


# Runtimes


def test_a_missing_runtime_names_what_to_install(demo: Demo, tmp_path: Path) -> None:
    folder = copy_of(demo, tmp_path)
    arguments = ("run", folder / "digits-int8.tflite", folder / "sample.png")
    done = expect(13, *arguments, "--runtime", "tflite-runtime", keeps=folder)
    assert "pip install" in done.err


@pytest.mark.parametrize(
    ("module", "file"),
    [("ai_edge_litert", "digits-int8.tflite"), ("onnxruntime", "digits-int8.onnx")],
)
def test_without_the_runtime_of_a_file_nothing_else_breaks(
    demo: Demo, tmp_path: Path, module: str, file: str
) -> None:
    folder = copy_of(demo, tmp_path)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    # None in sys.modules is how Python marks a module that is not to be found.
    (hidden / "sitecustomize.py").write_text(f"import sys; sys.modules[{module!r}] = None\n")
    env = {"PYTHONPATH": str(hidden)}
    expect(13, "run", folder / file, folder / "sample.png", keeps=folder, env=env)
    expect(13, "verify", folder / file, keeps=folder, adds=PARTIAL, find=of_row, env=env)
    assert edgecnn("inspect", folder / file, env=env).code == 0


@pytest.mark.skipif(int(np.__version__.split(".")[0]) < 2, reason="needs numpy 2")
def test_tflite_runtime_under_numpy_2_is_refused_before_it_is_imported(
    demo: Demo, tmp_path: Path
) -> None:
    # The package as pip would leave it, as far as it is looked at: it is refused unimported.
    folder, site = copy_of(demo, tmp_path), tmp_path / "site"
    (site / "tflite_runtime").mkdir(parents=True)
    for name in ("__init__.py", "interpreter.py"):
        (site / "tflite_runtime" / name).write_text("raise SystemError('imported')\n")
    info = site / "tflite_runtime-2.14.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tflite-runtime\nVersion: 2.14.0\n")
    arguments = ("run", folder / "digits-int8.tflite", folder / "sample.png")
    done = expect(
        13, *arguments, "--runtime", "tflite-runtime", keeps=folder, env={"PYTHONPATH": str(site)}
    )
    assert 'pip install "numpy<2"' in done.err


# Disks


def mounted(*options: str | Path) -> bool:
    """Mount something; False where that is not possible, as for any user but root."""
    if shutil.which("mount") is None:
        return False
    command = ["mount", *map(str, options)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write a folder, not even root, who heeds no permissions."""
    if os.geteuid() != 0:
        folder.chmod(0o555)
        try:
            yield
        finally:
            folder.chmod(0o755)
        return
    if not mounted("--bind", folder, folder):
        pytest.skip("nothing can be mounted here")
    try:
        assert mounted("-o", "remount,bind,ro", folder)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_build_that_may_not_be_written_is_verified_all_the_same(
    demo: Demo, tmp_path: Path
) -> None:
    folder = copy_of(demo, tmp_path)
    with read_only(folder):
        done = expect(29, "verify", folder, keeps=folder, find=lambda found: found["write_error"])
        assert done.json()["verdict"] == "PASS"
        shown = edgecnn("verify", folder)
        assert shown.code == 29
        assert shown.out.count("PASS") == 6
        assert "report:" not in shown.out
        # A verdict goes before what could not be written, and both are told.
        worse = edgecnn("verify", folder, "--images", "50", "--json")
        assert worse.code == 4
        assert worse.json()["verdict"] == "INCONCLUSIVE"
        assert worse.err.count("error: ") == 2
        # And the remedy that is told works; --junit does not depend on it.
        assert "--out FOLDER" in worse.err
        out = tmp_path / "reports"
        options = ("--out", out, "--junit", tmp_path / "parity.xml", "--json")
        done = edgecnn("verify", folder, *options)
        assert done.code == 0, done.err
        assert done.json()["write_error"] is None
        assert {path.name for path in out.iterdir()} == {"parity.json", "report.html"}
        assert json.loads((out / "parity.json").read_text()) == done.json()
        assert (tmp_path / "parity.xml").read_text().count("<testcase") == 6
        assert f"report: {out}" in edgecnn("verify", folder, "--out", out).out


def test_verdicts_hold_where_a_junit_file_or_a_folder_cannot_be_written(
    demo: Demo, tmp_path: Path
) -> None:
    folder, place = copy_of(demo, tmp_path), tmp_path / "place"
    place.mkdir()
    with read_only(place):
        for option in (("--junit", place / "parity.xml"), ("--out", place / "new")):
            done = expect(
                29, "verify", folder, *option,
                keeps=place, find=lambda found: found["write_error"],
            )  # fmt: skip
            assert done.json()["verdict"] == "PASS"
            assert option[0] in done.json()["write_error"]["remedy"]
    expect(2, "verify", folder, "--out", folder, keeps=folder)


def test_a_read_only_folder(demo: Demo, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    leaf = leaves(place / "leaves", each=2)
    with read_only(place):
        for arguments in (
            ("build", leaf), ("train", leaf), ("convert", demo[0], "--out", place / "new"),
            ("init", place / "new"), ("demo", "--out", place / "new"),
        ):  # fmt: skip
            done = expect(29, *arguments, keeps=place)
            assert str(place) in done.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB; only root can make one."""
    place = tmp_path / "small"
    place.mkdir()
    if not mounted("-t", "tmpfs", "-o", "size=64k", "tmpfs", place):
        pytest.skip("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(demo: Demo, small_disk: Path) -> None:
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    done = expect(29, "convert", demo[0], "--out", small_disk / "new", keeps=small_disk)
    assert "No space left on device" in done.err
    assert not (small_disk / "new").exists()
    expect(29, "init", small_disk / "leaves", keeps=small_disk)


def test_a_disk_that_fills_up_under_way(demo: Demo, small_disk: Path, tmp_path: Path) -> None:
    # The first artifacts fit, the last ones do not: nothing of the run stays.
    (small_disk / "note.txt").write_text("mine")
    before = contents(small_disk)
    expect(29, "convert", demo[0], "--out", small_disk / "new", keeps=small_disk)
    assert contents(small_disk) == before
