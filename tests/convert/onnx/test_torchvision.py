"""Networks that PyTorch itself exports answer as in PyTorch: by the importer, and as files.

``export_torchvision.py`` runs under the Python that has PyTorch: ``EDGECNN_TORCH_PYTHON``, or
``/usr/bin/python3``, to which ``apt install python3-torch python3-torchvision`` adds it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command import edgecnn_here
from edgecnn.convert.source.onnx.graph import read_graph
from edgecnn.convert.source.onnx.importer import to_keras
from edgecnn_runner.session import Session

PROGRAM = Path(__file__).with_name("export_torchvision.py")
PYTHON = os.environ.get("EDGECNN_TORCH_PYTHON", "/usr/bin/python3")
MEAN, DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OTHERS = {
    "alexnet": 224, "convnext_tiny": 96, "densenet121": 96, "efficientnet_b0": 96,
    "efficientnet_v2_s": 96, "googlenet": 96, "inception_v3": 128, "mnasnet0_5": 96,
    "mobilenet_v2": 96, "mobilenet_v3_large": 96, "regnet_y_400mf": 96, "resnet50": 96,
    "squeezenet1_1": 96, "vgg11_bn": 224, "vit_b_16": 96,
}  # fmt: skip
"""Side of the images by name."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def with_torch() -> None:
    """Skip where there is no PyTorch."""
    done = subprocess.run(
        [PYTHON, "-c", "import torch, torchvision, PIL"], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"{PYTHON} has no torch and torchvision; EDGECNN_TORCH_PYTHON names another")


def write_images(folder: Path, side: int) -> Path:
    """Write coloured clouds of three classes as PNG files: ``train`` and ``test``."""
    random = np.random.default_rng(4)
    for split, count in (("train", 8), ("test", 4)):
        for kind in ("a", "b", "c"):
            (folder / split / kind).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                coarse = random.integers(0, 256, (6, 6, 3), np.uint8)
                image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
                image.save(folder / split / kind / f"{index}.png")
    return folder


def pixels_of(folder: Path) -> Any:
    files = sorted(folder.glob("*/*.png"))
    return np.stack([np.asarray(Image.open(file)) for file in files])


def exported(name: str, side: int, folder: Path) -> tuple[dict[str, Any], Any]:
    """Let PyTorch export a network; return what it says, and its own scores of ``test``."""
    images = write_images(folder / "images", side)
    done = subprocess.run(
        [PYTHON, PROGRAM, name, str(side), images / "train", images / "test", folder,
         "--classes", "3"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), np.load(folder / "own.npy")


def imported(name: str, side: int, folder: Path) -> Any:
    """Assert that the importer's model has PyTorch's scores and weights; return it."""
    said, own = exported(name, side, folder)
    assert len(set(own.argmax(axis=1))) > 1
    model = to_keras(read_graph((folder / "model.onnx").read_bytes()))
    values = (pixels_of(folder / "images/test") / 255 - MEAN) / DEVIATIONS
    found = model.predict(values.astype(np.float32), batch_size=4, verbose=0)
    np.testing.assert_allclose(found, own, rtol=0, atol=1e-3 * np.abs(own).max())
    # No weight is lost, none doubled; normalizations are folded by the exporter.
    if name != "vit_b_16":  # its places and its class token are constants, and no layer's
        assert model.count_params() == pytest.approx(said["parameters"], rel=0.02)
    return model


def turned(model: Any) -> int:
    return sum(type(layer).__name__ == "Permute" for layer in model.layers)


def test_resnet18_answers_as_in_pytorch(with_torch: None, tmp_path: Path) -> None:
    assert turned(imported("resnet18", 96, tmp_path)) == 0


def test_shufflenet_turns_an_image_once_a_shuffle(with_torch: None, tmp_path: Path) -> None:
    assert turned(imported("shufflenet_v2_x0_5", 96, tmp_path)) == 16


@pytest.mark.long
@pytest.mark.parametrize("name", OTHERS)
def test_another_network_answers_as_in_pytorch(with_torch: None, name: str, tmp_path: Path) -> None:
    model = imported(name, OTHERS[name], tmp_path)
    assert turned(model) == 0 or name == "vit_b_16"


def test_mobilenet_v3_goes_all_the_way(with_torch: None, tmp_path: Path) -> None:
    _, own = exported("mobilenet_v3_small", 96, tmp_path)
    build = tmp_path / "build"
    mean, deviations = (",".join(map(str, numbers)) for numbers in (MEAN, DEVIATIONS))
    done = edgecnn_here(
        "convert", tmp_path / "model.onnx", "--data", tmp_path / "images", "--out", build,
        "--input-mean", mean, "--input-std", deviations, "--min-accuracy", "0",
        "--variant", "tflite-fp32", "--variant", "onnx-fp32", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    powers = np.exp(own - own.max(axis=1, keepdims=True))
    right = powers / powers.sum(axis=1, keepdims=True)
    for name in ("model-fp32.tflite", "model-fp32.onnx"):
        with Session.open(build / name) as session:
            found = session.predict(pixels_of(tmp_path / "images/test"))
        np.testing.assert_allclose(found, right, rtol=0, atol=1e-4)
    described = edgecnn_here("inspect", build / "model-fp32.tflite", "--json").json()
    operators = json.dumps(described)
    assert "CONV_2D" in operators
    assert "TRANSPOSE" not in operators
