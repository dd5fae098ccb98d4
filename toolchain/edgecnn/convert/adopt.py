"""Takes files that another program made into a build, each with a contract behind its own bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.artifact import artifact_name, write_artifact, write_labels
from edgecnn.build.reference import Reference
from edgecnn.build.staging import Staging, staging
from edgecnn.build.tools import tool_versions
from edgecnn.build.workspace import Workspace
from edgecnn.convert.golden import GOLDEN_COUNT, choose_golden
from edgecnn.convert.result import VariantRow
from edgecnn.data import Dataset
from edgecnn.errors import OutputError, UsageError, WorkspaceError, some_of
from edgecnn.files import canonical_digest, file_digest, write_json
from edgecnn.modelfile import Graph, read_graph
from edgecnn.recipe.load import Recipe
from edgecnn_runner.contract import Contract
from edgecnn_runner.formats.container import Container, read_container
from edgecnn_runner.golden import MIN_MARGIN, write_golden
from edgecnn_runner.session import Session

Ask = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]

STAGE: Final = "adopt"
"""Its name in the manifest of a build."""
_RUNTIMES: Final = ("onnxruntime", "ai-edge-litert", "numpy")
_LONGEST: Final = 120
_OWN_STAGES: Final = ("train", "convert")


@dataclass(frozen=True, kw_only=True)
class ForeignFile:
    """A file to take in.

    Attributes:
        path: Where it is.
        container: The file, read; without a contract.
        graph: What is inside.
        contract: How it is fed and read, as its user and its graph say; ``variant`` is its format
            and precision, and there are no digests yet.
    """

    path: Path
    container: Container
    graph: Graph
    contract: Contract

    @property
    def made_by(self) -> str:
        """Who made it, as the file says itself: one line of text, for people alone."""
        text = "".join(char if char.isprintable() else " " for char in self.graph.description)
        return " ".join(text.split())[:_LONGEST] or "not stated"


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """What is taken into a build, and what it is compared with.

    Attributes:
        files: At least one; all have the labels and the size of the data set's images.
        recipe: Names the model and the data; ``data.test`` is 1.
        dataset: Its test images are those of the reference, its labels in output order.
        reference: The float model's scores, or the user's own.
        source: The manifest's entry on what made the scores.
        ask: Returns the float model's probabilities of pictures; None where there is no model.
        examined: What was found before, for the manifest.
    """

    files: Sequence[ForeignFile]
    recipe: Recipe
    dataset: Dataset
    reference: Reference
    source: Mapping[str, Any]
    ask: Ask | None = None
    examined: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What ``run`` did.

    Attributes:
        rows: A row for each file of the build, those that were there before first.
        variants: The variants that the files given have become, in their order.
        golden: How many golden vectors were found.
        notes: What a user should know and that is no error.
    """

    rows: tuple[VariantRow, ...]
    variants: tuple[str, ...]
    golden: int
    notes: tuple[str, ...] = ()


