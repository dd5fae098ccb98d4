"""A manifest damaged anywhere is a typed error or does no harm."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from edgecnn.build.workspace import Workspace, manifest_problem
from edgecnn.commands import build as chain
from edgecnn.commands.init import demo_recipe
from edgecnn.commands.paths import build_of, manifest_recipe
from edgecnn.convert import Source, VariantRow, find_source
from edgecnn.convert.repair.record import KeptLayer, RepairRecord, TriedFile
from edgecnn.errors import EdgeError, WorkspaceError
from edgecnn.files import file_digest, write_whole
from edgecnn.verify.plan import plan

ROWS = (
    VariantRow(
        variant="tflite-int8",
        status="made",
        file="digits-int8.tflite",
        bytes=5,
        sha256="0" * 64,
        min_runtime={"litert": "1.14.0"},
    ),
    VariantRow(variant="onnx-fp16", status="refused", reason="no runtime for it"),
    VariantRow(
        variant="onnx-int8-mixed",
        status="made",
        file="digits-int8-mixed.onnx",
        repair=RepairRecord(
            outcome="mixed",
            split="validation",
            images=240,
            tried=(TriedFile(what="as it was made", result="FAIL", holds=False),),
            kept=(KeptLayer(name="Conv_1", operator="Conv", macs=5, snr_db=0.5, why="noise"),),
            float_macs=0.1,
            latency={
                "median_ns": {"onnx-int8-mixed": 5},
                "n": 1,
                "threads": 1,
                "runtime": "onnxruntime 1.32.0",
                "machine": {"model": None},
            },
        ).to_dict(),
    ),
    VariantRow(variant="onnx-int8", status="replaced", reason="onnx-int8-mixed takes its place"),
)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A build whose manifest the stages' own classes have written."""
    workspace = Workspace(tmp_path_factory.mktemp("build"))
    for name in (Workspace.MODEL, "digits-int8.tflite", Workspace.PARITY):
        write_whole(workspace.path(name), "bytes")
    model = workspace.path(Workspace.MODEL)
    source = Source(
        path=model,
        kind="keras",
        origin="build",
        name="digits",
        sha256=file_digest(model),
        input_range="0..1",
    )
    recipe = demo_recipe().to_dict()
    workspace.record_stage(
        "train",
        key="k",
        files=[Workspace.MODEL],
        entries={"recipe": recipe, "tools": {"numpy": "2"}},
    )
    workspace.record_stage(
        "convert",
        key="k",
        files=["digits-int8.tflite"],
        entries={"source": source.to_dict(), "variants": [row.to_dict() for row in ROWS]},
    )
    workspace.record_stage("verify", key="k", files=[Workspace.PARITY], entries={})
    # Not there, so that what the manifest says of the source is followed.
    model.unlink()
    return workspace


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where every value of a JSON document is, from the root down."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def read_by_every_stage(build: Workspace) -> None:
    """Do with the manifest all that a command does before its heavy work."""
    manifest = build.manifest()
    build_of(build.folder)
    build_of(build.path("digits-int8.tflite"))
    manifest_recipe(build)
    for stage in ("train", "convert", "verify"):
        build.stage_is_current(stage, "k")
    chain.recorded_conversion(build)
    for artifacts in (None, ["tflite-int8"], ["digits-int8.tflite"]):
        plan(build, artifacts)
    assert {"sha256", "bytes"} <= {
        key for entry in manifest["files"].values() for key in entry
    } or (not manifest["files"])
    find_source(build.folder)


STRANGE = ["..", "../x", "a/b", "/etc/passwd", "a\0b", "\ud800", "x" * 300, "", "made"]
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(STRANGE),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)


def test_the_undamaged_manifest_is_read_by_every_stage(build: Workspace) -> None:
    manifest = build.manifest()
    assert manifest_problem(manifest) is None
    assert chain.recorded_conversion(build).rows == ROWS
    assert build.stage_is_current("convert", "k")
    # Its model is gone; everything before that is as it should be.
    with pytest.raises(EdgeError, match="has no float model"):
        read_by_every_stage(build)


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damage_at_any_depth_is_a_result_or_a_typed_error(
    build: Workspace, data: st.DataObject
) -> None:
    whole = build.manifest()
    path = data.draw(st.sampled_from(list(places(whole))), label="where")
    how = data.draw(st.sampled_from(["replace", "delete", "rename"]), label="how")
    damaged: Any = copy.deepcopy(whole)
    if not path:
        damaged = data.draw(JSON)
    else:
        holder = damaged
        for part in path[:-1]:
            holder = holder[part]
        if how == "delete":
            del holder[path[-1]]
        elif how == "rename" and isinstance(holder, dict):
            name = data.draw(st.text(max_size=5) | st.sampled_from(["../x", "a\0b", "\udcff"]))
            holder[name] = holder.pop(path[-1])
        else:
            holder[path[-1]] = data.draw(JSON)
    file = build.path(Workspace.MANIFEST)
    before = file.read_bytes()
    try:
        file.write_text(json.dumps(damaged))
        try:
            read_by_every_stage(build)
            build.record_stage("verify", key="k2", files=[Workspace.PARITY], entries={})
        except EdgeError as error:
            assert error.remedy  # noqa: PT017 - the only exceptions let through
    finally:
        file.write_bytes(before)


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        (("files", "model.keras"), None, "files.model.keras: input should be"),
        (("files", "model.keras", "bytes"), "5", "files.model.keras.bytes: "),
        (("stages", "train", "files", 0), "../x", "is not the name of a file in this folder"),
        (("stages", "train", "files", 0), "a\0b", "is not the name of a file in this folder"),
        (("stages", "train", "files", 0), "x" * 256, "is not the name of a file in this folder"),
        (("variants", 0, "status"), "perhaps", "variants.0.status: "),
        (("variants", 2, "repair", "outcome"), "perhaps", "variants.2.repair.outcome: "),
        (("variants", 2, "repair", "tried"), [], "variants.2.repair.tried: "),
        (("variants", 2, "repair", "kept", 0, "why"), 5, "variants.2.repair.kept.0.why: "),
        (("variants", 2, "repair", "latency"), None, "variants.2: a mixed variant has"),
        (("variants", 0, "min_runtime"), {"litert": 3}, "variants.0.min_runtime.litert: "),
        (("source", "input_range"), "0..7", "'0..7' is not one of 0..255"),
        (("source", "path"), "a\0b", "a path holds no zero byte"),
        (("tools", "numpy"), 2, "tools.numpy: "),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    build: Workspace, where: tuple[str | int, ...], value: object, says: str
) -> None:
    damaged: Any = build.manifest()
    holder = damaged
    for part in where[:-1]:
        holder = holder[part]
    holder[where[-1]] = value
    problem = manifest_problem(damaged)
    assert problem is not None
    assert says.lower() in problem.lower()


def test_a_number_that_json_does_not_know_is_damage(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(
        '{"schema": 1, "stages": {}, "files": {}, "variants": [], "golden": NaN}'
    )
    with pytest.raises(WorkspaceError, match="NaN is not JSON"):
        Workspace(tmp_path).manifest()
