"""Exports networks of torchvision with random weights; runs under a Python that has PyTorch.

    python3 export_torchvision.py NAME SIDE TRAIN HELD FOLDER [--opset 17] [--classes 5]

TRAIN and HELD hold a folder per class of PNG files of that side. FOLDER gets ``model.onnx`` and
``own.npy``: PyTorch's own scores of the photos in HELD, in the order of classes and names, made
before the export and with no ONNX in it. What it prints tells by how much random weights multiply
small errors: the share of PyTorch's own answers that one grey level of noise leaves as they are.

PyTorch's initial weights answer everything alike. So BatchNorm's statistics are those of TRAIN, its
scales and offsets are drawn, and the last layer is set so that over TRAIN each class's score has
the mean 0 and the deviation ``DEVIATION``: different photos then get different classes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torchvision
from PIL import Image

MEAN: Final = (0.485, 0.456, 0.406)
DEVIATIONS: Final = (0.229, 0.224, 0.225)
"""Of the pixels from 0 to 1, by channel, as torchvision's weights want them."""
DEVIATION: Final = 2.0
"""Of a class's logit over the photos: surely told apart, and no score is 1."""
_FIXED_SIDE: Final = {"vit_b_16"}
_AUXILIARY: Final = {"googlenet", "inception_v3"}


def photos(folder: Path) -> Any:
    """Return the photos of class folders as torchvision's transforms would, (n, 3, side, side)."""
    files = sorted(folder.glob("*/*.png"))
    pixels = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    mean, deviations = np.array(MEAN, np.float32), np.array(DEVIATIONS, np.float32)
    values = (pixels.astype(np.float32) / 255 - mean) / deviations
    return torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))


def network_of(name: str, side: int, classes: int) -> Any:
    """Return a network with PyTorch's own initial weights."""
    options: dict[str, Any] = {}
    if name in _FIXED_SIDE:
        options["image_size"] = side
    if name in _AUXILIARY:  # their second heads are for training; they take larger images only
        options |= {"init_weights": True, "aux_logits": False}
    return getattr(torchvision.models, name)(weights=None, num_classes=classes, **options)


def spread(network: Any, shown: Any) -> None:
    """Give a network statistics and a last layer by which its scores differ."""
    normalizations = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for layer in normalizations:
        layer.momentum = None
        layer.reset_running_stats()
        layer.weight.uniform_(0.7, 1.3)
        layer.bias.uniform_(-0.3, 0.3)
    if normalizations:
        network.train()
        for module in network.modules():
            if isinstance(module, (torch.nn.Dropout, torchvision.ops.StochasticDepth)):
                module.eval()
        network(shown)
    network.eval()
    last = [m for m in network.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))][-1]
    seen: list[Any] = []
    hook = last.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    network(shown)
    hook.remove()
    # What the last layer gives may be an image of scores, of which the mean is the score.
    last.bias -= seen[0].transpose(0, 1).flatten(1).mean(dim=1)
    factor = DEVIATION / network(shown).std(dim=0).clamp(min=1e-6)
    last.weight.mul_(factor.reshape(-1, *[1] * (last.weight.dim() - 1)))
    last.bias.mul_(factor)


def main() -> None:
    """Write one network and its scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("side", type=int)
    parser.add_argument("train", type=Path)
    parser.add_argument("held", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--opset", type=int, default=17)
    parser.add_argument("--classes", type=int, default=5)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(5)
    network = network_of(wanted.name, wanted.side, wanted.classes)
    with torch.no_grad():
        spread(network, photos(wanted.train))
        held = photos(wanted.held)
        scores = network(held).numpy()
        grey = (torch.rand(held.shape) * 2 - 1) / 255 / torch.tensor(DEVIATIONS).reshape(3, 1, 1)
        moved = network(held + grey).numpy()
    np.save(wanted.folder / "own.npy", scores, allow_pickle=False)
    torch.onnx.export(
        network,
        torch.zeros(1, 3, wanted.side, wanted.side),
        str(wanted.folder / "model.onnx"),
        opset_version=wanted.opset,
        input_names=["input"],
        output_names=["scores"],
        dynamic_axes={"input": {0: "batch"}, "scores": {0: "batch"}},
    )
    said = {
        "parameters": sum(one.numel() for one in network.parameters()),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "opset": wanted.opset,
        "agreement_under_noise": float(np.mean(moved.argmax(axis=1) == scores.argmax(axis=1))),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
