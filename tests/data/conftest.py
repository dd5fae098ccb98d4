from __future__ import annotations

import pytest

from data.small_release import Small, make_small


@pytest.fixture(scope="session")
def small() -> Small:
    """A release in CIFAR-10's format, 40 images a batch."""
    return make_small()
