"""Files that another program made, taken into a build and on from there."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command import Finished, edgecnn, edgecnn_here
from devices.sshd import serving
from edgecnn.build.workspace import Workspace
from edgecnn.errors import PackageError
from edgecnn.package.pi.documents import card_facts, environment
from edgecnn.package.pi.tree import write_manifest
from edgecnn.package.proven import Proven, find_proven
from edgecnn.package.request import PackageRequest
from edgecnn_runner.foreign import open_foreign
from edgecnn_runner.formats.container import read_container
from package.bundle_here import make_bundle_here, needs_this_platform
from runner.fixture_files import FIXTURES, RGB_LABELS

pytestmark = pytest.mark.slow

INT8, FLOAT = FIXTURES / "foreign-int8.tflite", FIXTURES / "foreign-logits.tflite"
NEW = 40
"""Pictures without labels that nothing has seen."""


def runner(*arguments: str | Path) -> str:
    """Run the runner's own command, and return what it prints."""
    command = [sys.executable, "-m", "edgecnn_runner", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def needs_bundles_here(test: Any) -> Any:
    for mark in needs_this_platform:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images/<class>/ on which the float model is right, and labels.txt."""
    folder = tmp_path_factory.mktemp("adopt")
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (400, 3, 4, 3), np.uint8)
    pixels = coarse.repeat(4, axis=1).repeat(4, axis=2)
    with open_foreign(
        FIXTURES / "foreign-logits.tflite", labels=RGB_LABELS, input_range="0..255"
    ) as session:
        answers = session.predict(pixels).argmax(axis=1)
    for index, (picture, answer) in enumerate(zip(pixels, answers, strict=True)):
        where = folder / "images" / RGB_LABELS[answer] / f"{index}.png"
        where.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(where)
    (folder / "labels.txt").write_text("\n".join(RGB_LABELS))
    (folder / "new").mkdir()
    for index in range(NEW):
        picture = rng.integers(0, 256, (3, 4, 3), np.uint8).repeat(4, axis=0).repeat(4, axis=1)
        Image.fromarray(picture).save(folder / f"new/{index}.png")
    return folder


def test_an_adopted_file_keeps_its_bytes_and_is_verified_in_its_build(place: Path) -> None:
    shutil.copy(FIXTURES / "foreign-int8.tflite", place / "other.tflite")
    reference = FIXTURES / "foreign-logits.tflite"
    data = ("--data", "images", "--labels", "labels.txt", "--input-range", "0..255")
    done = edgecnn("adopt", "other.tflite", "--reference", reference, *data, "--json", cwd=place)
    assert done.code == 0, done.err
    found = done.json()
    assert found["adopted"] == ["tflite-foreign-int8"]
    container = read_container(place / "build/other" / found["variants"][0]["file"])
    assert container.payload == (FIXTURES / "foreign-int8.tflite").read_bytes()
    assert container.contract is not None
    assert container.contract.adopted["calibration"] == "not known"
    verified = edgecnn("verify", "build/other", "--json", cwd=place)
    report = verified.json()
    assert report["rows"][0]["made_by"] == "MLIR Converted."
    assert report["evaluated"]["images"] == len(list(place.glob("images/*/*.png")))
    again = edgecnn("convert", "build/other", cwd=place)
    assert again.code != 0
    assert "converted already" in again.err or "another program" in again.err


def adopted(place: Path, *files: Path, out: str, more: tuple[str | Path, ...] = ()) -> Finished:
    """Adopt files of the fixtures' network, compared with its float TFLite file."""
    told = more if "--scores" in more else ("--reference", FLOAT, *more)
    return edgecnn_here("adopt", *files, *told, *fed(place), "--out", place / out, "--json")


def fed(place: Path) -> tuple[str | Path, ...]:
    labels = place / "labels.txt"
    return ("--data", place / "images", "--labels", labels, "--input-range", "0..255")


def test_nothing_to_compare_with_is_refused(place: Path) -> None:
    done = edgecnn_here("adopt", INT8, *fed(place), "--out", place / "none")
    assert done.code == 2
    assert "--scores FILE" in done.err


def write_scores(place: Path, name: str, *, wrong: bool = False, most: int | None = None) -> Path:
    """Write the float model's scores as a program of its user would."""
    lines = [",".join(("image", *RGB_LABELS))]
    with open_foreign(FLOAT, labels=RGB_LABELS, input_range="0..255") as session:
        for picture in sorted(place.glob("images/*/*.png"))[:most]:
            scores = session.scores(np.asarray(Image.open(picture)))
            values = np.roll(scores, 1) if wrong else scores
            name_of = picture.relative_to(place / "images").as_posix()
            lines.append(",".join((name_of, *map(str, values))))
    path = place / name
    path.write_text("\n".join(lines))
    return path


def test_scores_stand_in_for_a_float_model_that_nobody_has(place: Path) -> None:
    scores = write_scores(place, "scores.csv")
    done = adopted(place, INT8, out="alone", more=("--scores", scores))
    assert done.code == 0, done.err
    assert "the scores given stand in for it" in done.err
    verified = edgecnn_here("verify", place / "alone", "--json")
    assert verified.code in (0, 4), verified.err
    (row,) = verified.json()["rows"]
    assert row["metrics"]["agreement"] > 0.97
    # Nobody can ask a float model about new pictures.
    asked = edgecnn_here("verify", place / "alone", "--unlabelled", place / "new")
    assert asked.code == 26
    assert "without a float model" in asked.err
    few = write_scores(place, "few.csv", most=50)
    lacking = adopted(place, INT8, out="few", more=("--scores", few))
    assert lacking.code != 0
    assert "lacks scores of" in lacking.err
    assert not (place / "few").exists()


def test_scores_beside_a_float_model_have_to_be_its_own(place: Path) -> None:
    scores = write_scores(place, "own.csv")
    both = ("--reference", FLOAT, "--scores", scores)
    done = adopted(place, INT8, out="both", more=both)
    assert done.code == 0, done.err
    assert Workspace(place / "both").manifest()["examined"]["own_scores"]["agrees"]
    others = write_scores(place, "others.csv", wrong=True)
    refused = adopted(place, INT8, out="others", more=("--reference", FLOAT, "--scores", others))
    assert refused.code != 0
    assert not (place / "others").exists()


class _Pictures:
    def __init__(self, place: Path, name: str) -> None:
        files = sorted(place.glob("images/*/*.png"))[:60]
        pixels = [np.asarray(Image.open(one), np.float32).transpose(2, 0, 1) for one in files]
        self._fed = iter([{name: one[np.newaxis]} for one in pixels])

    def get_next(self) -> Any:
        return next(self._fed, None)


@pytest.fixture(scope="module")
def quantized(place: Path) -> dict[str, Path]:
    """Files that ONNX Runtime's quantizers make of an NCHW network."""
    import onnx
    from onnxruntime import quantization

    source = FIXTURES / "foreign-nchw.onnx"
    name = onnx.load(source).graph.input[0].name
    found = {one: place / f"{one}.onnx" for one in ("dynamic", "qdq", "qoperator")}
    quantization.quantize_dynamic(source, found["dynamic"])
    for one, form in (("qdq", "QDQ"), ("qoperator", "QOperator")):
        quantization.quantize_static(
            source,
            found[one],
            _Pictures(place, name),
            quant_format=quantization.QuantFormat[form],
            activation_type=quantization.QuantType.QUInt8,
        )
    return found


def test_files_of_onnx_runtime_s_quantizers_are_adopted_and_verified(
    place: Path, quantized: dict[str, Path]
) -> None:
    reference = ("--reference", FIXTURES / "foreign-nchw.onnx")
    done = edgecnn_here(
        "adopt", *quantized.values(), *reference, *fed(place), "--out", place / "ort", "--json"
    )
    assert done.code in (0, 41), done.err
    variants = done.json()["adopted"]
    assert variants[0].startswith("onnx-foreign-")
    assert len(set(variants)) == 3
    for row, path in zip(done.json()["variants"], quantized.values(), strict=True):
        assert read_container(place / "ort" / row["file"]).payload == path.read_bytes()
    verified = edgecnn_here("verify", place / "ort", "--json")
    report = verified.json()
    assert [row["variant"] for row in report["rows"]] == variants
    assert all(row["metrics"]["agreement"] > 0.9 for row in report["rows"])
    assert {row["made_by"] for row in report["rows"]} != {None}


def test_unlabelled_pictures_are_asked_about_by_a_tflite_reference(place: Path) -> None:
    assert adopted(place, INT8, out="unlabelled").code == 0
    done = edgecnn_here("verify", place / "unlabelled", "--unlabelled", place / "new", "--json")
    assert done.code in (0, 4), done.err
    found = done.json()
    assert found["unlabelled"]["pictures"] == NEW
    assert found["rows"][0]["unlabelled"]["pictures"] > 0


def test_a_reference_with_its_classes_in_another_order_is_asked_right_again(place: Path) -> None:
    # The same file, told that its outputs are named the other way round: agreement breaks down.
    turned = place / "turned.txt"
    turned.write_text("\n".join(reversed(RGB_LABELS)))
    more = ("--reference-labels", turned)
    assert adopted(place, INT8, out="turned", more=more).code in (0, 41)
    (row,) = edgecnn_here("verify", place / "turned", "--json").json()["rows"]
    found = edgecnn_here("verify", place / "turned", "--unlabelled", place / "new", "--json")
    (again,) = found.json()["rows"]
    share = again["unlabelled"]["changed"] / again["unlabelled"]["pictures"]
    assert share == pytest.approx(1 - row["metrics"]["agreement"], abs=0.25)


@pytest.fixture(scope="module")
def proven(place: Path) -> Proven:
    """An adopted file with the verdict that its images allow."""
    assert adopted(place, INT8, FIXTURES / "foreign-nchw.onnx", out="proven").code == 0
    limits = ("--max-drop", "5", "--min-agreement", "90", "--max-class-drop", "20")
    done = edgecnn_here("verify", place / "proven", *limits, "--save-limits")
    assert done.code in (0, 3, 4), done.err
    workspace = Workspace(place / "proven")
    return find_proven(workspace.folder, workspace, ["tflite-foreign-int8"])


def test_card_and_readme_say_who_made_it_and_by_whose_word(proven: Proven) -> None:
    facts = {
        **card_facts(proven, "1.0", place=None),
        "target": "pi", "unchecked": (), "collect": None, "collects_as_service": False,
        "system": "bookworm", "python": "3.11",
    }  # fmt: skip
    for name in ("README.md", "MODEL_CARD.md"):
        text = environment().get_template(f"{name}.j2").render(facts)
        assert "nother program made the model in" in text
        assert "MLIR Converted" in text
        assert "not known" in text


def test_the_runner_s_info_says_it_too(proven: Proven) -> None:
    shown = runner("info", proven.files[0].path)
    for part in ("made elsewhere   foreign-int8.tflite", "by its own word", "not known"):
        assert part in shown


@needs_bundles_here
def test_it_is_deployed_over_ssh_and_tests_itself(
    proven: Proven, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plan = make_bundle_here(tmp_path / "other-1.0", "litert", proven=proven)
    (tmp_path / "other-1.0/PRIVACY.md").write_text("not checked\n")
    write_manifest(plan, tmp_path / "other-1.0")
    with serving(tmp_path_factory.mktemp("server") / "sshd") as server:
        done = edgecnn(
            "deploy", tmp_path / "other-1.0", server.address, *server.options,
            "--prefix", tmp_path / "prefix", "--json",
        )  # fmt: skip
    assert done.code == 0, done.err
    (tested,) = done.json()["self_tests"]
    assert tested["images"] > 0


def test_what_is_undecided_is_packaged_as_what_it_is(place: Path) -> None:
    assert adopted(place, INT8, out="undecided").code == 0
    strict = ("--max-drop", "1.2", "--min-agreement", "98", "--max-class-drop", "20")
    assert edgecnn_here("verify", place / "undecided", *strict, "--save-limits").code == 4
    workspace = Workspace(place / "undecided")
    request = PackageRequest(source=workspace.folder)
    with pytest.raises(PackageError) as caught:
        find_proven(workspace.folder, workspace, ["tflite-foreign-int8"], request)
    assert "--accept-inconclusive" in caught.value.remedy
    assert "edgecnn convert" not in caught.value.remedy
    accepted = dataclasses.replace(request, accept_inconclusive=True)
    found = find_proven(workspace.folder, workspace, ["tflite-foreign-int8"], accepted)
    assert list(found.unproven) == [found.files[0].path.name]


def test_commands_that_make_files_say_what_the_build_holds(place: Path) -> None:
    adopted(place, INT8, out="words")
    for command in (("convert",), ("convert", "--repair")):
        done = edgecnn_here(command[0], place / "words", *command[1:])
        assert done.code == 26
        assert "files that another program made" in done.err
        assert "edgecnn convert MODEL --data FOLDER" in done.err
    built = edgecnn_here("build", place / "words")
    assert built.code == 20
    again = edgecnn_here("adopt", *(place / "words").glob("*.tflite"), "--reference", FLOAT,
                         *fed(place), "--out", place / "twice")  # fmt: skip
    assert "carries a contract already" in again.err


def test_bench_takes_what_is_no_classifier(place: Path) -> None:
    done = edgecnn_here(
        "bench", FIXTURES / "two-outputs.tflite", INT8, "--threads", "1", "--seconds", "0.05",
        "--starts", "1", "--out", place / "bench", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    (device,) = done.json()["devices"]
    raw = next(row for row in device["rows"] if row["file"] == "two-outputs.tflite")
    assert raw["error"] is None
    assert raw["random_input"]
    assert raw["fed"].endswith("float32")
    assert raw["by_threads"]
    page = (place / "bench/bench.html").read_text()
    assert "no image classifier; fed at random" in page
    assert edgecnn_here("inspect", FIXTURES / "two-outputs.tflite").code == 0
