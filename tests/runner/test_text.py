from __future__ import annotations

from edgecnn_runner.classifier import Result, Score
from edgecnn_runner.cli.text import classification


def test_ranked_classes_are_aligned_and_drawn() -> None:
    ranked = (
        Score(label="cat", score=0.8, index=1),
        Score(label="elephant", score=0.2, index=0),
        Score(label="a", score=0.0, index=2),
    )
    result = Result(label="cat", score=0.8, index=1, ranked=ranked)
    assert classification("x.png", result).splitlines() == [
        "x.png: cat",
        "  cat        80.0%  ################",
        "  elephant   20.0%  ####",
        "  a           0.0%",
    ]
