from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.build.artifact import read_artifact
from edgecnn.devices import choose_device
from edgecnn.devices.ask import Task, ask
from edgecnn.devices.protocol import Message
from edgecnn.devices.types import Device
from edgecnn.verify.scoring import LocalScorer, Ran, scorer_on

ARTIFACT = Path(__file__).parents[1] / "runner/fixtures/rgb-int8.onnx"

pytestmark = pytest.mark.slow  # it starts Pythons


def test_a_device_is_given_many_images_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    contract = read_artifact(ARTIFACT).contract
    assert contract is not None
    shape = (contract.input.height, contract.input.width, contract.input.channels)
    pixels = np.random.default_rng(0).integers(0, 256, (7, *shape), np.uint8)
    expected = LocalScorer().score(
        ARTIFACT, contract, pixels, threads=1, ran=Ran(), advance=lambda _: None
    )
    monkeypatch.setattr("edgecnn.verify.scoring._AT_ONCE", 3 * pixels[0].nbytes)
    asked: list[int] = []

    def counted(device: Device, task: Task, **more: Any) -> Message:
        asked.append(task.parameters["shape"][0])
        return ask(device, task, **more)

    monkeypatch.setattr("edgecnn.verify.scoring.ask", counted)
    done: list[int] = []
    with scorer_on(choose_device(f"cmd:{sys.executable}")) as scorer:
        found = scorer.score(ARTIFACT, contract, pixels, threads=1, ran=Ran(), advance=done.append)
    np.testing.assert_array_equal(found, expected)
    assert asked == [3, 3, 1]
    assert sum(done) == 7