def run(adoption: Adoption, workspace: Workspace) -> Adopted:
    """Write files with their contracts into a build, beside those that it was given before.

    A file's own bytes stay as they are: the contract stands behind them and holds their digest. All
    files of the build appear together, with the manifest; one that cannot run changes nothing.

    Args:
        adoption: What is taken in.
        workspace: A new build, or one that an earlier adoption made with the same reference.

    Raises:
        WorkspaceError: If the build is another's, or cannot be written.
        EdgeError: If a file cannot be run here.
    """
    manifest = check_build(adoption, workspace)
    recipe = manifest.get("recipe", adoption.recipe.to_dict())
    model = str(recipe["model"]["name"])  # the build's own, however the file is called
    earlier = {row["variant"]: VariantRow(**_known(row)) for row in manifest["variants"]}
    workspace.create()
    with staging(workspace) as staged:
        rows, variants = dict(earlier), []
        for file in adoption.files:
            variant = _variant_of(file, rows, workspace, staged)
            rows[variant] = _written(file, variant, model, adoption, staged)
            variants.append(variant)
        paths = {name: _path(row, workspace, staged) for name, row in rows.items()}
        golden = _write_golden(adoption, paths, staged)
        adoption.reference.write(staged.path(Workspace.REFERENCE))
        write_labels(staged.path(Workspace.LABELS), adoption.dataset.class_names)
        write_json(staged.path(Workspace.SPLITS), adoption.dataset.splits())
        files = [str(row.file) for row in rows.values()]
        files += [Workspace.GOLDEN, Workspace.REFERENCE, Workspace.LABELS, Workspace.SPLITS]
        with staged.placed():
            workspace.record_stage(
                STAGE,
                key=canonical_digest(
                    {
                        "files": {name: row.sha256 for name, row in rows.items()},
                        "source": adoption.source["sha256"],
                        "dataset": adoption.dataset.digest(),
                    }
                ),
                files=files,
                entries={
                    "recipe": recipe,
                    "source": dict(adoption.source),
                    "tools": tool_versions(*_RUNTIMES),
                    "variants": [row.to_dict() for row in rows.values()],
                    "golden": golden,
                    **({"examined": dict(adoption.examined)} if adoption.examined else {}),
                },
            )
    return Adopted(
        rows=tuple(rows.values()),
        variants=tuple(variants),
        golden=golden,
        notes=_notes(golden, adoption),
    )


def check_build(adoption: Adoption, workspace: Workspace) -> dict[str, Any]:
    """Return a build's manifest, empty where there is none yet.

    Raises:
        WorkspaceError: If it holds files that edgecnn made, or is about another float model, other
            images, labels or another resize rule.
    """
    manifest = workspace.manifest()
    if not manifest["stages"]:
        return manifest
    remedy = "name another folder: --out FOLDER"
    own = [stage for stage in _OWN_STAGES if stage in manifest["stages"]]
    if own or STAGE not in manifest["stages"]:
        raise WorkspaceError(
            f"{workspace.folder} holds what edgecnn made itself, and a build is of one maker",
            observed=f"a build with the stages {some_of(manifest['stages'])}",
            expected="a new folder, or a build that edgecnn adopt made",
            remedy=remedy,
        )
    known = str(manifest.get("source", {}).get("sha256"))
    if known != adoption.source["sha256"]:
        raise WorkspaceError(
            f"the files in {workspace.folder} are compared with another float model",
            observed=f"sha256 {adoption.source['sha256']}",
            expected=f"sha256 {known}",
            remedy=remedy,
        )
    data = manifest["recipe"]["data"]
    rule = {key: data.get(key) for key in ("fit", "crop_fraction", "resample")}
    wanted = {key: value for key, value in adoption.recipe.to_dict()["data"].items() if key in rule}
    splits = json.loads(workspace.path(Workspace.SPLITS).read_text(encoding="utf-8"))
    found = adoption.dataset.digest()
    if splits.get("sha256") != found or rule != wanted:
        raise WorkspaceError(
            f"the files in {workspace.folder} are judged on other images, or in other classes",
            observed=f"images with sha256 {found[:12]}, resized by {_texts(wanted)}",
            expected=f"sha256 {str(splits.get('sha256'))[:12]}, resized by {_texts(rule)}",
            remedy=f"give the images, labels and resize rule of that build, or {remedy}",
        )
    return manifest


def _texts(rule: Mapping[str, Any]) -> str:
    return " ".join(map(str, rule.values()))


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a manifest's row that ``VariantRow`` has fields for."""
    return {key: row[key] for key in VariantRow.__dataclass_fields__ if key in row}


def _path(row: VariantRow, workspace: Workspace, staged: Staging) -> Path:
    new = staged.path(str(row.file))
    return new if new.is_file() else workspace.path(str(row.file))


