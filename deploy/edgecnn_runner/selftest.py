"""Tells whether this device answers as the machine did where the file was made.

Preprocessing has to give exactly the same bytes, and the best class of each golden image has to
be the same. Scores are compared with a tolerance: int8 kernels differ between processors by
design, and golden images are chosen so that this cannot change the class.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from edgecnn_runner.errors import SelfTestError
from edgecnn_runner.golden import Golden
from edgecnn_runner.images.preprocess import prepare_for
from edgecnn_runner.session import Session

# Largest difference of a probability between processors. Float kernels differ in the order of
# additions; integer ones in rounding at every layer, which is several steps of 1/256.
_TOLERANCES: Final = {"fp32": 1e-3, "fp16": 2e-2}
_INTEGER_TOLERANCE: Final = 0.15


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    """The outcome of a self-test.

    Attributes:
        images: Golden images classified.
        sources: Images whose preprocessing was compared.
        worst_difference: Largest difference of a score from where the file was made; None if
            the vectors hold no scores of this variant.
        tolerance: What that difference may be.
        problems: What went wrong, one sentence each; empty if all is well.
    """

    images: int
    sources: int
    worst_difference: float | None
    tolerance: float
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {"ok": self.ok, **asdict(self), "problems": list(self.problems)}

    def raise_on_failure(self) -> None:
        """Raise a ``SelfTestError`` that lists the problems, if there are any."""
        if self.problems:
            raise SelfTestError(
                "this device does not reproduce the golden vectors:\n  "
                + "\n  ".join(self.problems),
                observed=f"{len(self.problems)} differences",
                expected="the same bytes after preprocessing, and the same classes",
                remedy="copy the model file and golden.npz again from their build; if it stays, "
                "the device's runtime or memory is at fault: try another runtime (--runtime)",
            )


def tolerance_of(variant: str) -> float:
    """Return how far a probability may be from where a variant's file was made.

    Args:
        variant: Such as ``onnx-int8``, or ``onnx-foreign-fp32`` of a file that was adopted.
    """
    precision = variant.partition("-")[2]
    if precision.startswith("foreign-"):
        precision = precision.rpartition("-")[2]
    return _TOLERANCES.get(precision, _INTEGER_TOLERANCE)


def run(session: Session, golden: Golden) -> SelfTest:
    """Compare this device's answers with the golden vectors.

    Args:
        session: The model to test.
        golden: Made for this model.

    Returns:
        What was found; a difference is not an exception, see ``SelfTest.raise_on_failure``.

    Raises:
        SelfTestError: If the vectors are of another model, or there are none.
        ScoreError: If the model answers with NaN or infinity.
    """
    _refuse_other_vectors(session, golden)
    contract = session.contract
    problems = _preprocessing_problems(session, golden)
    scores = session.predict(golden.images)
    found, wanted = scores.argmax(axis=1), golden.reference.argmax(axis=1)
    for index in np.flatnonzero(found != wanted):
        problems.append(
            f"image {index}: class {contract.labels[found[index]]!r}, "
            f"expected {contract.labels[wanted[index]]!r}"
        )
    tolerance = tolerance_of(contract.variant)
    made = golden.scores.get(contract.variant)
    worst = None if made is None else float(np.abs(scores - made).max())
    if worst is not None and not worst <= tolerance:
        problems.append(f"a score differs by {worst:.4f}, allowed are {tolerance}")
    return SelfTest(
        images=len(golden.images),
        sources=len(golden.sources),
        worst_difference=worst,
        tolerance=tolerance,
        problems=tuple(problems),
    )


def _refuse_other_vectors(session: Session, golden: Golden) -> None:
    spec, classes = session.contract.input, len(session.contract.labels)
    shape = (spec.height, spec.width, spec.channels)
    if golden.images.shape[1:] != shape or golden.reference.shape[1] != classes:
        raise SelfTestError(
            "the golden vectors are of another model",
            observed=f"images {golden.images.shape[1:]}, {golden.reference.shape[1]} classes",
            expected=f"images {shape}, {classes} classes",
            remedy="use the golden.npz from the build of this file",
        )
    if len(golden.images) == 0:
        raise SelfTestError(
            "there are no golden vectors to test with",
            observed="0 images",
            expected="at least one",
            remedy="make them again on the workstation: edgecnn convert SOURCE",
        )


def _preprocessing_problems(session: Session, golden: Golden) -> list[str]:
    problems = []
    for index, (source, wanted) in enumerate(zip(golden.sources, golden.prepared, strict=True)):
        if not np.array_equal(prepare_for(session.contract, source), wanted):
            problems.append(f"preprocessing of source {index} gives other bytes")
    return problems
