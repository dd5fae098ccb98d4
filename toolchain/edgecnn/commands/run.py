"""``edgecnn run`` as a function: images classified on this machine with the runner that ships."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgecnn.commands.paths import best_file
from edgecnn.errors import EdgeError, ImageError, UsageError
from edgecnn.files import file_digest, write_whole
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn_runner.input_options import NOTHING_SAID, Preprocessing

if TYPE_CHECKING:
    from edgecnn_runner.classifier import Classifier, Result

RUN_SCHEMA: Final = 1
_FORMS: Final = (".csv", ".jsonl")


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What ``edgecnn run`` was asked for.

    Attributes:
        model: A ``.tflite`` or ``.onnx`` file; or a build, a recipe that was built or a released
            model, of which the file to ship is run (int8 with a PASS first).
        images: Image files, and folders, of which all image files are taken, also those in
            folders below, by name; hidden ones are left out.
        top: Classes to rank for each image; None for 3, or of more than 20 classes 5.
        reject_below: The label is ``unknown`` where the best probability is below this, 0..1.
        labels: File with class names in output order, for a model that carries none.
        preprocessing: How a model made elsewhere is fed.
        output_kind: ``probabilities`` or ``logits``, where a model made elsewhere does not tell.
        layout: ``NHWC`` or ``NCHW``, likewise.
        threads: Of the runtime, 1..64.
        runtime: ``litert``, ``tflite-runtime`` or ``onnxruntime``; None for the best installed.
        out: A ``.csv`` or ``.jsonl`` file for the answers; None for none.
    """

    model: Path
    images: tuple[Path, ...]
    top: int | None = None
    reject_below: float = 0.0
    labels: Path | None = None
    preprocessing: Preprocessing = NOTHING_SAID
    output_kind: str | None = None
    layout: str | None = None
    threads: int = 1
    runtime: str | None = None
    out: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ImageAnswer:
    """What came of one image.

    Attributes:
        image: The file.
        result: Its ranked classes; None where the image could not be read.
        error: Why not; None where it could.
    """

    image: Path
    result: Result | None = None
    error: ImageError | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        found = self.result or self.error
        assert found is not None  # noqa: S101 - one of the two
        return {"image": str(self.image), **found.to_dict()}


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What came of all images.

    Attributes:
        model: The file that was run.
        sha256: Its digest.
        runtime: Name and version of what ran it.
        answers: One for each image, in the order given; those of a folder by name.
    """

    model: Path
    sha256: str
    runtime: str
    answers: tuple[ImageAnswer, ...]

    @property
    def error(self) -> EdgeError | None:
        """The last image's error; None where all could be read."""
        errors = [answer.error for answer in self.answers if answer.error is not None]
        return errors[-1] if errors else None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "schema": RUN_SCHEMA,
            "model": str(self.model),
            "sha256": self.sha256,
            "runtime": self.runtime,
            "images": [answer.to_dict() for answer in self.answers],
        }


@dataclass(frozen=True, kw_only=True)
class Running:
    """A model that was opened, and the images that it is to classify.

    Attributes:
        request: What was asked for.
        model: The file that is run.
        classifier: It, loaded.
        images: The files.
    """

    request: RunRequest
    model: Path
    classifier: Classifier
    images: tuple[Path, ...]

    def answers(self) -> Iterator[ImageAnswer]:
        """Classify one image after another. One that cannot be read is no end of it.

        Raises:
            ScoreError: If the model's scores are not numbers.
        """
        from edgecnn_runner.postprocess import shown_classes  # not above: the help needs no numpy

        top = self.request.top or shown_classes(len(self.classifier.contract.labels))
        for image in self.images:
            try:
                if os.path.isdir(image):  # noqa: PTH112 - a name may be too long
                    raise _no_images_in(image)
                yield ImageAnswer(
                    image=image,
                    result=self.classifier.classify(
                        image, top=top, reject_below=self.request.reject_below
                    ),
                )
            except ImageError as error:
                yield ImageAnswer(image=image, error=error)

    def finish(self, answers: tuple[ImageAnswer, ...]) -> RunResult:
        """Write what was asked for, and return the whole.

        Raises:
            WorkspaceError: If the file of answers cannot be written.
        """
        if self.request.out is not None:
            write_whole(self.request.out, _table(self.request, answers), option="--out")
        return RunResult(
            model=self.model,
            sha256=file_digest(self.model),
            runtime=self.classifier.session.runtime,
            answers=answers,
        )