def _variant_of(
    file: ForeignFile, rows: Mapping[str, VariantRow], workspace: Workspace, staged: Staging
) -> str:
    """Return the variant that a file becomes: one that no other file of the build has.

    The same model again keeps its variant, so that a contract can be mended.
    """
    form, _, precision = file.contract.variant.partition("-")
    precision = precision.partition(" ")[0]
    count = 1
    while True:
        number = "" if count == 1 else f"{count}-"
        variant = f"{form}-foreign-{number}{precision}"
        if variant not in rows:
            return variant
        there = read_container(_path(rows[variant], workspace, staged))
        if there.payload == file.container.data:
            return variant
        count += 1


def _written(
    file: ForeignFile, variant: str, model: str, adoption: Adoption, staged: Staging
) -> VariantRow:
    name = artifact_name(model, variant)
    # Without a contract, all of the file is the model, also what others have put behind it.
    payload = file.container.data
    adopted = {
        "file": file.path.name, "made_by": file.made_by, "calibration": "not known"
    }  # fmt: skip
    contract = replace(
        file.contract,
        model=model,
        variant=variant,
        payload_sha256=hashlib.sha256(payload).hexdigest(),
        source_sha256=str(adoption.source["sha256"]),
        min_runtime=dict(file.graph.min_runtime),
        created_by=tool_versions(),
        adopted=adopted,
    )
    path = staged.path(name)
    write_artifact(path, payload, contract)
    written = read_container(path)
    if written.payload != payload or written.contract != contract:
        raise UsageError(
            f"no contract can be put behind the model in {file.path}",
            observed="bytes behind the model that hide it",
            expected="a model file as its converter wrote it",
            remedy="take the file as its converter wrote it, without what was added later",
        )
    return VariantRow(
        variant=variant,
        status="made",
        file=name,
        bytes=path.stat().st_size,
        sha256=file_digest(path),
        min_runtime=dict(file.graph.min_runtime),
        adopted=adopted,
    )


def _write_golden(adoption: Adoption, paths: Mapping[str, Path], staged: Staging) -> int:
    """Choose golden vectors that all files of the build agree on; return how many there are."""
    stand_in = None
    ask = adoption.ask
    if ask is None:
        # Where nobody can ask a float model, a file's own answers are what a device has to repeat.
        floats = [name for name in paths if name.endswith(("-fp32", "-fp16"))]
        stand_in = Session.open(paths[next(iter(floats or paths))])
        ask = stand_in.predict
    try:
        golden, failures = choose_golden(
            ask, paths, shape=adoption.dataset.shape, resize=adoption.recipe.data.resize
        )
    finally:
        if stand_in is not None:
            stand_in.close()
    for error in failures.values():
        raise error
    try:
        write_golden(staged.path(Workspace.GOLDEN), golden)
    except OutputError as error:  # the runner's own; in a build it is as any other file
        raise WorkspaceError(
            error.problem, observed=error.observed, expected=error.expected, remedy=error.remedy
        ) from error
    return len(golden.images)


def _notes(golden: int, adoption: Adoption) -> tuple[str, ...]:
    files = some_of(file.path.name for file in adoption.files)
    found = [
        f"it is not known which images {files} learnt from or was calibrated on: give images that "
        "it has not seen"
    ]
    if adoption.ask is None:
        found.append(
            "there is no float model: the scores given stand in for it, and golden vectors are "
            "of the files' own answers"
        )
    if golden < GOLDEN_COUNT:
        found.append(
            f"{'no' if golden == 0 else f'only {golden}'} golden vectors of {GOLDEN_COUNT}: the "
            f"model is not sure of more generated pictures (margin {MIN_MARGIN}), or its files "
            "disagree on them"
        )
    return tuple(found)


def read_foreign(path: Path, contract: Contract) -> ForeignFile:
    """Return a file to take in, with what is inside.

    Args:
        path: A ``.tflite`` or ``.onnx`` file without a contract.
        contract: How it is fed and read.

    Raises:
        ArtifactError: If its graph cannot be read.
    """
    container = read_container(path)
    return ForeignFile(
        path=path, container=container, graph=read_graph(container, name=str(path)),
        contract=contract,
    )  # fmt: skip
