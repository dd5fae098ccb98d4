"""Opens what the command line names for files that edgecnn did not make: files and float model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.build.class_names import read_class_names
from edgecnn.build.workspace import Workspace
from edgecnn.errors import LabelsError, SourceModelError, UsageError, WorkspaceError
from edgecnn.files import file_digest
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe.load import Recipe
from edgecnn.verify.request import ForeignFiles
from edgecnn_runner.input_options import Preprocessing
from edgecnn_runner.labels import read_labels

if TYPE_CHECKING:
    from edgecnn.verify import ForeignReference
    from edgecnn.verify.foreign.files import Told


def told_of(files: ForeignFiles, labels: tuple[str, ...]) -> Told:
    """Return what was said of foreign files by flags."""
    from edgecnn.verify.foreign.files import Told

    return Told(
        labels=labels,
        input_range=files.input_range,
        output_kind=files.output_kind,
        layout=files.layout,
        resize=files.preprocessing.resize,
    )


def reference_of(
    files: ForeignFiles,
    labels: tuple[str, ...],
    size: tuple[int, int, int],
    *,
    threads: int = 1,
    progress: Progress = NO_PROGRESS,
) -> ForeignReference:
    """Open the float model that was named for foreign files.

    Args:
        files: What was named.
        labels: Class names in the files' output order.
        size: Height, width and channels of their images.
        threads: Threads of the runtime, where it is a ``.tflite`` or ``.onnx`` file.
        progress: Told that a model is loaded.

    Raises:
        EdgeError: If it cannot be loaded, or does not fit the files; ``UsageError`` if none was
            named.
    """
    from edgecnn.verify import ForeignReference
    from edgecnn.verify.foreign.files import ReferenceFile, Told, is_model_file, reference_contract

    path = files.reference
    if path is None:
        raise UsageError(
            "no float model is named that the files are compared with",
            observed="no --reference",
            expected="the float model that the files were made from",
            remedy="name it: --reference MODEL",
        )
    own = files.reference_labels
    if isinstance(own, Path):
        own = read_class_names(own, known=labels)
    if is_model_file(path):
        told = Told(
            labels=own or labels,
            input_range=files.reference_range or files.input_range,
            output_kind=files.output_kind,
            layout=files.layout,
            resize=files.preprocessing.resize,
        )
        contract = reference_contract(path, told, range_given=files.reference_range is not None)
        spec = contract.input
        _check_size(path, (spec.height, spec.width, spec.channels), size)
        return ForeignReference(
            model=ReferenceFile(path, contract, threads=threads),
            name=str(path),
            title=path.name,
            sha256=file_digest(path),
            labels=contract.labels,
            range_given=files.reference_range is not None,
        )
    from edgecnn import convert

    source = convert.find_source(path, labels=own, input_range=files.reference_range)
    progress.message(f"verify: loading {source.path}")
    try:
        model = convert.ReferenceModel(source, otherwise=files.input_range)
    except UsageError as error:
        raise _of_reference(path, error) from error
    _check_size(path, model.size, size)
    names = source.labels or labels
    if len(names) != model.classes:
        raise LabelsError(
            f"{path} does not have one output per label",
            observed=f"{model.classes} outputs, {len(names)} labels",
            expected="as many labels as outputs, in output order",
            remedy="give the labels that the model was trained with: --labels FILE, or "
            "--reference-labels FILE for the reference",
        )
    return ForeignReference(
        model=model,
        name=str(path),
        title=re.sub(r"/+$", "", str(path.name)) or str(path),
        sha256=source.sha256,
        labels=names,
        range_given=source.input_range is not None,
    )


def is_adopted(workspace: Workspace) -> bool:
    """Tell whether a build holds files that another program made."""
    return "adopt" in workspace.manifest()["stages"]


def recorded_reference(
    workspace: Workspace,
    recipe: Recipe,
    size: tuple[int, int, int],
    *,
    progress: Progress = NO_PROGRESS,
) -> ForeignReference:
    """Open the float model that the files of an adopted build are compared with.

    Args:
        workspace: A build that ``adopt`` made; its manifest says where the model is and how it is
            fed and read.
        recipe: The build's.
        size: Height, width and channels of its images.
        progress: Told that a model is loaded.

    Raises:
        SourceModelError: If the build was made with scores alone, or the model is gone.
        WorkspaceError: If the model there is another one by now.
        EdgeError: As ``reference_of``.
    """
    source = workspace.manifest()["source"]
    folder = workspace.folder
    if source.get("kind") == "scores":
        raise SourceModelError(
            f"the build {folder} was made without a float model",
            observed="files that were adopted with scores alone",
            expected="a float model that can be asked",
            remedy="adopt the files into another build with the float model: edgecnn adopt FILE "
            "--reference MODEL",
        )
    path = Path(source["path"])
    if not path.exists():
        raise SourceModelError(
            f"the float model of {folder} is gone",
            observed=f"nothing at {path}",
            expected="the model that its files were compared with",
            remedy="put it back, or adopt the files into another build: edgecnn adopt FILE "
            "--reference MODEL",
        )
    labels = read_labels(workspace.path(Workspace.LABELS))
    asked = ForeignFiles(
        artifacts=(),
        reference=path,
        labels=workspace.path(Workspace.LABELS),
        preprocessing=Preprocessing(input_range=source["files_range"], resize=recipe.data.resize),
        output_kind=source.get("files_output"),
        layout=source.get("files_layout"),
        reference_range=source.get("said_range"),
        reference_labels=tuple(source["labels"]),
    )
    model = reference_of(asked, labels, size, progress=progress)
    if model.sha256 != source["sha256"]:
        raise WorkspaceError(
            f"{path} is not the float model that the files of {folder} were compared with",
            observed=f"sha256 {model.sha256}",
            expected=f"sha256 {source['sha256']}",
            remedy="put that model back, or adopt the files into another build: edgecnn adopt FILE "
            "--reference MODEL",
        )
    return model


def _of_reference(path: Path, error: UsageError) -> UsageError:
    """Return an error about a source's range as one about the reference's."""

    def renamed(text: object) -> str:
        return str(text).replace("--input-range", "--reference-range")

    return UsageError(
        f"the reference {path}: {renamed(error.problem)}",
        observed=renamed(error.observed),
        expected=renamed(error.expected),
        remedy=renamed(error.remedy),
    )


def _check_size(
    path: Path, found: tuple[int | None, int | None, int], size: tuple[int, int, int]
) -> None:
    if any(side not in (None, wanted) for side, wanted in zip(found, size, strict=True)):
        raise SourceModelError(
            f"the reference {path} takes images of another size than the artifact",
            observed=f"height, width, channels {found}",
            expected=f"{size}",
            remedy="name the float model that the artifact was made from: --reference FILE",
        )
