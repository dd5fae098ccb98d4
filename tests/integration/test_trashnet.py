"""Photos as people publish them: what ``edgecnn data`` finds in TrashNet, where it is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgecnn.api import DataRequest, data

PHOTOS = Path(os.environ.get("EDGECNN_DATA", "")) / "trashnet"


@pytest.mark.slow
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="EDGECNN_DATA has no folder trashnet")
def test_copies_in_two_classes_and_photos_of_one_thing_are_found() -> None:
    quality = data(DataRequest(folder=PHOTOS, quick=True)).quality
    assert quality.error is None
    found = {
        kind: {frozenset(one.photos) for one in quality.findings if one.kind == kind}
        for kind in ("equal_across_classes", "near", "blurred")
    }
    # Of the six photos that the whole set has in two classes, these two are here.
    assert (
        frozenset({"glass/glass176.jpg", "plastic/plastic152.jpg"})
        in (found["equal_across_classes"])
    )
    assert frozenset({"paper/paper305.jpg", "paper/paper308.jpg"}) in found["near"]
    assert frozenset({"metal/metal050.jpg", "metal/metal120.jpg"}) in found["near"]
    assert 5 <= len(found["near"]) <= 12
    assert frozenset({"metal/metal237.jpg"}) in found["blurred"]
    assert len(found["blurred"]) <= 15
    assert quality.auto is not None
    # Names that run on by class are no group of a class.
    assert quality.auto.groups >= 60
    assert quality.auto.largest <= 61
