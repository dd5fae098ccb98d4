"""The whole stage on real model files, through the real runtimes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn import verify
from edgecnn.build.artifact import read_artifact, write_artifact
from edgecnn.build.reference import Reference, images_digest
from edgecnn.build.workspace import MANIFEST_SCHEMA, Workspace
from edgecnn.data import Dataset, Images, choose_calibration
from edgecnn.data.patterns import probes
from edgecnn.data.split import digest_per_image
from edgecnn.errors import ContractError, DataError, ParityFailError, UsageError, WorkspaceError
from edgecnn.files import canonical_digest, file_digest, write_json
from edgecnn.recipe.sections import Limits
from edgecnn.verify import exit_error
from edgecnn.verify.report.wording import looked_sentence
from edgecnn.verify.results import ArtifactRow
from edgecnn_runner.machine import describe_machine
from edgecnn_runner.session import Session
from verify import runs

pytestmark = pytest.mark.slow  # verifies whole builds

FIXTURES = Path(__file__).parents[1] / "runner" / "fixtures"
SOURCE = "5a" * 32
EASY = Limits(max_drop=20, min_agreement=60, max_class_drop=60)
FILES = {
    "tflite-fp32": "rgb-fp32.tflite",
    "tflite-int8": "rgb-int8.tflite",
    "onnx-fp32": "rgb-fp32.onnx",
    "onnx-int8": "rgb-int8.onnx",
}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Noise that the fixture network is sure about; the labels are what it says, mostly."""
    rng = np.random.default_rng(11)
    pixels = rng.integers(0, 256, (420, 12, 16, 3), dtype=np.uint8)
    with Session.open(FIXTURES / "rgb-fp32.tflite") as session:
        labels = session.predict(pixels).argmax(axis=1).astype(np.int64)
    labels[::10] = (labels[::10] + 1) % 4

    def part(name: str, start: int, stop: int) -> Images:
        return Images(
            pixels=pixels[start:stop],
            labels=labels[start:stop],
            ids=tuple(f"{name}/{i}" for i in range(stop - start)),
        )

    return Dataset(
        name="noise",
        class_names=tuple(f"class {i}" for i in range(4)),
        train=part("train", 0, 100),
        validation=part("validation", 100, 120),
        test=part("test", 120, 420),
    )


@pytest.fixture
def build(tmp_path: Path, dataset: Dataset) -> Workspace:
    """A build as train and convert leave it."""
    workspace = Workspace(tmp_path / "build")
    workspace.create()
    with Session.open(FIXTURES / "rgb-fp32.tflite") as session:
        scores = session.predict(dataset.test.pixels)
    Reference(
        scores=scores,
        labels=dataset.test.labels,
        ids=dataset.test.ids,
        images_sha256=images_digest(dataset.test.pixels),
        model_sha256=SOURCE,
        class_names=dataset.class_names,
    ).write(workspace.path(workspace.REFERENCE))
    record = choose_calibration(
        dataset.train, dataset.test, count=20, seed=0, class_names=dataset.class_names
    ).record
    write_json(workspace.path(workspace.CALIBRATION), record)
    rows: list[dict[str, Any]] = []
    for variant, file in FILES.items():
        digest = record["sha256"] if variant.endswith("int8") else None
        put(workspace, file, calibration_sha256=digest)
        rows.append({"variant": variant, "status": "made", "file": file, "reason": None})
    rows.append({"variant": "onnx-fp16", "status": "refused", "file": None, "reason": "too new"})
    manifest = {
        "schema": MANIFEST_SCHEMA,
        "recipe": {"model": {"name": "rgb"}},
        "stages": {},
        "files": {},
        "variants": rows,
    }
    write_json(workspace.path(workspace.MANIFEST), manifest)
    return workspace


def put(workspace: Workspace, file: str, source: str | None = None, **contract: Any) -> None:
    """Copy a fixture into a build, its contract changed."""
    container = read_artifact(FIXTURES / (source or file))
    assert container.contract is not None
    changed = dataclasses.replace(container.contract, **({"source_sha256": SOURCE} | contract))
    write_artifact(workspace.path(file), container.payload, changed)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def verdicts(report: verify.ParityReport) -> dict[str, str]:
    return {row.variant: row.verdict for row in report.rows}


def only(report: verify.ParityReport) -> ArtifactRow:
    (row,) = report.rows
    return row


