"""EfficientNet-Lite0 against what its reference implementation answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import EdgeError
from edgecnn.progress import NO_PROGRESS
from edgecnn.train.backbones.weights import lite0_tensors, named_weights

pytestmark = pytest.mark.slow  # imports TensorFlow and builds a network

RECORDED = Path(__file__).with_name("lite0_features.npz")


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    try:
        return lite0_tensors(named_weights(None), progress=NO_PROGRESS)
    except EdgeError as error:
        pytest.skip(f"the published weights cannot be had here: {error}")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_its_features_are_those_of_the_reference(
    tensors: dict[str, np.ndarray],
    number: int,
) -> None:
    from edgecnn.train.backbones.efficientnet_lite0 import build_lite0, load_lite0

    recorded = np.load(RECORDED)
    pixels, features = recorded[f"pixels{number}"], recorded[f"features{number}"]
    network = build_lite0(pixels.shape)
    assert network.count_params() == 3_413_024
    load_lite0(network, tensors)
    found = np.asarray(network(pixels[None].astype(np.float32), training=False))[0]
    assert np.abs(found - features).max() < 1e-4
    assert features.std() > 0.1


@pytest.mark.parametrize("change", ["missing", "left over", "other sides", "no numbers"])
def test_other_tensors_are_refused(
    tensors: dict[str, np.ndarray],
    change: str,
) -> None:
    from edgecnn.train.backbones.efficientnet_lite0 import build_lite0, load_lite0

    name = "_blocks.3._project_conv.weight"
    changed = dict(tensors)
    if change == "missing":
        del changed[name]
    elif change == "left over":
        changed["_blocks.16._project_conv.weight"] = changed[name]
    elif change == "other sides":
        changed[name] = changed[name][:-1]
    else:
        changed[name] = np.full_like(changed[name], np.nan)
    with pytest.raises(ValueError, match=r"no tensor|belong|other sides|no numbers"):
        load_lite0(build_lite0((32, 32, 3)), changed)
