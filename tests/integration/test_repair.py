"""Networks that int8 spoils: they fail as they are and pass after a repair, in both formats."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command import Finished, edgecnn
from convert.hard_networks import digit_classifier, with_rare_outlier, with_uneven_channels
from edgecnn.build.artifact import read_artifact
from edgecnn.build.workspace import Workspace
from edgecnn.data import load_dataset
from edgecnn.data.split import digest_per_image
from edgecnn.files import file_digest
from edgecnn.modelfile import check_integer, read_graph
from edgecnn.modelfile.precision import find_precision
from edgecnn.quiet import captured_log
from edgecnn.recipe.load import load_recipe, parse_recipe
from edgecnn_runner import selftest
from edgecnn_runner.golden import read_golden
from edgecnn_runner.session import Session

pytestmark = pytest.mark.slow

RECIPE = """\
[model]
name = "hard"
architecture = "tiny_cnn"

[data]
name = "digits"
test = 0.33

[convert]
variants = ["tflite-int8", "onnx-int8"]

[calibration]
images = 200

[limits]
max_drop = 4.0
min_agreement = 94.0
max_class_drop = 12.0
"""
DATA = {"name": "digits", "test": 0.33}
DENSE = {16384, 768}
"""Multiply-accumulates of the two layers that uneven channels lie between."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A recipe with the weights of a hard network, its build, and what the commands said."""

    recipe: Path
    build: Path
    plain: Finished
    convert: Finished
    verify: Finished

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        found = Workspace(self.build).manifest()["variants"]
        return {row["variant"]: row for row in found}

    @property
    def verdicts(self) -> dict[str, str]:
        found = json.loads((self.build / Workspace.PARITY).read_text())
        return {row["variant"]: row["verdict"] for row in found["rows"]}


def case(folder: Path, harden: Callable[[Any, Any], Any]) -> Case:
    """Convert and verify without a repair, then with one in the same build."""
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    data = load_dataset(load_recipe(recipe).data)
    with captured_log():
        harden(digit_classifier(data), data).save(folder / "hard.keras")
    build = folder / "build"
    assert edgecnn("convert", folder).code == 0
    plain = edgecnn("verify", build)
    return Case(
        recipe=recipe,
        build=build,
        plain=plain,
        convert=edgecnn("convert", build, "--repair", "--json"),
        verify=edgecnn("verify", build),
    )


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return case(tmp_path_factory.mktemp("uneven"), lambda model, data: with_uneven_channels(model))