def test_judges_every_variant_of_a_build(build: Workspace, dataset: Dataset) -> None:
    report = runs.run(build, dataset, limits=EASY)
    assert verdicts(report) == {**dict.fromkeys(FILES, "PASS"), "onnx-fp16": "NOT MADE"}
    assert exit_error(report) is None
    same = report.rows[0]
    assert same.metrics is not None
    assert same.metrics.disagreements == 0
    assert same.metrics.reference.accuracy == pytest.approx(0.9)
    assert same.sha256 == file_digest(build.path(str(same.file)))
    assert (same.runtime or "").startswith("ai-edge-litert ")
    assert (report.rows[2].runtime or "").startswith("onnxruntime ")
    int8 = report.rows[1].metrics
    assert int8 is not None
    assert 0 < int8.max_score_change < 0.5


def test_writes_what_it_returns(build: Workspace, dataset: Dataset) -> None:
    report = runs.run(build, dataset, limits=EASY)
    assert verify.read_report(build.path(build.PARITY)) == report
    page = build.path(build.REPORT).read_text(encoding="utf-8")
    assert "All 4 artifacts classify as their float model does." in page
    values = json.loads(build.path(build.PARITY).read_text(encoding="utf-8"))
    assert values["model"] == "rgb"
    assert values["evaluated"]["images"] == values["evaluated"]["available"] == 300
    assert values["evaluated"]["images_sha256"] == images_digest(dataset.test.pixels)
    assert values["machine"] == describe_machine()


