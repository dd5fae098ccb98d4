"""A source and data in, a build full of artifacts out."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import edgecnn.build.tools
from convert.networks import CLASSES, dataset, plain, residual
from edgecnn.build.artifact import read_artifact
from edgecnn.build.reference import images_digest, read_reference
from edgecnn.build.workspace import Workspace
from edgecnn.convert import Conversion, Source, find_source, key, run
from edgecnn.convert.calibration import calibration_for
from edgecnn.convert.runtimes import converter_versions
from edgecnn.data import Dataset, in_class_order
from edgecnn.data.calibration import overlap, read_calibration
from edgecnn.errors import (
    CalibrationError,
    ConversionError,
    LabelsError,
    ScoreError,
    SourceModelError,
    UsageError,
    WorkspaceError,
)
from edgecnn.files import canonical_digest, file_digest
from edgecnn.progress import NO_PROGRESS, ProgressTask
from edgecnn.quiet import captured_log
from edgecnn.recipe.load import VARIANTS, Recipe, parse_recipe
from edgecnn_runner import selftest
from edgecnn_runner.contract import mean_std_range
from edgecnn_runner.golden import MIN_MARGIN, preprocessing_cases, read_golden
from edgecnn_runner.session import Session

pytestmark = pytest.mark.slow  # trains or converts whole networks

DATA = dataset()


def recipe(*variants: str, images: int = 20) -> Recipe:
    return parse_recipe(
        {
            "model": {"name": "net"},
            "convert": {"variants": list(variants or VARIANTS)},
            "calibration": {"images": images},
        },
        source="test",
    )


def source_of(model: Any, folder: Path, **given: Any) -> Source:
    path = folder / "float" / "net.keras"
    path.parent.mkdir(exist_ok=True)
    with captured_log():
        model.save(path)
    return find_source(path, **given)


def convert(
    model: Any, folder: Path, *variants: str, runtime: str | None = None, **given: Any
) -> tuple[Workspace, Conversion]:
    workspace = Workspace(folder / "build")
    source = source_of(model, folder, **given)
    return workspace, run(source, recipe(*variants), workspace, DATA, runtime=runtime)


def statuses(result: Conversion) -> dict[str, str]:
    return {row.variant: row.status for row in result.rows}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Conversion, Source]:
    """Every variant of one network."""
    folder = tmp_path_factory.mktemp("whole")
    workspace, result = convert(plain(), folder)
    return workspace, result, find_source(folder / "float" / "net.keras")


Whole = tuple[Workspace, Conversion, Source]


def test_every_variant_is_made_and_described(whole: Whole) -> None:
    workspace, result, source = whole
    assert statuses(result) == dict.fromkeys(VARIANTS, "made")
    assert result.exit_error() is None
    record = read_calibration(workspace.path(Workspace.CALIBRATION))
    assert workspace.manifest()["calibration_sha256"] == record["sha256"]
    for row in result.rows:
        assert row.file is not None
        path = workspace.path(row.file)
        assert (file_digest(path), path.stat().st_size) == (row.sha256, row.bytes)
        contract = read_artifact(path).contract
        assert contract is not None
        assert contract.variant == row.variant
        assert contract.labels == CLASSES
        assert contract.output.kind == "probabilities"
        assert contract.input.range == "0..255"
        assert contract.source_sha256 == source.sha256
        calibrated = row.variant.endswith(("-int8", "int16x8"))
        assert contract.calibration_sha256 == (record["sha256"] if calibrated else None)
        assert dict(contract.min_runtime) == dict(row.min_runtime)
        assert {"edgecnn", "tensorflow", "onnxruntime"} <= set(contract.created_by)
        integer = row.variant == "tflite-int8"
        assert contract.input.dtype == contract.output.dtype == ("uint8" if integer else "float32")


def test_the_runner_reads_every_artifact_as_the_reference_says(whole: Whole) -> None:
    workspace, result, _ = whole
    reference = read_reference(workspace.path(Workspace.REFERENCE))
    for row in result.rows:
        assert row.file is not None
        with Session.open(workspace.path(row.file)) as session:
            scores = session.predict(DATA.test.pixels)
        assert np.abs(scores - reference.scores).max() < 0.15, row.variant


def test_the_reference_belongs_to_model_and_images(whole: Whole) -> None:
    workspace, _, source = whole
    reference = read_reference(workspace.path(Workspace.REFERENCE))
    assert reference.model_sha256 == source.sha256
    assert reference.images_sha256 == images_digest(DATA.test.pixels)
    assert tuple(reference.class_names) == CLASSES
    np.testing.assert_allclose(reference.scores.sum(axis=1), 1, atol=1e-5)


def test_calibration_images_are_training_images(whole: Whole) -> None:
    record = read_calibration(whole[0].path(Workspace.CALIBRATION))
    assert record["count"] == 20
    assert set(record["ids"]) <= set(DATA.train.ids)
    assert overlap(record, DATA.test.pixels) == []


def test_golden_vectors_are_clear_and_agreed_on(whole: Whole) -> None:
    workspace, result, _ = whole
    golden = read_golden(workspace.path(Workspace.GOLDEN))
    assert 1 <= len(golden.images) == result.golden <= 16
    ordered = np.sort(golden.reference, axis=1)
    assert (ordered[:, -1] - ordered[:, -2] >= MIN_MARGIN).all()
    best = golden.reference.argmax(axis=1)
    assert set(golden.scores) == set(VARIANTS)
    for row in result.rows:
        np.testing.assert_array_equal(golden.scores[row.variant].argmax(axis=1), best)
        assert row.file is not None
        with Session.open(workspace.path(row.file)) as session:
            np.testing.assert_array_equal(
                session.predict(golden.images), golden.scores[row.variant]
            )
    assert len(golden.sources) == len(golden.prepared) > 0


def test_the_manifest_names_everything_and_nothing_else_is_there(whole: Whole) -> None:
    workspace, result, source = whole
    manifest = workspace.manifest()
    on_disk = {path.name for path in workspace.folder.iterdir()} - {Workspace.MANIFEST}
    assert on_disk == set(manifest["files"]) == set(manifest["stages"]["convert"]["files"])
    assert manifest["variants"] == result.to_rows()
    assert manifest["source"]["sha256"] == source.sha256
    assert manifest["tools"]["tf2onnx"]
    assert json.dumps(result.to_rows())


def test_converting_again_changes_nothing(whole: Whole) -> None:
    workspace, result, source = whole
    before = {path.name: path.read_bytes() for path in workspace.folder.iterdir()}
    again = run(source, recipe(), workspace, DATA)
    assert again.rows == result.rows
    different = {name for name, data in before.items() if workspace.path(name).read_bytes() != data}
    assert different == set()


def test_the_stage_is_current_until_something_it_depends_on_changes(whole: Whole) -> None:
    workspace, _, source = whole
    assert workspace.stage_is_current("convert", key(source, recipe(), DATA))
    changed = [
        key(source, recipe("tflite-fp32"), DATA),
        key(source, recipe(), DATA, variants=["tflite-fp32"]),
        key(source, recipe(images=19), DATA),
        key(source, recipe(), dataset(train=41)),
        key(source, recipe(), DATA, runtime="onnxruntime==1.20.0"),
        key(replace(source, sha256="0"), recipe(), DATA),
        key(replace(source, labels=CLASSES[::-1]), recipe(), DATA),
        key(replace(source, input_range="0..1"), recipe(), DATA),
    ]
    assert not any(workspace.stage_is_current("convert", one) for one in changed)
    assert len(set(changed)) == len(changed)


@pytest.mark.parametrize(
    "tool", ["tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert", "numpy"]
)
def test_another_version_of_a_tool_makes_the_stage_run_again(
    whole: Whole, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    workspace, _, source = whole
    before = key(source, recipe(), DATA)
    installed = importlib.metadata.version

    def version(name: str) -> str:
        return "99.0" if name == tool else installed(name)

    edgecnn.build.tools._installed.cache_clear()
    monkeypatch.setattr(importlib.metadata, "version", version)
    try:
        after = key(source, recipe(), DATA)
        assert converter_versions()[tool] == "99.0"
    finally:
        edgecnn.build.tools._installed.cache_clear()
    assert after != before
    assert workspace.stage_is_current("convert", before)
    assert not workspace.stage_is_current("convert", after)


def test_what_is_made_records_the_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, _ = convert(plain(), tmp_path, "tflite-fp32")
    earlier = workspace.manifest()["stages"]["convert"]["key"]
    monkeypatch.setattr(
        "edgecnn.convert.runtimes.tool_versions", lambda *tools: dict.fromkeys(tools, "99.0")
    )
    workspace, _ = convert(plain(), tmp_path, "tflite-fp32")
    manifest = workspace.manifest()
    assert manifest["stages"]["convert"]["key"] != earlier
    assert manifest["tools"]["ai-edge-litert"] == manifest["tools"]["tensorflow"] == "99.0"
    contract = read_artifact(workspace.path("net-fp32.tflite")).contract
    assert contract is not None
    assert contract.created_by["ai-edge-litert"] == "99.0"


def test_it_tells_what_it_is_at(tmp_path: Path) -> None:
    told: list[str] = []

    class Told:
        def task(self, description: str, total: int) -> AbstractContextManager[ProgressTask]:
            return NO_PROGRESS.task(description, total)

        def message(self, text: str) -> None:
            told.append(text)

    source = source_of(unquantizable(), tmp_path)
    wanted = recipe("tflite-int8", "tflite-fp32")
    run(source, wanted, Workspace(tmp_path / "build"), DATA, progress=Told())
    assert told == [
        f"convert: loading {source.path}",
        "convert: tflite-int8 failed",
        "convert: tflite-fp32 made",
    ]


def test_variants_no_longer_asked_for_are_removed(tmp_path: Path) -> None:
    workspace, _ = convert(plain(), tmp_path, "tflite-fp32", "tflite-int8")
    (workspace.folder / "mine.tflite").write_bytes(b"not edgecnn's")
    _, result = convert(plain(), tmp_path, "tflite-fp16")
    names = {path.name for path in workspace.folder.iterdir()}
    assert "net-fp16.tflite" in names
    assert not {"net-fp32.tflite", "net-int8.tflite", Workspace.CALIBRATION} & names
    assert "mine.tflite" in names
    assert statuses(result) == {"tflite-fp16": "made"}
    assert workspace.manifest()["calibration_sha256"] is None


def unquantizable() -> Any:
    image = layers.Input((12, 10, 3))
    hidden = layers.Conv2D(4, 3, padding="same")(layers.Rescaling(1 / 255)(image))
    hidden = layers.Flatten()(keras.ops.sin(hidden))
    return keras.Model(image, layers.Dense(5, activation="softmax")(hidden))


def test_a_variant_that_fails_is_a_row_and_the_others_go_on(tmp_path: Path) -> None:
    workspace, result = convert(unquantizable(), tmp_path, "tflite-int8", "tflite-fp32")
    assert statuses(result) == {"tflite-int8": "failed", "tflite-fp32": "made"}
    reason = result.rows[0].reason
    assert reason is not None
    assert "sin" in reason.lower()
    assert not workspace.path("net-int8.tflite").exists()
    assert workspace.manifest()["variants"][0]["status"] == "failed"
    error = result.exit_error()
    assert isinstance(error, ConversionError)
    assert "1 of 2" in str(error)
    assert "tflite-int8" in str(error)


def test_a_runtime_that_cannot_load_a_variant_refuses_it(tmp_path: Path) -> None:
    workspace, result = convert(
        plain(), tmp_path, "tflite-int8-dynamic", "tflite-int8", "onnx-fp32",
        runtime="tflite-runtime==2.14.0",
    )  # fmt: skip
    dynamic, integer, onnx = result.rows
    assert (dynamic.status, integer.status, onnx.status) == ("refused", "made", "refused")
    assert "2.17.0" in str(dynamic.reason)
    assert dynamic.min_runtime == {"tflite": "2.17.0"}
    assert "onnx" in str(onnx.reason)
    written = {path.suffix for path in workspace.folder.iterdir()}
    assert ".onnx" not in written
    assert not workspace.path("net-int8-dynamic.tflite").exists()
    error = result.exit_error()
    assert error is not None
    assert error.exit_code == 27


@pytest.mark.parametrize("runtime", ["onnxruntime==1.11.0", "onnxruntime==1.12.0"])
def test_an_onnxruntime_is_compared_by_opset(tmp_path: Path, runtime: str) -> None:
    _, result = convert(plain(), tmp_path, "onnx-fp32", runtime=runtime)
    assert result.rows[0].status == ("made" if runtime.endswith("1.12.0") else "refused")


def test_logits_are_recorded_after_a_softmax_and_said_so_in_the_contract(tmp_path: Path) -> None:
    workspace, _ = convert(residual(), tmp_path, "tflite-fp32", "tflite-int8")
    for name in ("net-fp32.tflite", "net-int8.tflite"):
        contract = read_artifact(workspace.path(name)).contract
        assert contract is not None
        assert contract.output.kind == "logits"
    reference = read_reference(workspace.path(Workspace.REFERENCE))
    np.testing.assert_allclose(reference.scores.sum(axis=1), 1, atol=1e-5)
    with Session.open(workspace.path("net-fp32.tflite")) as session:
        scores = session.predict(DATA.test.pixels)
    np.testing.assert_allclose(scores, reference.scores, atol=1e-5)


def test_a_softmax_that_no_layer_names_is_measured(tmp_path: Path) -> None:
    image = layers.Input((12, 10, 3))
    logits = layers.Dense(5)(layers.Flatten()(layers.Rescaling(1 / 255)(image)))
    model = keras.Model(image, keras.ops.softmax(logits))
    workspace, _ = convert(model, tmp_path, "tflite-fp32")
    contract = read_artifact(workspace.path("net-fp32.tflite")).contract
    assert contract is not None
    assert contract.output.kind == "probabilities"


def test_a_resize_rule_is_in_the_contract_the_golden_vectors_and_the_key(tmp_path: Path) -> None:
    source = source_of(plain(), tmp_path)
    usual = recipe("tflite-fp32")
    raw = {**usual.to_dict(), "data": {"name": "folder", "path": "x"}}
    ruled = {"fit": "stretch", "resample": "bilinear"}
    workspace = Workspace(tmp_path / "build")
    stretched = parse_recipe({**raw, "data": {**raw["data"], **ruled}}, source="test")
    run(source, stretched, workspace, DATA)
    path = workspace.path("net-fp32.tflite")
    with Session.open(path) as session:
        assert session.contract.resize == "stretch-bilinear-1"
        outcome = selftest.run(session, read_golden(workspace.path(Workspace.GOLDEN)))
        assert outcome.ok, outcome.problems
        # Those of the usual rule are others: a device that did as ever would be found out.
        _, prepared = preprocessing_cases(12, 10, 3)
        golden = replace(read_golden(workspace.path(Workspace.GOLDEN)), prepared=prepared)
        assert not selftest.run(session, golden).ok
    assert key(source, stretched, DATA) != key(source, parse_recipe(raw, source="test"), DATA)


def test_what_states_the_usual_rule_has_the_key_that_it_had(tmp_path: Path) -> None:
    source = source_of(plain(), tmp_path)
    usual = recipe("tflite-fp32")
    stated = {**usual.to_dict(), "data": {"name": "folder", "path": "x", "fit": "crop"}}
    assert key(source, parse_recipe(stated, source="test"), DATA) == key(source, usual, DATA)
    names: list[str] = []

    def digest(value: Any) -> str:
        names.extend(value)
        return canonical_digest(value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgecnn.convert.stage.canonical_digest", digest)
        key(source, usual, DATA)
    assert names == [
        *("source", "input_range", "labels", "model", "convert", "calibration", "variants"),
        *("dataset", "runtime", "tools"),
    ]


def test_mean_and_deviation_are_inside_the_artifact(tmp_path: Path) -> None:
    fed = mean_std_range((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.201))
    workspace, _ = convert(plain(before=[]), tmp_path, "tflite-fp32", input_range=fed)
    with Session.open(workspace.path("net-fp32.tflite")) as session:
        assert session.contract.input.range == "0..255"
        scores = session.predict(DATA.test.pixels)
    # As somebody's own program feeds the model, in PyTorch's words.
    model = keras.models.load_model(tmp_path / "float" / "net.keras")
    mean, std = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.201)
    images = (DATA.test.pixels / 255 - np.array(mean)) / np.array(std)
    wanted = model(images.astype(np.float32), training=False).numpy()
    np.testing.assert_allclose(scores, wanted, atol=1e-5)
    assert workspace.manifest()["source"]["input_range"] == fed
    assert find_source(workspace.folder).input_range == fed


@pytest.mark.parametrize("fed", ["imagenet", "mean 0.1,0.2,0.3 std 0.25"])
def test_a_range_of_colours_is_refused_for_greyscale(tmp_path: Path, fed: str) -> None:
    model = plain((12, 10, 1), before=[])
    source = source_of(model, tmp_path, input_range=fed)
    grey = dataset(shape=(12, 10, 1))
    with pytest.raises(UsageError, match=r"3 numbers, and .* takes greyscale") as caught:
        run(source, recipe("tflite-fp32"), Workspace(tmp_path / "build"), grey)
    assert "--input-mean 0.5 --input-std 0.25" in caught.value.remedy
    assert not (tmp_path / "build").exists()
    remedied = replace(source, input_range="mean 0.5 std 0.25")
    result = run(remedied, recipe("tflite-fp32"), Workspace(tmp_path / "build"), grey)
    assert result.exit_error() is None


def test_an_input_range_is_inside_the_artifact(tmp_path: Path) -> None:
    workspace, _ = convert(plain(before=[]), tmp_path, "tflite-fp32", input_range="imagenet")
    contract = read_artifact(workspace.path("net-fp32.tflite")).contract
    assert contract is not None
    assert contract.input.range == "0..255"
    reference = read_reference(workspace.path(Workspace.REFERENCE))
    with Session.open(workspace.path("net-fp32.tflite")) as session:
        scores = session.predict(DATA.test.pixels)
    np.testing.assert_allclose(scores, reference.scores, atol=1e-5)


def test_a_saved_model_converts(tmp_path: Path) -> None:
    model = residual()
    with captured_log():
        model.export(tmp_path / "exported", verbose=False)
    source = find_source(tmp_path / "exported", input_range="0..255")
    workspace = Workspace(tmp_path / "build")
    result = run(source, recipe("tflite-int8", "onnx-fp32"), workspace, DATA)
    assert set(statuses(result).values()) == {"made"}
    assert workspace.manifest()["source"]["kind"] == "saved_model"


def test_a_model_that_reads_files_is_refused_before_it_runs(tmp_path: Path) -> None:
    witness = tmp_path / "witness.txt"

    def classify(image: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.io.write_file(str(witness), "the model ran")
        return {"scores": tf.reshape(image, (-1, 360))[:, :5]}

    module = tf.Module()
    module.classify = tf.function(
        classify, input_signature=[tf.TensorSpec((None, 12, 10, 3), tf.float32, name="image")]
    )
    with captured_log():
        tf.saved_model.save(module, str(tmp_path / "m"), signatures={"a": module.classify})
    source = find_source(tmp_path / "m", input_range="0..1")
    with pytest.raises(SourceModelError, match="WriteFile"):
        run(source, recipe("tflite-fp32"), Workspace(tmp_path / "build"), DATA)
    assert not witness.exists()


def test_labels_in_another_order_renumber_the_data(tmp_path: Path) -> None:
    order = CLASSES[::-1]
    workspace, _ = convert(plain(), tmp_path, "tflite-fp32", labels=order)
    reference = read_reference(workspace.path(Workspace.REFERENCE))
    assert tuple(reference.class_names) == order
    np.testing.assert_array_equal(reference.labels, 4 - DATA.test.labels)
    assert in_class_order(DATA, CLASSES) is DATA
    assert workspace.path(Workspace.LABELS).read_text().split() == list(order)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (CLASSES[:4], "one output per class"),
        ((*CLASSES, "gnu"), "one output per class"),
        ((*CLASSES[:4], "gnu"), "without data: gnu"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    tmp_path: Path, labels: Sequence[str], message: str
) -> None:
    with pytest.raises(LabelsError, match=message):
        convert(plain(), tmp_path, "tflite-fp32", labels=tuple(labels))
    assert not (tmp_path / "build").exists()


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceModelError, match="another size") as caught:
        convert(plain((10, 12, 3)), tmp_path, "tflite-fp32")
    assert "(12, 10, 3)" in str(caught.value.observed)
    assert "(10, 12, 3)" in str(caught.value.expected)


def test_too_few_training_images_to_calibrate_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError):
        run(
            source_of(plain(), tmp_path), recipe("tflite-int8", images=500),
            Workspace(tmp_path / "build"), DATA,
        )  # fmt: skip


def test_scores_that_are_not_numbers_are_an_error(tmp_path: Path) -> None:
    image = layers.Input((12, 10, 3))
    logits = layers.Dense(5)(layers.Flatten()(layers.Rescaling(1 / 255)(image)))
    model = keras.Model(image, keras.ops.sqrt(logits * 0 - 1))
    with pytest.raises(ScoreError):
        convert(model, tmp_path, "tflite-fp32")
    assert not (tmp_path / "build" / Workspace.MANIFEST).exists()


@pytest.mark.parametrize("text", ["tflite-runtime", "tflite==2.14", "onnxruntime==", "a==b", ""])
def test_a_runtime_that_is_none_is_a_usage_error_before_anything_runs(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(UsageError, match=r"tflite-runtime==2\.14\.0"):
        convert(plain(), tmp_path, "tflite-fp32", runtime=text)
    assert not (tmp_path / "build").exists()


def test_a_build_that_cannot_be_written_is_a_workspace_error(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("a file where the folder should be")
    with pytest.raises(WorkspaceError):
        convert(plain(), tmp_path, "tflite-fp32")


def test_the_train_stages_files_are_left_alone(tmp_path: Path) -> None:
    workspace, _ = convert(plain(), tmp_path, "tflite-fp32")
    model = workspace.path(Workspace.MODEL)
    model.write_bytes((tmp_path / "float" / "net.keras").read_bytes())
    trained = [Workspace.MODEL, Workspace.REFERENCE, Workspace.LABELS, Workspace.SPLITS]
    build = Workspace(tmp_path / "trained")
    build.create()
    for name in trained:
        build.path(name).write_bytes(workspace.path(name).read_bytes())
    build.record_stage("train", key="t", files=trained, entries={})
    for variants in (["tflite-fp32"], ["tflite-fp16"]):
        run(find_source(build.folder), recipe(*variants), build, DATA)
        assert build.stage_is_current("train", "t")
        files = build.manifest()["stages"]["convert"]["files"]
        assert not set(files) & set(trained)
        assert {path.name for path in build.folder.iterdir()} == {
            *trained, *files, Workspace.MANIFEST,
        }  # fmt: skip


def test_nothing_is_said_on_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    source = source_of(plain(), tmp_path)
    capfd.readouterr()
    run(source, recipe("tflite-int8", "onnx-int8"), Workspace(tmp_path / "build"), DATA)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_a_build_of_another_trained_model_is_left_as_it_is(tmp_path: Path) -> None:
    source = source_of(plain(), tmp_path)
    workspace = Workspace(tmp_path / "build")
    workspace.create()
    workspace.path(Workspace.MODEL).write_bytes(b"another model")
    workspace.record_stage("train", key="k", files=[Workspace.MODEL], entries={})
    before = {path.name: path.read_bytes() for path in workspace.folder.iterdir()}
    with pytest.raises(WorkspaceError, match="another trained model") as caught:
        run(source, recipe("tflite-fp32"), workspace, DATA)
    assert "--out" in str(caught.value.remedy)
    assert {path.name: path.read_bytes() for path in workspace.folder.iterdir()} == before


def test_the_record_says_which_image_was_stretched_to_the_full_range() -> None:
    assert "full_range" not in record_of(DATA)
    narrow = replace(DATA, train=replace(DATA.train, pixels=DATA.train.pixels // 2 + 20))
    record = record_of(narrow)
    assert record["full_range"]["stretched_copy_of"] in record["ids"]
    rest = {name: value for name, value in record.items() if name != "sha256"}
    assert record["sha256"] == canonical_digest(rest)


def record_of(data: Dataset) -> dict[str, Any]:
    calibration = calibration_for(["tflite-int8"], recipe(), data)
    assert calibration is not None
    return calibration.record
