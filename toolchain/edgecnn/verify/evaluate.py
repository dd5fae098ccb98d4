"""Counts how often one model file is right on labelled photos: accuracy, recall, mistakes.

No float model is needed, and nothing is compared with one: that is parity, which ``verify`` proves.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.answers import (
    ClassAnswers,
    Confusion,
    Mistake,
    class_answers,
    in_top,
    measure_alone,
    mistakes_of,
)
from edgecnn.build.reference import images_digest
from edgecnn.build.shares import ShareOf
from edgecnn.build.usefulness import AgainstGuessing, against_guessing
from edgecnn.data import JudgedImages
from edgecnn.devices import DeviceOptions
from edgecnn.errors import EdgeError, ParityFailError, ParityInconclusiveError
from edgecnn.files import file_digest
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.report.provenance import created, versions
from edgecnn.report.text import count_text, percent_text, points_text
from edgecnn.verify.gate.criteria import judge_accuracy
from edgecnn.verify.gate.judgement import Criterion
from edgecnn.verify.scoring import Ran, scorer_on
from edgecnn.verify.seen_images import SeenImages
from edgecnn.verify.statistics.needed import cannot_be_said, numbers_of_share
from edgecnn_runner.contract import Contract
from edgecnn_runner.input_options import NOTHING_SAID, Preprocessing
from edgecnn_runner.postprocess import MANY_CLASSES

EVALUATE_SCHEMA: Final = 1
"""Version of a result's layout in JSON."""


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest:
    """What ``edgecnn evaluate`` was asked for.

    Attributes:
        model: A ``.tflite`` or ``.onnx`` file; or a build, a recipe that was built or a released
            model, of which the file to ship is taken (int8 with a PASS first).
        data: A folder of class folders, named as the labels are; or ``cifar10`` or ``digits``.
        min_accuracy: Right answers that the file has to reach, a number or a text such as ``80%``;
            None or 0 for no gate.
        labels: File with class names in output order, for a model that carries none.
        preprocessing: How a model made elsewhere is fed.
        output_kind: ``probabilities`` or ``logits``, where a model made elsewhere does not tell.
        layout: ``NHWC`` or ``NCHW``, likewise.
        threads: Of the runtime, 1..64.
        device: Where to run the file; None for here.
        out: The page to write, HTML; None for none.
        csv: A CSV file for the answer to each photo; None for none.
    """

    model: Path
    data: str
    min_accuracy: float | str | None = None
    labels: Path | None = None
    preprocessing: Preprocessing = NOTHING_SAID
    output_kind: str | None = None
    layout: str | None = None
    threads: int = 1
    device: DeviceOptions | None = None
    out: Path | None = None
    csv: Path | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluateReport:
    """How often a model file is right on labelled photos.

    Attributes:
        model: The file, as it is called.
        variant: Format and precision.
        bytes: Size of the file.
        sha256: Digest of the file.
        runtime: What ran it, with version.
        kernels: Whose kernels computed the scores; None where that is not known.
        device: Where it ran: its address; ``local`` for this machine.
        machine: What ran it: its model, processor, cores, system and Python.
        data: The photos, as they were named.
        rule: Which of them were used, in words.
        images_sha256: Digest of the photos as the model got them, in order.
        class_names: In score order.
        accuracy: Share of right answers.
        calibration_error: Expected calibration error over 15 bins of equal width, 0..1.
        ties: Photos on which several classes share the highest score.
        classes: One entry per class, in score order; also those without photos.
        confusion: Non-zero cells: true class, answer, photos; sorted.
        mistakes: All of them, the most confident first.
        guessing: The right answers beside those that guessing would have.
        seen: How many of the photos the model knows from its training, as far as that is known.
        gate: The least accuracy that was asked for, judged; None where none was.
        versions: Tool name to version.
        created: When, UTC, ISO 8601; from SOURCE_DATE_EPOCH where that is set.
        top5: Share of photos whose class is among the five best scores; None with few classes.
    """

    model: str
    variant: str
    bytes: int
    sha256: str
    runtime: str
    kernels: str | None
    device: str
    machine: Mapping[str, Any]
    data: str
    rule: str
    images_sha256: str
    class_names: tuple[str, ...]
    accuracy: ShareOf
    calibration_error: float
    ties: int
    classes: tuple[ClassAnswers, ...]
    confusion: Confusion
    mistakes: tuple[Mistake, ...]
    guessing: AgainstGuessing
    seen: SeenImages
    gate: Criterion | None
    versions: Mapping[str, str]
    created: str
    top5: ShareOf | None = None

    @property
    def absent(self) -> tuple[str, ...]:
        """The classes that the file knows and there are no photos of."""
        return tuple(one.name for one in self.classes if one.recall is None)

    @property
    def weakest(self) -> ClassAnswers:
        """The class with the lowest recall, of those with photos; the first of several."""
        present = [(one.recall.share, one.index) for one in self.classes if one.recall is not None]
        return self.classes[min(present)[1]]

    @property
    def headline(self) -> str:
        """The accuracy in one sentence."""
        accuracy = self.accuracy
        return (
            f"right on {count_text(accuracy.count)} of {count_text(accuracy.images)} photos: "
            f"{accuracy.text}"
        )

    def notes(self) -> list[str]:
        """Return what has to be known before the accuracy is believed, a sentence each."""
        found = [*self.seen.warnings(self.accuracy.images)]
        if self.guessing.outcome != "better" and len(self.class_names) > 1:
            always = ShareOf.of(self.guessing.largest_images, self.guessing.images)
            share = "" if always is None else f", {percent_text(always.share, 1)}"
            found.append(
                f"not shown to be better than always to answer {self.guessing.largest_class}{share}"
            )
        if self.absent:
            names = ", ".join(self.absent[:3])
            more = f" and {len(self.absent) - 3} more" if len(self.absent) > 3 else ""
            found.append(f"no photos of {names}{more}: nothing is known of how well it knows them")
        return found

    def error(self) -> EdgeError | None:
        """Return what the gate ends the command with; None where it is met, or there is none."""
        gate = self.gate
        if gate is None or gate.outcome == "met":
            return None
        observed = f"{self.model} is {self.headline}"
        expected = f"at least {points_text(gate.limit)} % (--min-accuracy)"
        if gate.outcome == "missed":
            return ParityFailError(
                f"{self.model} is right too seldom",
                observed=observed,
                expected=expected,
                remedy="look at its mistakes (--out PAGE), and train it on photos like these; or "
                "ask for less (--min-accuracy)",
            )
        return ParityInconclusiveError(
            f"{count_text(self.accuracy.images)} photos are too few to tell whether {self.model} "
            "is right often enough",
            observed=observed,
            expected=f"an interval on one side of the limit: {expected}",
            remedy=_more_photos(self.accuracy, gate.limit),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, derived ones included."""
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in _NESTED
        }
        return {
            "schema": EVALUATE_SCHEMA,
            **values,
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "class_names": list(self.class_names),
            "accuracy": dataclasses.asdict(self.accuracy),
            "top5": None if self.top5 is None else dataclasses.asdict(self.top5),
            "classes": [dataclasses.asdict(one) for one in self.classes],
            "confusion": [list(cell) for cell in self.confusion],
            "mistakes": [dataclasses.asdict(one) for one in self.mistakes],
            "guessing": self.guessing.to_dict(),
            "seen": dataclasses.asdict(self.seen),
            "gate": None if self.gate is None else dataclasses.asdict(self.gate),
            "notes": self.notes(),
        }


_NESTED: Final = (
    "machine", "versions", "class_names", "accuracy", "classes", "confusion", "mistakes",
    "guessing", "seen", "gate", "top5",
)  # fmt: skip


def run(
    request: EvaluateRequest,
    model: Path,
    contract: Contract,
    data: JudgedImages,
    seen: SeenImages,
    *,
    least: float | None,
    progress: Progress = NO_PROGRESS,
) -> tuple[EvaluateReport, npt.NDArray[np.float32]]:
    """Run a model file on photos and count its answers.

    Args:
        request: Says where, with how many threads, and what the photos are called.
        model: The file.
        contract: Its own, or one made for it.
        data: The photos, of its size, labels in the order of its outputs; at least one.
        seen: How many of them the model knows from its training.
        least: The least accuracy asked for, percent; None for none.
        progress: Shown a step per photo.

    Returns:
        The report; and the probabilities, shape (n, classes), float32.

    Raises:
        EdgeError: If the file cannot be loaded or run, or the device is lost.
    """
    ran = Ran()
    images = data.images
    with scorer_on(request.device) as scorer:
        with progress.task("evaluate", len(images)) as task:
            scores = scorer.score(
                model,
                contract,
                images.pixels,
                threads=request.threads,
                ran=ran,
                advance=task.advance,
            )
        device, machine = scorer.device, scorer.machine()
    names, labels = contract.labels, images.labels
    alone = measure_alone(scores, labels)
    right = int(np.count_nonzero(scores.argmax(axis=1) == labels))
    accuracy = ShareOf.of(right, len(images))
    assert accuracy is not None  # noqa: S101 - no folder without images is loaded
    report = EvaluateReport(
        model=model.name,
        variant=contract.variant,
        bytes=model.stat().st_size,
        sha256=file_digest(model),
        runtime=ran.runtime or "unknown",
        kernels=ran.kernels,
        device=device,
        machine=machine,
        data=request.data,
        rule=data.rule,
        images_sha256=images_digest(images.pixels),
        class_names=tuple(names),
        accuracy=accuracy,
        calibration_error=alone.calibration_error,
        ties=alone.ties,
        classes=class_answers(alone.confusion, names),
        confusion=alone.confusion,
        mistakes=mistakes_of(scores, labels, images.ids, names),
        guessing=against_guessing(scores.argmax(axis=1), labels, names),
        seen=seen,
        gate=judge_accuracy(right, len(images), least / 100) if least else None,
        versions=versions(),
        created=created(),
        top5=ShareOf.of(int(np.count_nonzero(in_top(scores, labels))), len(images))
        if len(names) > MANY_CLASSES
        else None,
    )
    return report, scores


def _more_photos(accuracy: ShareOf, limit: float) -> str:
    """Say how many photos would decide, where that can be said."""
    numbers = numbers_of_share(accuracy.count, accuracy.images, limit)
    add = "add photos to the folder"
    if not math.isfinite(numbers.best):
        return f"{add}, or ask for another accuracy: what was observed is at the limit"
    low, high = numbers.within(accuracy.images + 1, math.ceil(numbers.best))
    unsaid = cannot_be_said(low, high, "photos")
    if unsaid is not None:
        return f"{add}, or ask for another accuracy (--min-accuracy): {unsaid}"
    return (
        f"about {count_text(math.ceil(numbers.best))} photos would decide if it stays right as "
        f"often; {add}, or ask for another accuracy (--min-accuracy)"
    )
