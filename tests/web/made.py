"""Makes web bundles for tests, and says what is missing where it cannot."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn import __version__
from edgecnn.errors import EdgeError
from edgecnn.package.privacy.browser import why_no_browser
from edgecnn.package.proven import Proven, find_proven
from edgecnn.package.web.contents import WebPlan, contents, sealed
from edgecnn.package.web.sources import app_sources
from edgecnn.package.web.vendor import collect_vendor
from edgecnn_runner.golden import read_golden

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "models"
AXE = ROOT / "deploy/web/node_modules/axe-core/axe.min.js"
EPOCH = "1700000000"
IDS = [
    "own-origin", "sends-refused", "images-not-stored", "offline", "single-file", "no-other-way",
    "own-files",
]  # fmt: skip

needs_browser = pytest.mark.skipif(
    why_no_browser() is not None, reason=f"no browser to test in: {why_no_browser()}"
)


@functools.cache
def vendor() -> Mapping[str, bytes]:
    """ONNX Runtime Web, from the cache or by npm; skips the test where neither has it."""
    try:
        return collect_vendor()
    except EdgeError as error:
        pytest.skip(f"no onnxruntime-web: {error.observed}")


def files_of(model: str, *, reject_below: float = 0.0, claims: bool = True) -> dict[str, bytes]:
    """A released model's web bundle, in memory, with claims that nobody checked."""
    proven = find_proven(MODELS / model, None, ["onnx-int8"])
    return bundle_of(proven, reject_below=reject_below, claims=claims)


def bundle_of(
    proven: Proven, *, reject_below: float = 0.0, claims: bool = True
) -> dict[str, bytes]:
    """The web bundle of any model, likewise."""
    plan = WebPlan(
        date=int(EPOCH),
        proven=proven,
        version="1.0",
        reject_below=reject_below,
        sources=app_sources(),
        vendor=vendor(),
    )
    made = contents(plan)
    if claims:
        text = {"claims": [{"id": "one", "text": "a claim", "checked": False, "how": "why"}]}
        made["privacy.json"] = json.dumps(
            {**text, "made": f"edgecnn {__version__}, now", "bundle": "this"}
        ).encode()
        made["PRIVACY.md"] = b"none\n"
    return sealed(made)


def package(
    *arguments: str | Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``edgecnn package --target web`` as a user does."""
    command = [sys.executable, "-m", "edgecnn", "package", *map(str, arguments), "--target", "web"]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH, **(env or {})},
    )  # fmt: skip


def golden_images(model: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """A released model's golden images, and the classes that its int8 file gives them."""
    golden = read_golden(MODELS / model / "golden.npz")
    return golden.images, golden.scores["onnx-int8"].argmax(axis=1)


def camera_video(path: Path, image: npt.NDArray[np.uint8], frames: int = 30) -> None:
    """Write a video that shows one image in the middle of 640x480 pixels (YUV4MPEG2, 4:2:0)."""
    side = 480
    factor = side // len(image)
    frame = np.full((side, 640, 3), 128, np.float64)
    left = (640 - factor * image.shape[1]) // 2
    shown = image.repeat(factor, axis=0).repeat(factor, axis=1)
    frame[:, left : left + shown.shape[1]] = shown
    red, green, blue = (frame[..., one] for one in range(3))
    # Full colours to the range of video, as ITU-R BT.601 has it.
    luma = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
    blueness = 128 + (-37.797 * red - 74.203 * green + 112 * blue) / 255
    redness = 128 + (112 * red - 93.786 * green - 18.214 * blue) / 255
    planes = [
        luma,
        *(one.reshape(side // 2, 2, 320, 2).mean((1, 3)) for one in (blueness, redness)),
    ]
    data = b"".join(plane.round().astype(np.uint8).tobytes() for plane in planes)
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420jpeg\n")
        for _ in range(frames):
            file.write(b"FRAME\n" + data)