def test_equal_runs_write_equal_files(
    build: Workspace, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    found = []
    for _ in range(2):
        report = runs.run(build, dataset, limits=EASY, artifacts=["tflite-fp32"])
        assert report.created == "2023-11-14T22:13:20Z"
        found.append([build.path(n).read_bytes() for n in (build.PARITY, build.REPORT)])
    assert found[0] == found[1]


def test_records_the_stage_so_that_it_need_not_be_repeated(
    build: Workspace, dataset: Dataset
) -> None:
    def key(limits: Limits = EASY, **options: Any) -> str:
        return runs.key(build, dataset, limits=limits, **options)

    before = key()
    assert not build.stage_is_current("verify", before)
    runs.run(build, dataset, limits=EASY)
    assert key() == before
    assert build.stage_is_current("verify", before)
    assert key(Limits()) != before
    assert key(images=10) != before
    put(build, "rgb-fp32.onnx", created_by={"edgecnn": "another"})
    assert key() != before


def test_a_build_that_was_moved_is_still_up_to_date(build: Workspace, dataset: Dataset) -> None:
    runs.run(build, dataset, limits=EASY)
    moved = Workspace(build.folder.rename(build.folder.with_name("moved")))
    assert moved.stage_is_current("verify", runs.key(moved, dataset, limits=EASY))


def test_a_folder_that_is_no_build_gets_reports_and_no_manifest(
    build: Workspace, dataset: Dataset
) -> None:
    build.path(build.MANIFEST).unlink()
    report = runs.run(build, dataset, limits=EASY, artifacts=["rgb-fp32.onnx"])
    assert verdicts(report) == {"onnx-fp32": "PASS"}
    assert report.model == "build"
    assert not build.path(build.MANIFEST).exists()


def test_a_different_network_fails(build: Workspace, dataset: Dataset) -> None:
    # The same file, judged against a reference whose classes are shifted by one.
    with Session.open(FIXTURES / "rgb-fp32.tflite") as session:
        scores = np.roll(session.predict(dataset.test.pixels), 1, axis=1)
    Reference(
        scores=scores,
        labels=dataset.test.labels,
        ids=dataset.test.ids,
        images_sha256=images_digest(dataset.test.pixels),
        model_sha256=SOURCE,
        class_names=dataset.class_names,
    ).write(build.path(build.REFERENCE))
    # Shifted, the float model itself only guesses, which is no matter here.
    silly = EASY.model_copy(update={"min_accuracy": 0.0})
    report = runs.run(build, dataset, limits=silly, artifacts=["tflite-fp32"])
    assert verdicts(report) == {"tflite-fp32": "FAIL"}
    assert isinstance(exit_error(report), ParityFailError)
    metrics = only(report).metrics
    assert metrics is not None
    assert len(metrics.flips) == 300


def test_too_few_images_are_inconclusive_and_say_how_many_would_do(
    build: Workspace, dataset: Dataset
) -> None:
    report = runs.run(build, dataset, limits=Limits(), artifacts=["tflite-fp32"], images=100)
    row = only(report)
    assert row.verdict == "INCONCLUSIVE"
    assert row.needed is not None
    assert 350 < (row.needed.images or 0) < 420
    assert row.metrics is not None
    assert row.metrics.images == 100
    assert (report.evaluated.images, report.evaluated.seed) == (100, 0)


_LABELS = tuple(f"class {i}" for i in range(4))
Harm = Callable[[Workspace], None]


def _truncate(build: Workspace) -> None:
    path = build.path("rgb-int8.tflite")
    path.write_bytes(path.read_bytes()[:1000])


def _flip_a_bit(build: Workspace) -> None:
    data = bytearray(build.path("rgb-int8.tflite").read_bytes())
    data[2000] ^= 1
    build.path("rgb-int8.tflite").write_bytes(data)


def _change_the_record(build: Workspace) -> None:
    record = json.loads(build.path(build.CALIBRATION).read_text(encoding="utf-8"))
    record["seed"] += 1
    write_json(build.path(build.CALIBRATION), record)


HARMS: dict[str, tuple[Harm, str, str]] = {
    "missing": (lambda b: b.path("rgb-int8.tflite").unlink(), "ArtifactError", "cannot read"),
    "truncated": (_truncate, "ContractError", "carries no contract"),
    "bit-flipped": (_flip_a_bit, "ArtifactError", "damaged"),
    "another float model": (
        lambda b: put(b, "rgb-int8.tflite", source_sha256="00" * 32),
        "ContractError",
        "another float model",
    ),
    "other labels": (
        lambda b: put(b, "rgb-int8.tflite", labels=("a", "b", "c", "d")),
        "ContractError",
        "labels",
    ),
    "another image size": (
        lambda b: put(b, "rgb-int8.tflite", "grey-int8.tflite", labels=_LABELS),
        "ContractError",
        "another size",
    ),
    "no calibration digest": (
        lambda b: put(b, "rgb-int8.tflite", calibration_sha256=None),
        "CalibrationError",
        "does not say which images",
    ),
    "no calibration record": (
        lambda b: b.path(b.CALIBRATION).unlink(),
        "CalibrationError",
        "cannot read the calibration record",
    ),
    "another calibration record": (
        lambda b: put(b, "rgb-int8.tflite", calibration_sha256="11" * 32),
        "CalibrationError",
        "other images",
    ),
    "a changed calibration record": (_change_the_record, "CalibrationError", "it was changed"),
    "nan scores": (
        lambda b: put(b, "rgb-int8.tflite", "rgb-nan.tflite"),
        "ScoreError",
        "NaN",
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_an_artifact_that_cannot_be_judged_is_a_row_and_the_others_go_on(
    harm: str, build: Workspace, dataset: Dataset
) -> None:
    do_harm, kind, message = HARMS[harm]
    do_harm(build)
    chosen = ["tflite-int8", "onnx-fp32"]
    report = runs.run(build, dataset, limits=EASY, artifacts=chosen)
    harmed, healthy = report.rows
    assert (harmed.verdict, healthy.verdict) == ("ERROR", "PASS")
    assert harmed.error is not None
    assert harmed.error.error == kind
    assert message in harmed.error.problem + (harmed.error.observed or "")
    assert harmed.error.remedy
    error = exit_error(report)
    assert error is not None
    assert error.exit_code == harmed.error.exit_code


def test_a_file_made_elsewhere_is_refused_with_what_to_do(
    build: Workspace, dataset: Dataset
) -> None:
    foreign = str(FIXTURES / "foreign-logits.tflite")
    error = only(runs.run(build, dataset, limits=EASY, artifacts=[foreign])).error
    assert error is not None
    assert isinstance(error.to_error(), ContractError)
    assert "edgecnn run" in error.remedy


def test_calibration_images_may_not_be_judged_on(build: Workspace, dataset: Dataset) -> None:
    # Calibrated on test images that the subset asked for leaves out: refused all the same.
    nothing = dataclasses.replace(dataset.train, pixels=255 - dataset.train.pixels)
    record = choose_calibration(
        dataset.test, nothing, count=5, seed=0, class_names=dataset.class_names
    ).record
    write_json(build.path(build.CALIBRATION), record)
    put(build, "rgb-int8.tflite", calibration_sha256=record["sha256"])
    report = runs.run(build, dataset, limits=EASY, artifacts=["tflite-int8"], images=4)
    error = only(report).error
    assert error is not None
    assert error.error == "CalibrationError"
    assert error.observed is not None
    assert error.observed.startswith(f"5 of 300 test images, the first is {record['ids'][0]}")


def test_other_data_than_the_references_is_refused_and_nothing_is_written(
    build: Workspace, dataset: Dataset
) -> None:
    other = dataclasses.replace(dataset, test=dataset.validation)
    with pytest.raises(DataError, match="--data PATH"):
        runs.run(build, other, limits=EASY)
    assert not build.path(build.PARITY).exists()


def test_no_reference_and_nothing_to_verify_are_errors(
    build: Workspace, dataset: Dataset, tmp_path: Path
) -> None:
    build.path(build.REFERENCE).unlink()
    with pytest.raises(WorkspaceError, match="make them again"):
        runs.run(build, dataset, limits=EASY)
    with pytest.raises(UsageError, match="nothing to verify"):
        runs.run(Workspace(tmp_path), dataset, limits=EASY)


def test_reports_can_be_written_elsewhere_and_the_build_stays_as_it_is(
    build: Workspace, dataset: Dataset, tmp_path: Path
) -> None:
    before = contents(build.folder)
    out = tmp_path / "new" / "reports"
    report = runs.run(build, dataset, limits=EASY, out=out, junit=tmp_path / "parity.xml")
    assert report.write_error is None
    assert verify.read_report(out / build.PARITY) == report
    assert {path.name for path in out.iterdir()} == {build.PARITY, build.REPORT}
    assert (tmp_path / "parity.xml").read_text(encoding="utf-8").count("<testcase") == 5
    assert contents(build.folder) == before


def test_in_another_folder_nothing_but_the_reports_is_touched(
    build: Workspace, dataset: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "site"
    for name in (".staging-site", ".edgecnn-staging-mine"):
        (out / name).mkdir(parents=True)
        (out / name / "precious.txt").write_text("mine")
    runs.run(build, dataset, limits=EASY, out=out)
    assert {path.name for path in out.rglob("*")} == {
        build.PARITY, build.REPORT, ".staging-site", ".edgecnn-staging-mine", "precious.txt",
    }  # fmt: skip


def test_reports_are_not_put_into_a_build(build: Workspace, dataset: Dataset) -> None:
    with pytest.raises(UsageError, match="leave --out out"):
        runs.run(build, dataset, limits=EASY, out=build.folder)


def test_a_build_that_cannot_be_written_keeps_its_verdicts_and_the_junit_file(
    build: Workspace, dataset: Dataset, tmp_path: Path
) -> None:
    # A folder in the place of the page: what a read-only folder is for any user but root.
    build.path(build.REPORT).mkdir()
    report = runs.run(build, dataset, limits=EASY, junit=tmp_path / "parity.xml")
    assert report.verdict == "PASS"
    error = exit_error(report)
    assert isinstance(error, WorkspaceError)
    assert build.REPORT in error.problem
    assert "--out FOLDER" in error.remedy
    assert (tmp_path / "parity.xml").is_file()
    assert "verify" not in build.manifest()["stages"]


def test_a_junit_file_that_cannot_be_written_does_not_keep_the_reports_from_it(
    build: Workspace, dataset: Dataset, tmp_path: Path
) -> None:
    report = runs.run(build, dataset, limits=EASY, junit=tmp_path / "missing" / "parity.xml")
    assert report.write_error is not None
    assert "--junit FILE" in report.write_error.remedy
    assert verify.read_report(build.path(build.PARITY)).verdict == report.verdict == "PASS"


def test_the_time_of_each_artifact_is_measured(build: Workspace, dataset: Dataset) -> None:
    report = runs.run(build, dataset, limits=EASY)
    times = [row.seconds for row in report.rows]
    assert all(time is not None and time > 0 for time in times)
    assert max(time or 0 for time in times[:4]) > (times[4] or 0)  # which was not made


def test_importing_the_stage_is_light() -> None:
    heavy = ("tensorflow", "keras", "scipy", "sklearn", "jinja2", "rich", "PIL", "matplotlib",
             "ai_edge_litert", "onnxruntime")  # fmt: skip
    code = f"import sys, edgecnn.verify; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_running_the_stage_never_imports_tensorflow(build: Workspace, dataset: Dataset) -> None:
    np.savez(
        build.path("data.npz"),
        pixels=dataset.test.pixels,
        labels=dataset.test.labels,
        ids=np.array(dataset.test.ids),
    )
    code = """
import sys, pathlib, numpy as np
from edgecnn import verify
from edgecnn.data import Dataset, Images
from edgecnn.recipe.load import Limits
from edgecnn.build.workspace import Workspace
folder = pathlib.Path(sys.argv[1])
stored = np.load(folder / "data.npz")
test = Images(pixels=stored["pixels"], labels=stored["labels"], ids=tuple(map(str, stored["ids"])))
names = tuple(f"class {i}" for i in range(4))
data = Dataset(name="noise", class_names=names, train=test, validation=test, test=test)
build = Workspace(folder)
request = verify.VerifyRequest(target=folder)
limits = Limits(max_drop=20, min_agreement=60)
report = verify.run(request, verify.BuildSubject(workspace=build, dataset=data, limits=limits))
print(report.rows[0].verdict, [m for m in ("tensorflow", "keras") if m in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(build.folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "PASS []"


def test_uses_only_the_images_that_a_verdict_needs(build: Workspace, dataset: Dataset) -> None:
    report = runs.run(build, dataset, limits=EASY, until_decided=True, partial=True)
    assert report.until_decided
    assert verdicts(report) == {**dict.fromkeys(FILES, "PASS"), "onnx-fp16": "NOT MADE"}
    assert report.evaluated.images == 300
    for row in report.rows[:-1]:
        assert row.looked is not None
        assert row.metrics is not None
        assert row.metrics.images == row.looked.images < 300
        assert f"{row.looked.images:,} of 300 images" in looked_sentence(row)
    # Whatever else says so: the file, the page, and the table.
    path = build.path(build.PARTIAL_PARITY)
    assert verify.read_report(path) == report
    assert json.loads(path.read_text("utf-8"))["rows"][0]["looked"]["saved"] > 0
    page = build.path(build.PARTIAL_REPORT).read_text("utf-8")
    assert looked_sentence(report.rows[0]) in page
    assert "confidence sequences" in page
    # Images are taken in an order that says nothing about them, and flips are of those taken.
    again = runs.run(build, dataset, limits=EASY, until_decided=True, partial=True)
    assert again.rows == report.rows


def test_flips_of_a_sequence_name_their_own_images(build: Workspace, dataset: Dataset) -> None:
    report = runs.run(
        build, dataset, limits=EASY, artifacts=["tflite-int8"], until_decided=True, partial=True
    )
    metrics = only(report).metrics
    assert metrics is not None
    with Session.open(build.path("rgb-int8.tflite")) as session:
        scores = session.predict(dataset.test.pixels)
    place = {name: index for index, name in enumerate(dataset.test.ids)}
    for flip in metrics.flips:
        assert scores[place[flip.id]].argmax() == flip.artifact_class
        assert dataset.test.labels[place[flip.id]] == flip.label


def own_record(build: Workspace, dataset: Dataset, chosen_by: Images) -> None:
    """Give the int8 file a calibration record of its own, with the images it was chosen by."""
    record = choose_calibration(
        dataset.train, dataset.test, count=10, seed=1, class_names=dataset.class_names
    ).record
    record = {name: value for name, value in record.items() if name != "sha256"}
    digests = digest_per_image(chosen_by.pixels)
    record["selection"] = {"split": "validation", "count": len(digests), "image_sha256": digests}
    record["sha256"] = canonical_digest(record)
    write_json(build.path(build.calibration_of("tflite-int8")), record)
    put(build, "rgb-int8.tflite", calibration_sha256=record["sha256"])


def test_an_artifact_may_have_a_calibration_record_of_its_own(
    build: Workspace, dataset: Dataset
) -> None:
    before = runs.key(build, dataset, limits=EASY)
    own_record(build, dataset, dataset.validation)
    report = runs.run(build, dataset, limits=EASY, artifacts=["tflite-int8", "onnx-int8"])
    assert [row.error for row in report.rows] == [None, None], "the other has the build's"
    assert runs.key(build, dataset, limits=EASY) != before
    build.path(build.calibration_of("tflite-int8")).unlink()
    error = only(runs.run(build, dataset, limits=EASY, artifacts=["tflite-int8"])).error
    assert error is not None
    assert "was calibrated with other images" in error.problem


def test_images_that_a_repair_chose_by_may_not_be_judged_on(
    build: Workspace, dataset: Dataset
) -> None:
    own_record(build, dataset, dataset.test.take([3, 7]))
    error = only(runs.run(build, dataset, limits=EASY, artifacts=["tflite-int8"])).error
    assert error is not None
    assert error.error == "CalibrationError"
    assert "or chosen by them" in error.problem
    assert str(error.observed).startswith("2 of 300 test images")


def ask_more(build: Workspace, dataset: Dataset) -> None:
    """Let a build's reference say what train and convert ask the float model besides."""
    with Session.open(FIXTURES / "rgb-fp32.tflite") as session:
        Reference.asked(
            session.predict,
            dataset.test,
            probes=probes(dataset.shape),
            model_sha256=SOURCE,
            class_names=dataset.class_names,
        ).write(build.path(build.REFERENCE))


def test_an_old_reference_keeps_all_answers_and_finds_no_equality(
    build: Workspace, dataset: Dataset
) -> None:
    report = runs.run(build, dataset, limits=Limits(), images=24)
    assert report.near_ties is not None
    assert (report.near_ties.rule, report.near_ties.noise_changed) == ("all", None)
    assert verdicts(report)["tflite-fp32"] == "INCONCLUSIVE"


def test_float_files_pass_by_equality_on_few_images_and_integers_do_not(
    build: Workspace, dataset: Dataset
) -> None:
    ask_more(build, dataset)
    report = runs.run(build, dataset, limits=Limits(), images=24)
    found = verdicts(report)
    assert {name: found[name] for name in FILES} == {
        "tflite-fp32": "PASS",
        "tflite-int8": "INCONCLUSIVE",
        "onnx-fp32": "PASS",
        "onnx-int8": "INCONCLUSIVE",
    }
    for row in (report.rows[0], report.rows[2]):
        assert row.judgement is not None
        assert row.judgement.by_equality
    page = build.path(build.REPORT).read_text("utf-8")
    assert "PASS by equality: its scores are the float model&#39;s" in page
    assert verify.read_report(build.path(build.PARITY)) == report


def test_near_ties_are_left_out_unless_all_answers_are_asked_for(
    build: Workspace, dataset: Dataset
) -> None:
    ask_more(build, dataset)
    clear = runs.run(build, dataset, limits=Limits())
    every = runs.run(build, dataset, limits=Limits(min_agreement=95))
    assert clear.near_ties is not None
    assert every.near_ties is not None
    assert (clear.near_ties.rule, every.near_ties.rule) == ("clear", "all")
    assert clear.near_ties.clear == every.near_ties.clear
    for one, other in zip(clear.rows, every.rows, strict=True):
        if one.metrics is None:
            continue
        assert one.metrics == other.metrics
        assert one.clear_disagreements is not None
        assert one.clear_disagreements <= one.metrics.disagreements
        assert one.criterion("disagreement").images == clear.near_ties.clear
        assert other.clear_disagreements is None


@pytest.mark.parametrize("strength", [2, 6, 12, 25, 60])
def test_a_damaged_int8_file_fails_by_clear_answers_where_it_fails_by_all(
    strength: int, build: Workspace, dataset: Dataset
) -> None:
    """What int8 weights lose to noise of so many steps shows in clear answers, too."""
    import onnx
    from onnx import numpy_helper

    ask_more(build, dataset)
    container = read_artifact(FIXTURES / "rgb-int8.onnx")
    assert container.contract is not None
    random = np.random.default_rng(strength)
    model = onnx.load_from_string(container.payload)
    for one in model.graph.initializer:
        weights = numpy_helper.to_array(one)
        if weights.dtype == np.int8 and weights.size > 10:
            noise = np.rint(random.normal(0, strength, weights.shape)).astype(int)
            changed = np.clip(weights.astype(int) + noise, -127, 127).astype(np.int8)
            one.CopyFrom(numpy_helper.from_array(changed, one.name))
    payload = model.SerializeToString()
    before = read_artifact(build.path("rgb-int8.onnx")).contract
    assert before is not None
    digest = hashlib.sha256(payload).hexdigest()
    write_artifact(
        build.path("rgb-int8.onnx"), payload, dataclasses.replace(before, payload_sha256=digest)
    )
    by = {
        rule: only(
            runs.run(
                build,
                dataset,
                limits=Limits(
                    max_drop=100, min_agreement=95, agreement_on=rule, max_class_drop=100
                ),
                artifacts=["rgb-int8.onnx"],
            )
        )
        for rule in ("all", "clear")
    }
    plain, clear = by["all"].criterion("disagreement"), by["clear"].criterion("disagreement")
    if strength >= 25:
        assert plain.outcome == clear.outcome == "missed"
    if plain.outcome == "missed" and plain.low > 0.08:
        assert clear.outcome == "missed", (plain, clear)
