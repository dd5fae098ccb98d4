"""What a model's scores are, told from its answers."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.convert.scoring import kind_of_scores
from edgecnn.errors import SourceModelError


@pytest.mark.parametrize(
    ("scores", "kind"),
    [
        ([[0.25, 0.75], [1, 0]], "probabilities"),
        ([[0.25, 0.7504], [1, 0]], "probabilities"),
        ([[3, -2], [0.5, 0.5]], "logits"),
        ([[1.01, 0], [0.5, 0.5]], "logits"),
    ],
)
def test_probabilities_are_told_from_logits(scores: list[list[float]], kind: str) -> None:
    assert kind_of_scores(np.array(scores, np.float32)) == kind


def test_scores_of_independent_labels_are_refused() -> None:
    with pytest.raises(SourceModelError, match="each label by itself") as caught:
        kind_of_scores(np.array([[0.9, 0.8], [0.1, 0.2]], np.float32))
    assert "sums of 0.3 to 1.7" in str(caught.value.observed)
