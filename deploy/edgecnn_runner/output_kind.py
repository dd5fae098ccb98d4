"""Are a foreign model's scores probabilities or logits: told from its answers to a few images.

Scores that are all within 0..1 and do not sum to 1 are neither for certain: a model of several
labels at once, with a Sigmoid at its end, answers so, and a softmax over that would be neither its
answer nor a probability. They are not guessed at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edgecnn_runner.errors import ArtifactError

__all__ = ["tell_kind"]

_SLACK: Final = 1e-3  # what float16 inside the model may add up to
_LEVELS: Final = (127, 128, 255, 256)
"""Steps from 0 to 1 of 8-bit scores. A model that was quantized by onnxruntime, for one, rounds
its scores to these and gives them as floats."""


def tell_kind(samples: Sequence[Sequence[float]], step: float, *, name: str) -> str:
    """Tell probabilities, which are positive and sum to 1, from logits.

    Args:
        samples: The answers to some images, each one score per class, finite.
        step: What one step of integer scores is worth; 0 where the output is float.
        name: What to call the file in errors.

    Returns:
        ``probabilities`` or ``logits``; the latter also without samples.

    Raises:
        ArtifactError: If all scores are within 0..1 and do not sum to 1 for every image.
    """
    step = step or _hidden_step(samples)
    # Each score may be half a step off.
    if samples and all(
        min(sample) >= 0 and abs(sum(sample) - 1) <= _SLACK + step * len(sample) / 2
        for sample in samples
    ):
        return "probabilities"
    slack = _SLACK + step / 2
    if not samples or any(not -slack <= score <= 1 + slack for row in samples for score in row):
        return "logits"
    sums = ", ".join(f"{sum(sample):.3g}" for sample in samples)
    raise ArtifactError(
        f"{name} seems to answer each label by itself, as with a sigmoid at its end",
        observed=f"scores of {len(samples)} trial images, all in 0..1, with sums of {sums}",
        expected="scores that sum to 1 (a softmax), or that leave 0..1 (logits), over classes of "
        "which one is right",
        remedy="say what the scores are: --output-kind probabilities shows them as they are; "
        "--output-kind logits puts a softmax over them, which is right only if nothing follows "
        "the last layer (in Python: output_kind=...)",
    )


def _hidden_step(samples: Sequence[Sequence[float]]) -> float:
    """Return the step of scores that were rounded before they became floats; 0 if they were not."""
    for levels in _LEVELS:
        counts = [score * levels for sample in samples for score in sample]
        if all(abs(count - round(count)) < 1e-3 for count in counts):
            return 1 / levels
    return 0.0
