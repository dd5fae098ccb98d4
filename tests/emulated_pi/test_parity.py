"""Do the cores of Raspberry Pis classify as the workstation does? By the bundle's own runner."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from emulated_pi.bundles import RESNET8
from emulated_pi.pi import CORES, Pi
from emulated_pi.pictures import needs_cifar10, run_here, some_cifar10

pytestmark = [pytest.mark.slow, pytest.mark.emulated_pi]

IMAGES = 500
LEAST = 0.98
RECORDS = Path(__file__).parents[2] / "build/emulated_pi"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, npt.NDArray[np.float32]]:
    """The images as a file, and this machine's scores of them."""
    images = some_cifar10(IMAGES)
    counts = np.bincount(images.labels)
    assert counts.tolist() == [IMAGES // 10] * 10
    folder = tmp_path_factory.mktemp("parity")
    np.savez(folder / "images.npz", images=images.pixels)
    said = run_here(
        "predict", RESNET8 / "resnet8-int8.tflite", folder / "images.npz", folder / "scores.npz"
    )
    assert said["images"] == IMAGES
    return folder / "images.npz", read(folder / "scores.npz")


def read(path: Path) -> npt.NDArray[np.float32]:
    with np.load(path) as stored:
        scores: npt.NDArray[np.float32] = stored["scores"]
    return scores


@needs_cifar10
@pytest.mark.cifar10
@pytest.mark.parametrize("cpu", CORES)
def test_500_images_of_cifar10(
    cpu: str,
    with_1: Pi,
    here: tuple[Path, npt.NDArray[np.float32]],
    record_property: Callable[[str, object], None],
) -> None:
    images, expected = here
    shutil.copy(images, with_1.home)
    done = with_1.run(
        *("edgecnn-resnet8", "predict", "images.npz", f"{cpu}.npz", "--json"), cpu=cpu, timeout=300
    )
    assert (done.code, done.err) == (0, "")
    assert done.json()["images"] == IMAGES
    found = read(with_1.home / f"{cpu}.npz")
    same = int((found.argmax(axis=1) == expected.argmax(axis=1)).sum())
    figures = {
        "core": cpu,
        "boards": f"Raspberry Pi {CORES[cpu].boards}",
        "system": with_1.suite,
        "model": "resnet8-int8.tflite",
        "runtime": done.json()["runtime"],
        "kernels": done.json()["kernels"],
        "images": IMAGES,
        "same_class": same,
        "agreement": same / IMAGES,
        "largest_score_difference": round(float(np.abs(found - expected).max()), 4),
    }
    RECORDS.mkdir(parents=True, exist_ok=True)
    (RECORDS / f"parity-{with_1.suite}-{cpu}.json").write_text(json.dumps(figures, indent=1) + "\n")
    record_property(
        "measured",
        f"emulated {cpu} ({figures['boards']}), {with_1.suite}, {figures['runtime']}: "
        f"{same} of {IMAGES} images in the same class as on this machine, "
        f"largest score difference {figures['largest_score_difference']}",
    )
    assert same / IMAGES >= LEAST
    assert not np.array_equal(found[0], found[1]), "it answers alike to all images"


@pytest.mark.parametrize("cpu", CORES)
def test_the_kernels_are_those_of_this_machine(cpu: str, with_1: Pi) -> None:
    """XNNPACK's, that is, but for the ends of the graph."""
    done = with_1.run("edgecnn-resnet8", "selftest", "--json", cpu=cpu)
    assert (done.code, done.err) == (0, "")
    kernels = done.json()["kernels"]
    assert kernels == run_here("selftest", RESNET8 / "resnet8-int8.tflite")["kernels"]
    assert kernels == "XNNPACK; builtin: QUANTIZE, SOFTMAX"
