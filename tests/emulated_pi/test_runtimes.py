"""Bundles with the other runtimes: installed, self-tested, and their labels are this machine's."""

from __future__ import annotations

from typing import Any

import pytest

from emulated_pi.bundles import Bundles, active, put
from emulated_pi.pi import Pi
from emulated_pi.pictures import classified_here, write_photos

pytestmark = [pytest.mark.slow, pytest.mark.emulated_pi]


@pytest.mark.parametrize(
    ("runtime", "model", "said"),
    [
        ("tflite-runtime", "resnet8-int8.tflite", "tflite-runtime 2.14.0"),
        # Minutes under QEMU; the same bundle is installed on this machine in tests/package.
        pytest.param("onnxruntime", "resnet8-int8.onnx", "onnxruntime 1.", marks=pytest.mark.long),
    ],
)
def test_install_and_classify(
    runtime: str, model: str, said: str, pi: Pi, bundles: Bundles
) -> None:
    if runtime == "tflite-runtime" and pi.suite != "bookworm":
        pytest.skip(f"tflite-runtime was never built for the Python of {pi.suite}")
    folder = put(bundles.made("1.0", system=pi.suite, runtime=runtime), pi)
    done = pi.run(f"{folder}/install.sh")
    assert (done.code, done.err) == (0, "")
    assert f"{model}: 16 golden images as expected, by {said}" in done.out
    assert active(pi) == "1.0"
    names = write_photos(pi.home)
    done = pi.run("edgecnn-resnet8", "classify", *names, "--json")
    assert (done.code, done.err) == (0, "")
    here = classified_here(pi.home, names, model)
    clear = {name for name in names if margin(here[name]) >= 0.3}
    assert "noise.jpg" in clear
    labels = {row["image"]: row["label"] for row in done.json()}
    assert {name: labels[name] for name in clear} == {name: here[name]["label"] for name in clear}


def margin(row: dict[str, Any]) -> float:
    """Return by how much the best class is ahead; golden vectors ask for the same 0.3."""
    best, second, *_ = (float(entry["score"]) for entry in row["ranked"])
    return best - second
