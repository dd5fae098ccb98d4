"""Guards what an earlier run left in a build against a conversion that would spoil it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from edgecnn.build.artifact import asked_for
from edgecnn.build.workspace import Workspace
from edgecnn.convert.result import VariantRow
from edgecnn.convert.source.paths import Source
from edgecnn.data import Dataset
from edgecnn.errors import ConversionError, DataError, LabelsError, WorkspaceError, some_of
from edgecnn.files import file_digest
from edgecnn_runner.labels import read_labels


def check_same_model(source: Source, workspace: Workspace) -> None:
    """Refuse to put one model's artifacts beside another model's training.

    Raises:
        WorkspaceError: If the build holds another trained model, or files made elsewhere.
    """
    manifest = workspace.manifest()
    if "adopt" in manifest["stages"]:
        raise WorkspaceError(
            f"{workspace.folder} holds files that another program made, which this would replace",
            observed="a build that edgecnn adopt made",
            expected="another folder for what edgecnn converts",
            remedy=f"name another --out, and the float model itself: edgecnn convert "
            f"{shlex.quote(str(source.path))} --out FOLDER",
        )
    trained = manifest["files"].get(Workspace.MODEL, {}).get("sha256")
    if "train" in manifest["stages"] and trained != source.sha256:
        raise WorkspaceError(
            f"{workspace.folder}: this build holds another trained model",
            observed=f"{Workspace.MODEL} with SHA-256 {str(trained)[:12]}, "
            f"{source.path} with {source.sha256[:12]}",
            expected="a build of this model, or an empty folder",
            remedy="name another --out",
        )


def check_same_data(source: Source, dataset: Dataset) -> None:
    """Refuse other images, or other labels, than those a model was trained on here.

    With other images, some that it was trained on could be among those it is evaluated on. A
    model that was made elsewhere has no record of its images, and its labels are the user's word.

    Args:
        source: What is to be converted.
        dataset: The images and their splits.

    Raises:
        DataError: If the build was trained on other images, or other splits of them.
        LabelsError: If the labels given are not those it was trained with.
        WorkspaceError: If the record of its images is damaged.
    """
    build = _trained_build(source)
    names = dataset.class_names
    if build is not None:
        _check_splits(build, dataset)
        if build.path(Workspace.LABELS).is_file():
            names = read_labels(build.path(Workspace.LABELS))
    of_ours = build is not None or source.origin == "recipe"
    if of_ours and source.labels not in (None, names):
        raise LabelsError(
            "these are not the labels the model was trained with",
            observed=some_of(source.labels or ()),
            expected=some_of(names),
            remedy="leave --labels out: edgecnn knows the classes of a model it trained",
        )


def _trained_build(source: Source) -> Workspace | None:
    """Return the build that a source was trained in; None if it was made elsewhere."""
    build = Workspace(source.path.parent)
    if source.origin == "foreign" or source.path.name != Workspace.MODEL:
        return None
    try:
        stages = build.manifest()["stages"]
    except WorkspaceError:
        return None  # beside a model made elsewhere, somebody else's file of that name
    return build if "train" in stages else None


def _check_splits(build: Workspace, dataset: Dataset) -> None:
    record = build.path(Workspace.SPLITS)
    if not record.is_file():
        return
    try:
        known = str(json.loads(record.read_text(encoding="utf-8"))["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(
            f"{record}, which says what the model was trained on, is damaged",
            observed=f"{type(error).__name__} while reading it",
            expected="the record that edgecnn train wrote",
            remedy="train again: edgecnn train RECIPE",
        ) from error
    if known != dataset.digest():
        raise DataError(
            f"{build.folder} was trained on other images, or on other splits of them",
            observed=f"{len(dataset.train):,} images for training, {len(dataset.test):,} "
            f"for the test, SHA-256 {dataset.digest()[:12]}",
            expected=f"those of {record}, SHA-256 {known[:12]}",
            remedy="name the images it was trained on with --data, or train it again on these",
        )


def refuse_losses(workspace: Workspace, source: Source, rows: Sequence[VariantRow]) -> None:
    """Refuse a conversion that would take away a sound artifact without being asked to.

    A variant that is no longer asked for is removed, since leaving it out is a decision. One that
    was asked for and that a new tool, or ``--runtime``, turns down is another matter: its earlier
    file may be proven and in use. It cannot stay beside the new ones either, since a build is
    the work of one run: its golden vectors are agreed on by all of its artifacts, its manifest
    names one set of tools and one runtime, and a file that no manifest names is shipped by
    nobody. So the build stays what it was, as a whole. After another training the earlier files
    are of another model, and nothing keeps them.

    Args:
        workspace: The build, as the earlier run left it.
        source: What was converted.
        rows: What became of the variants.

    Raises:
        ConversionError: If the build has a file of this model for a variant that was not made.
    """
    manifest = workspace.manifest()
    if manifest.get("source", {}).get("sha256") != source.sha256:
        return
    # What a repair made is the file of the variant that was asked for, then as now.
    earlier = {
        asked_for(row["variant"]): row for row in manifest["variants"] if row["status"] == "made"
    }
    made = {asked_for(row.variant) for row in rows if row.status == "made"}
    lost = {
        asked_for(row.variant): row
        for row in rows
        if row.status not in ("made", "replaced")
        and asked_for(row.variant) in earlier.keys() - made
        and _is_sound(workspace, earlier[asked_for(row.variant)]["file"], manifest["files"])
    }
    if lost:
        files = some_of(str(earlier[name]["file"]) for name in lost)
        raise ConversionError(
            f"{workspace.folder} has {files}, which cannot be made again: nothing was changed",
            observed=some_of(
                (f"{row.variant} {row.status}: {row.reason}" for row in lost.values()), joint="; "
            ),
            expected="every variant that the build has, or a decision to do without",
            remedy="convert into another folder, with --out, or leave these variants out of the "
            "recipe",
        )


def _is_sound(workspace: Workspace, name: str, recorded: dict[str, dict[str, object]]) -> bool:
    path = workspace.path(name)
    return path.is_file() and file_digest(path) == recorded.get(name, {}).get("sha256")


def stale_files(workspace: Workspace, files: Sequence[str]) -> set[str]:
    """Return the names of what an earlier conversion made and this one, of ``files``, did not."""
    stages = workspace.manifest()["stages"]
    before = set(stages.get("convert", {}).get("files", []))
    others = {
        name for stage, entry in stages.items() if stage != "convert" for name in entry["files"]
    }
    return before - set(files) - others
