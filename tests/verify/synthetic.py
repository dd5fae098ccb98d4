"""Models that exist only as scores, and the reports they lead to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.build.usefulness import AgainstGuessing
from edgecnn.errors import CalibrationError, RowError
from edgecnn.recipe.sections import Limits
from edgecnn.verify.gate.criteria import judge, limits_in_force
from edgecnn.verify.gate.judgement import Counts, Paired
from edgecnn.verify.metrics import measure
from edgecnn.verify.results import ArtifactRow, Evaluated, ParityReport
from edgecnn.verify.statistics.intervals import mcnemar_p
from edgecnn.verify.statistics.needed import images_needed

NAMES = ("airplane", "<b>bird</b> & co", "cat")

GUESSES = AgainstGuessing(
    images=600, right=210, largest_class="<b>bird</b> & co", largest_images=200
)
"""A float model that is right about as often as chance would have it."""


def one_hot(decisions: list[int], classes: int = 3, top: float = 0.8) -> npt.NDArray[np.float32]:
    """Return scores, shape (n, classes), whose highest is ``top`` at each decision."""
    scores = np.full((len(decisions), classes), (1 - top) / (classes - 1), np.float32)
    scores[np.arange(len(decisions)), decisions] = top
    return scores


def counts(
    images: int,
    lost: int,
    gained: int,
    disagreements: int | None = None,
    classes: int = 1,
    *,
    right: int | None = None,
) -> Counts:
    """Return counts whose first class has all the flips; the other classes are as large.

    All that is not lost is right, unless a number is given.
    """
    each = images // classes
    sizes = [images - each * (classes - 1)] + [each] * (classes - 1)
    return Counts(
        overall=Paired(images=images, lost=lost, gained=gained),
        disagreements=lost + gained if disagreements is None else disagreements,
        right=images - lost if right is None else right,
        classes=tuple(
            Paired(images=size, lost=lost if i == 0 else 0, gained=gained if i == 0 else 0)
            for i, size in enumerate(sizes)
        ),
    )


def make_row(variant: str, wrong: int, *, images: int = 600, limits: Limits) -> ArtifactRow:
    """Return a judged row whose artifact gets ``wrong`` images wrong that the reference had."""
    labels = np.arange(images) % len(NAMES)
    decisions = labels.copy()
    decisions[:wrong] = (decisions[:wrong] + 1) % len(NAMES)
    metrics = measure(
        one_hot(labels.tolist()),
        one_hot(decisions.tolist(), top=0.7),
        labels,
        [f"test/{i}" for i in range(images)],
    )
    found = Counts.of(metrics)
    judgement = judge(found, limits)
    undecided = judgement.verdict == "INCONCLUSIVE"
    return ArtifactRow(
        variant=variant,
        file=f"toy-{variant.partition('-')[2]}.{variant.partition('-')[0]}",
        bytes=12_345,
        sha256="ab" * 32,
        runtime="ai-edge-litert 2.3.0",
        metrics=metrics,
        mcnemar_p=mcnemar_p(metrics.lost, metrics.gained),
        judgement=judgement,
        needed=images_needed(found, limits, judgement) if undecided else None,
    )


def make_report(*verdicts: str, **changes: Any) -> ParityReport:
    """Return a report with one row per verdict, by default one of each."""
    limits = Limits(max_drop=2, min_agreement=95, max_class_drop=8)
    makers = {
        "PASS": lambda: make_row("tflite-fp32", 0, limits=limits),
        "FAIL": lambda: make_row("tflite-int8", 200, limits=limits),
        "INCONCLUSIVE": lambda: make_row("tflite-fp16", 7, limits=limits),
        "ERROR": lambda: ArtifactRow(
            variant="onnx-int8",
            file="toy-int8.onnx",
            bytes=99,
            sha256="cd" * 32,
            error=RowError.of(
                CalibrationError("calibrated on <test> images", observed=3, remedy="convert again")
            ),
        ),
        "NOT MADE": lambda: ArtifactRow(variant="onnx-fp16", file=None, reason="opset too new"),
    }
    values: dict[str, Any] = {
        "model": "toy",
        "class_names": NAMES,
        "evaluated": Evaluated(
            dataset="toys",
            images=600,
            available=600,
            seed=None,
            images_sha256="01" * 32,
            reference_sha256="02" * 32,
            model_sha256="03" * 32,
        ),
        "limits": limits_in_force(limits, groups=True, corruptions=True),
        "rows": tuple(makers[verdict]() for verdict in verdicts or makers),
        "machine": {"system": "Linux", "architecture": "x", "processor": "P", "cores": 2},
        "versions": {"edgecnn": "0.1.0", "python": "3.11"},
        "created": "2026-01-02T03:04:05Z",
    }
    return ParityReport(**(values | changes))
