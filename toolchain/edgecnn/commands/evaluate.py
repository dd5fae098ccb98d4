"""``edgecnn evaluate`` as a function: one model file on labelled photos, here or on a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgecnn.build.class_names import read_class_names
from edgecnn.build.workspace import Workspace
from edgecnn.commands.paths import best_file, data_section, known_classes
from edgecnn.commands.verify import check_folder_of, with_limits
from edgecnn.errors import EdgeError
from edgecnn.files import write_whole
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.verify.evaluate import EvaluateReport, EvaluateRequest
from edgecnn_runner.contract import Contract
from edgecnn_runner.formats.container import read_container

if TYPE_CHECKING:
    from edgecnn.data import JudgedImages

__all__ = ["EvaluateRequest", "EvaluateResult", "evaluate"]


@dataclass(frozen=True, kw_only=True)
class EvaluateResult:
    """What an evaluation came to.

    Attributes:
        report: The counts.
        page: The page that was written; None where none was asked for.
        csv: The file of answers that was written; None likewise.
    """

    report: EvaluateReport
    page: Path | None = None
    csv: Path | None = None

    @property
    def error(self) -> EdgeError | None:
        """What the exit code is about: a least accuracy that is missed or undecided; else None."""
        return self.report.error()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return self.report.to_dict()


def evaluate(request: EvaluateRequest, *, progress: Progress = NO_PROGRESS) -> EvaluateResult:
    """Run a model file on labelled photos, and count what it gets right.

    What is cheap to refuse is refused before photos are read.

    Args:
        request: Which file, which photos, and where.
        progress: Shows photos.

    Returns:
        The counts. An accuracy that is too low is part of it, not an exception.

    Raises:
        UsageError: If an option cannot be.
        WorkspaceError: If a build has no verified file, or a result cannot be written.
        ArtifactError: If the model file is missing, damaged or no image classifier.
        ContractError: If it was made elsewhere and more has to be said of it.
        LabelsError: If there are photos of a class that it does not know.
        DataError: If there are no photos, or they cannot be read.
        DeviceConnectionError: If the device cannot be reached, or is lost.
    """
    from edgecnn.data import load_judged_images
    from edgecnn.recipe.load import Data
    from edgecnn.recipe.sections import Limits
    from edgecnn.verify import evaluate as stage
    from edgecnn.verify.seen_images import seen_in

    check_folder_of("--out", request.out)
    check_folder_of("--csv", request.csv)
    least = with_limits(Limits(), {"min_accuracy": request.min_accuracy}).min_accuracy
    model = best_file(request.model)
    if model != request.model:
        progress.message(f"note: {model} is evaluated, of the files that passed verification")
    contract = _contract(request, model)
    spec = contract.input
    shape = (spec.height, spec.width, spec.channels)
    section = Data.model_validate(data_section(request.data, shape, contract.resize))
    data = load_judged_images(section, shape, progress=progress)
    # Where it was split, its test images alone are judged, whose names lead from the same folder.
    folder = section.path if section.name == "folder" else None
    build = Workspace(model.parent)
    seen = seen_in(build if build.is_build() else None, data.images, folder)
    data = data.in_order_of(contract.labels)
    report, scores = stage.run(request, model, contract, data, seen, least=least, progress=progress)
    if request.out is not None:
        from edgecnn.verify.report.evaluate_page import render_evaluation

        page = render_evaluation(report, data.images.pixels)
        write_whole(request.out, page, option="--out")
    if request.csv is not None:
        write_whole(request.csv, _table(report, data, scores), option="--csv")
    return EvaluateResult(report=report, page=request.out, csv=request.csv)


def _contract(request: EvaluateRequest, model: Path) -> Contract:
    """Return a file's own contract, or make one of what was said of a file made elsewhere."""
    from edgecnn_runner.foreign import contract_of_foreign

    told = request.preprocessing
    labels = (
        None
        if request.labels is None
        else read_class_names(request.labels, known=known_classes(str(request.data)))
    )
    said = (labels, told.input_range, told.resize, request.output_kind, request.layout)
    own = read_container(model).contract
    if own is not None and all(one is None for one in said):
        return own
    return contract_of_foreign(
        model,
        labels=labels,
        input_range=told.input_range,
        output_kind=request.output_kind,
        layout=request.layout,
        resize=told.resize,
    )


def _table(report: EvaluateReport, data: JudgedImages, scores: npt.NDArray[np.float32]) -> str:
    """Return the answer to each photo as CSV."""
    from edgecnn.report.csv import table_text

    names = report.class_names
    rows = (
        {
            "image": name,
            "label": names[label],
            "answer": names[int(row.argmax())],
            "score": float(row.max()),
            "label_score": float(row[label]),
            "right": "yes" if int(row.argmax()) == label else "no",
        }
        for name, label, row in zip(
            data.images.ids, data.images.labels.tolist(), scores, strict=True
        )
    )
    return table_text(["image", "label", "answer", "score", "label_score", "right"], rows)