def run(request: RunRequest, *, progress: Progress = NO_PROGRESS) -> RunResult:
    """Classify images with the runner that a device gets.

    Args:
        request: Which images, by what.
        progress: Shows images.

    Raises:
        EdgeError: As ``open_run``, and where scores are not numbers or ``out`` cannot be written.
    """
    running = open_run(request, progress=progress)
    answers = []
    with progress.task("images", len(running.images)) as task:
        for answer in running.answers():
            answers.append(answer)
            task.advance()
    return running.finish(tuple(answers))


def open_run(request: RunRequest, *, progress: Progress = NO_PROGRESS) -> Running:
    """Find and load what a request names; what is cheap to refuse is refused first.

    Raises:
        UsageError: If ``out`` is no CSV or JSON lines file.
        ArtifactError: If the model file is missing, damaged or no image classifier.
        ContractError: If it was made elsewhere and more has to be said of it.
        LabelsError: If the labels are not as many as its outputs.
        WorkspaceError: If a build is named that has no verified file.
    """
    from edgecnn.build.class_names import read_class_names
    from edgecnn_runner.classifier import Classifier
    from edgecnn_runner.runtimes.quiet import without_native_chatter

    if request.out is not None and request.out.suffix.lower() not in _FORMS:
        raise UsageError(
            f"the form of {request.out} is not known",
            observed=f"a name that ends in {request.out.suffix!r}",
            expected=" or ".join(_FORMS),
            remedy="name a file such as answers.csv, or answers.jsonl for JSON lines",
        )
    model = best_file(request.model)
    if model != request.model:
        progress.message(f"note: {model} is run, of the files that passed verification")
    labels = None if request.labels is None else read_class_names(request.labels)
    images = tuple(path for given in request.images for path in _images_of(given))
    with without_native_chatter():
        classifier = Classifier(
            model,
            labels=labels,
            input_range=request.preprocessing.input_range,
            output_kind=request.output_kind,
            layout=request.layout,
            resize=request.preprocessing.resize,
            threads=request.threads,
            runtime=request.runtime,
        )
    return Running(request=request, model=model, classifier=classifier, images=images)


def _images_of(path: Path) -> list[Path]:
    """Return a file itself; of a folder, the image files in it and below."""
    if not os.path.isdir(path):  # noqa: PTH112 - a name may be too long
        return [path]
    from edgecnn.data import images_below

    # An empty folder has an answer of its own, and keeps no other image from its.
    return images_below(path) or [path]


def _no_images_in(folder: Path) -> ImageError:
    return ImageError(
        f"there are no images in {folder}",
        observed="no image file in it, nor in a folder below",
        expected="files such as photo.jpg",
        remedy="name another folder, or the files themselves",
    )


def _table(request: RunRequest, answers: tuple[ImageAnswer, ...]) -> str:
    if str(request.out).lower().endswith(".jsonl"):
        return "".join(json.dumps(answer.to_dict(), allow_nan=False) + "\n" for answer in answers)
    from edgecnn.report.csv import table_text

    most = max((len(one.result.ranked) for one in answers if one.result), default=0)
    ranks = range(1, max(most, request.top or 0) + 1)
    ranked = [f"{column}_{rank}" for rank in ranks for column in ("class", "score")]
    return table_text(["image", "label", "score", *ranked, "error"], map(_row, answers))


def _row(answer: ImageAnswer) -> dict[str, Any]:
    """Return a line of the CSV file; what has no value is left out."""
    row: dict[str, Any] = {"image": str(answer.image)}
    if answer.error is not None:
        row["error"] = answer.error.problem
    if answer.result is not None:
        row |= {"label": answer.result.label, "score": answer.result.score}
        for rank, found in enumerate(answer.result.ranked, 1):
            row |= {f"class_{rank}": found.label, f"score_{rank}": found.score}
    return row