@pytest.fixture(scope="module")
def outlier(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return case(tmp_path_factory.mktemp("outlier"), with_rare_outlier)


def test_uneven_channels_leave_the_float_model_what_it_was() -> None:
    data = load_dataset(parse_recipe({"model": {"name": "x"}, "data": DATA}, source="test").data)
    pixels = data.test.pixels[:100].astype(np.float32)
    with captured_log():
        model = digit_classifier(data, epochs=1)
        before = model.predict(pixels, verbose=0)
        after = with_uneven_channels(model).predict(pixels, verbose=0)
    assert np.abs(after - before).max() < 1e-5


def test_uneven_channels_fail_in_int8_and_pass_with_two_layers_in_float(uneven: Case) -> None:
    assert uneven.plain.code == 3, uneven.plain.err
    assert "hard-int8.tflite and hard-int8.onnx do not follow" in uneven.plain.err
    assert uneven.convert.code == 0, uneven.convert.err
    assert uneven.verify.code == 0, uneven.verify.err
    assert uneven.verdicts == {
        "tflite-int8": "NOT MADE",
        "tflite-int8-mixed": "PASS",
        "onnx-int8": "NOT MADE",
        "onnx-int8-mixed": "PASS",
    }
    for variant in ("tflite-int8-mixed", "onnx-int8-mixed"):
        repair = uneven.rows[variant]["repair"]
        assert repair["outcome"] == "mixed"
        assert {one["macs"] for one in repair["kept"]} - {0} == DENSE
        assert 0 < repair["float_macs"] <= 0.2
        graph = read_graph(uneven.build / uneven.rows[variant]["file"])
        assert find_precision(graph).name == "int8-mixed"
        assert find_precision(graph).real_macs == sum(DENSE)
        assert repair["float_macs"] == sum(DENSE) / graph.macs


def test_what_was_tried_is_recorded_with_why_it_would_not_do(uneven: Case) -> None:
    for variant, tools in (
        ("tflite-int8-mixed", ("TensorFlow's converter", "ai-edge-quantizer")),
        ("onnx-int8-mixed", ("onnxruntime", "by entropy", "99.99 %")),
    ):
        tried = uneven.rows[variant]["repair"]["tried"]
        assert tried[0]["what"] == "as it was made"
        said = [one["what"] for one in tried]
        assert all(any(tool in one for one in said) for tool in tools)
        whole = [one for one in tried if "in float" not in one["what"]]
        assert len(whole) > 5
        assert not any(one["holds"] for one in whole)
        assert all(one["result"].endswith("FAIL") for one in whole)
        # Either of the two layers alone was tried last, and will not do.
        assert [one["holds"] for one in tried[-2:]] == [False, False]


def test_the_cost_was_measured_here_beside_int8_and_float(uneven: Case) -> None:
    for kind in ("tflite", "onnx"):
        latency = uneven.rows[f"{kind}-int8-mixed"]["repair"]["latency"]
        names = {f"{kind}-int8", f"{kind}-int8-mixed", f"{kind}-fp32"}
        assert set(latency["median_ns"]) == names
        assert all(0 < median < 1e9 for median in latency["median_ns"].values())
        assert latency["machine"]["architecture"]
        assert latency["n"] >= 50


def test_the_file_says_itself_what_is_in_float_and_why(uneven: Case) -> None:
    for row in (uneven.rows["tflite-int8-mixed"], uneven.rows["onnx-int8-mixed"]):
        contract = read_artifact(uneven.build / row["file"]).contract
        assert contract is not None
        assert contract.variant == row["variant"]
        assert list(contract.float_layers) == sorted(one["name"] for one in row["repair"]["kept"])
        assert any("times the median one" in why for why in contract.float_layers.values())
    shown = edgecnn("inspect", uneven.build / "hard-int8-mixed.tflite")
    assert shown.code == 0
    for part in ("int8-mixed, 5.3 %", "kept in float", "latency of tflite-int8-mixed"):
        assert part in shown.out


def test_the_file_that_missed_is_gone_and_its_row_says_where_to_look(uneven: Case) -> None:
    files = {path.name for path in uneven.build.iterdir()}
    assert {"hard-int8.tflite", "hard-int8.onnx"}.isdisjoint(files)
    for kind in ("tflite", "onnx"):
        row = uneven.rows[f"{kind}-int8"]
        assert (row["status"], row["file"]) == ("replaced", None)
        assert row["reason"].endswith(f"{kind}-int8-mixed takes its place")


def test_calibration_and_choice_are_provable_and_touch_no_test_image(uneven: Case) -> None:
    data = load_dataset(load_recipe(uneven.recipe).data)
    test, validation = (set(digest_per_image(part.pixels)) for part in (data.test, data.validation))
    for kind in ("tflite", "onnx"):
        name = Workspace.calibration_of(f"{kind}-int8-mixed")
        record = json.loads((uneven.build / name).read_text())
        contract = read_artifact(uneven.build / uneven.rows[f"{kind}-int8-mixed"]["file"]).contract
        assert contract is not None
        assert record["sha256"] == contract.calibration_sha256
        assert record["method"]["tool"] in ("ai-edge-quantizer", "onnxruntime")
        chosen = set(record["selection"]["image_sha256"])
        assert chosen == validation - test
        assert not (chosen | set(record["image_sha256"])) & test


def test_a_device_runs_and_tests_the_mixed_files_like_any_other(
    uneven: Case, tmp_path: Path
) -> None:
    golden = read_golden(uneven.build / Workspace.GOLDEN)
    assert set(golden.scores) == {"tflite-int8-mixed", "onnx-int8-mixed"}
    data = load_dataset(load_recipe(uneven.recipe).data)
    picture = tmp_path / "digit.png"
    Image.fromarray(data.test.pixels[0, :, :, 0]).save(picture)
    for name in ("hard-int8-mixed.tflite", "hard-int8-mixed.onnx"):
        with Session.open(uneven.build / name) as session:
            tested = selftest.run(session, golden)
        assert tested.ok, tested.problems
        assert tested.worst_difference == 0
        done = edgecnn("run", uneven.build / name, picture, "--json")
        assert done.code == 0, done.err


def test_a_rare_outlier_needs_only_another_calibration(outlier: Case) -> None:
    assert outlier.plain.code == 3, outlier.plain.err
    assert outlier.convert.code == 0, outlier.convert.err
    assert outlier.verify.code == 0, outlier.verify.err
    assert outlier.verdicts == {"tflite-int8": "PASS", "onnx-int8": "PASS"}
    for variant, row in outlier.rows.items():
        assert row["repair"]["outcome"] == "recalibrated"
        graph = read_graph(outlier.build / row["file"])
        assert find_precision(graph).name == "int8"
        assert check_integer(graph) == []
        record = json.loads((outlier.build / Workspace.calibration_of(variant)).read_text())
        contract = read_artifact(outlier.build / row["file"]).contract
        assert contract is not None
        assert contract.calibration_sha256 == record["sha256"]


def test_json_on_stdout_is_json_alone(uneven: Case) -> None:
    rows = uneven.convert.json()["variants"]
    assert [row["status"] for row in rows] == ["replaced", "made", "replaced", "made"]


@pytest.mark.long  # takes minutes
def test_a_variant_added_later_keeps_what_was_repaired(uneven: Case, tmp_path: Path) -> None:
    done = edgecnn("convert", uneven.build, "--variant", "onnx-fp32", "--out", tmp_path / "more")
    assert done.code == 0, done.err
    again = edgecnn("convert", uneven.build, "--variant", "onnx-fp32")
    assert again.code == 0, again.err
    assert [*uneven.rows] == [
        "tflite-int8", "tflite-int8-mixed", "onnx-int8", "onnx-int8-mixed", "onnx-fp32",
    ]  # fmt: skip
    assert edgecnn("verify", uneven.build).code == 0


@pytest.mark.long  # takes minutes
def test_the_same_repair_gives_the_same_files(uneven: Case, tmp_path: Path) -> None:
    done = edgecnn("convert", uneven.recipe.parent, "--repair", "--out", tmp_path / "again")
    assert done.code == 0, done.err
    for variant in ("tflite-int8-mixed", "onnx-int8-mixed"):
        name = uneven.rows[variant]["file"]
        assert file_digest(tmp_path / "again" / name) == file_digest(uneven.build / name)


@pytest.mark.long
def test_a_network_of_another_exporter_is_repaired_as_its_keras_model_is(tmp_path: Path) -> None:
    """Channels first, as PyTorch exports; its ONNX files are made of its own graph."""
    data = load_dataset(parse_recipe({"model": {"name": "x"}, "data": DATA}, source="test").data)
    with captured_log():
        import tensorflow as tf
        import tf2onnx

        model = with_uneven_channels(digit_classifier(data))
        proto, _ = tf2onnx.convert.from_function(
            tf.function(lambda image: model(image, training=False), autograph=False),
            input_signature=[tf.TensorSpec((1, 8, 8, 1), tf.float32, name="image")],
            inputs_as_nchw=["image"],
            opset=17,
        )
    (tmp_path / "hard.onnx").write_bytes(proto.SerializeToString())
    (tmp_path / "labels.txt").write_text("".join(f"{digit}\n" for digit in range(10)))
    build = tmp_path / "build"
    done = edgecnn(
        "convert", tmp_path / "hard.onnx", "--input-range", "0..255", "--data", "digits",
        "--labels", tmp_path / "labels.txt", "--variant", "tflite-int8", "--variant", "onnx-int8",
        "--repair", "--unseen-data", "--out", build,
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = {row["variant"]: row for row in Workspace(build).manifest()["variants"]}
    for kind in ("tflite", "onnx"):
        assert rows[f"{kind}-int8"]["status"] == "replaced"
        repair = rows[f"{kind}-int8-mixed"]["repair"]
        assert repair["outcome"] == "mixed"
        assert {one["macs"] for one in repair["kept"]} - {0} == DENSE
    assert edgecnn("verify", build).code in (0, 4)
    found = json.loads((build / Workspace.PARITY).read_text())
    verdicts = {row["variant"]: row["verdict"] for row in found["rows"]}
    assert {verdicts["tflite-int8-mixed"], verdicts["onnx-int8-mixed"]} <= {"PASS", "INCONCLUSIVE"}
