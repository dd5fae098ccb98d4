"""Which of a build's float32 files can answer for the float model on images it has not seen.

The float model's scores are saved for the clean evaluation images only, and running it elsewhere
would need TensorFlow. A float32 file is the same network with the same weights, only the order of
its sums may differ: it stands in for the float model if its scores are the saved ones, but for
rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edgecnn.build.reference import check_scores
from edgecnn.errors import ArtifactError, EdgeError, UsageError, some_of
from edgecnn.verify.checks import check_artifact
from edgecnn.verify.corruptions.conditions import StandIn
from edgecnn.verify.evaluation import Evaluation
from edgecnn.verify.plan import Planned
from edgecnn.verify.rows import Verification, digest_of
from edgecnn.verify.scoring import LocalScorer, Ran
from edgecnn_runner.contract import Contract

LARGEST_SCORE_CHANGE: Final = 0.001
"""Of any probability on any clean image. Float32 rounding gives some millionths; two models whose
scores are this close can decide differently only where the two best are within 0.002."""

_VARIANTS: Final = ("tflite-fp32", "onnx-fp32")


@dataclass(frozen=True, kw_only=True)
class FoundStandIn:
    """A float32 file that follows the float model.

    Attributes:
        path: Where it is.
        contract: Its contract.
        about: What the report says of it.
    """

    path: Path
    contract: Contract
    about: StandIn


def check_candidates(whole: tuple[Planned, ...]) -> None:
    """Refuse a build without a float32 file before anything is run.

    Args:
        whole: Every variant of the build.

    Raises:
        UsageError: If there is none.
    """
    if candidates(whole):
        return
    made = some_of(one.variant for one in whole if one.path is not None)
    raise UsageError(
        "there is no float32 file to tell what the float model answers on corrupted images",
        observed=f"only {made or 'nothing'}",
        expected=f"{' or '.join(_VARIANTS)} in the build",
        remedy="make one beside the others: edgecnn convert SOURCE --variant tflite-fp32",
    )


def find_stand_ins(
    whole: tuple[Planned, ...],
    clean: Evaluation,
    by: Verification,
    *,
    advance: Callable[[int], None],
) -> tuple[FoundStandIn, ...]:
    """Run the float32 files on clean images, here, and return those that follow the float model.

    Args:
        whole: Every variant of the build.
        clean: The images that will be corrupted, before they are, with the saved scores.
        by: What the artifacts are judged by.
        advance: Is told how many images were done since the last time.

    Returns:
        At least one.

    Raises:
        ArtifactError: If none does; it says why not, file by file.
    """
    found, reasons = [], []
    for planned in candidates(whole):
        try:
            one = _compared(planned, clean, by, advance)
        except EdgeError as error:
            reasons.append(f"{planned.file}: {error.problem}")
            continue
        if one.about.max_score_change <= LARGEST_SCORE_CHANGE:
            found.append(one)
        else:
            reasons.append(
                f"{planned.file}: a score differs by {one.about.max_score_change:.2g} on "
                f"{one.about.images:,} clean images"
            )
    if not found:
        raise ArtifactError(
            "no float32 file follows the float model so closely that it could answer for it on "
            "corrupted images",
            observed="; ".join(reasons),
            expected=f"no score further than {LARGEST_SCORE_CHANGE} from the float model's",
            remedy="convert the model again: edgecnn convert SOURCE --variant tflite-fp32",
        )
    return tuple(found)


def choose(found: tuple[FoundStandIn, ...], path: Path, variant: str) -> FoundStandIn:
    """Choose what an artifact is compared with: its own format, but not itself where others are.

    Args:
        found: At least one.
        path: The artifact.
        variant: Its format and precision.
    """
    model_format = variant.partition("-")[0]
    return min(
        found,
        key=lambda one: (
            one.path == path,
            one.about.variant.partition("-")[0] != model_format,
        ),
    )


def candidates(whole: tuple[Planned, ...]) -> list[Planned]:
    """Return the float32 files of a build, whether they follow the float model or not."""
    return [one for one in whole if one.variant in _VARIANTS and one.path is not None]


def _compared(
    planned: Planned, clean: Evaluation, by: Verification, advance: Callable[[int], None]
) -> FoundStandIn:
    path = planned.path
    assert path is not None, "a candidate has a file"  # noqa: S101 - for the type checker
    digest = digest_of(path)
    wanted = by.recorded.get(planned.file or "")
    if wanted is not None and digest != wanted:
        raise ArtifactError(
            "it is not the file that was converted into this build",
            observed=f"sha256 {digest}",
            expected=f"sha256 {wanted}",
            remedy="convert again: edgecnn convert SOURCE",
        )
    contract = check_artifact(path, by.reference, clean.test)
    ran = Ran()
    scores = LocalScorer().score(
        path, contract, clean.images.pixels, threads=by.threads, ran=ran, advance=advance
    )
    check_scores(scores, model=path.name)
    change = np.abs(scores.astype(np.float64) - clean.scores)
    return FoundStandIn(
        path=path,
        contract=contract,
        about=StandIn(
            variant=contract.variant,
            file=str(planned.file),
            sha256=str(digest),
            runtime=str(ran.runtime),
            images=len(clean.images),
            disagreements=int(
                np.count_nonzero(scores.argmax(axis=1) != clean.scores.argmax(axis=1))
            ),
            max_score_change=float(change.max()),
        ),
    )
