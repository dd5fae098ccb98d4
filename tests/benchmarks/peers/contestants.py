"""Who takes part: what each peer is, runs in, and runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A way of classifying.

    Attributes:
        name: What tables call it.
        program: A module of ``peers``.
        variants: What it runs, each a row.
        environment: A key of ``environments.ENVIRONMENTS``; None for the project's own.
        answers: Whether it classifies the image; else it runs on bytes of its own.
    """

    name: str
    program: str
    variants: tuple[str, ...]
    environment: str | None = None
    answers: bool = True


OURS: Final = "peer_edgecnn"

PEERS: Final = (
    Peer(name="bare LiteRT loop", program="peer_litert", variants=("tflite-int8",)),
    Peer(
        name="LiteRT's benchmark_litert_model",
        program="peer_benchmark_litert_model",
        variants=("tflite-int8",),
        answers=False,
    ),
    Peer(
        name="tflite-runtime",
        program="peer_tflite_runtime",
        variants=("tflite-int8",),
        environment="tflite-runtime",
    ),
    Peer(
        name="bare ONNX Runtime loop",
        program="peer_onnxruntime",
        variants=("onnx-int8", "onnx-fp32"),
    ),
    Peer(
        name="OpenVINO",
        program="peer_openvino",
        variants=("tflite-int8", "onnx-int8", "onnx-fp32"),
        environment="openvino",
    ),
)

YARDSTICK: Final = Peer(
    name="MLPerf Tiny's ResNet-8 by a bare LiteRT loop",
    program="peer_litert",
    variants=("mlperf-int8",),
    answers=False,  # its weights are random
)
"""Another network than ours, so no peer: see ``mlperf``."""

NOT_ON_PYPI: Final[Mapping[str, str]] = {
    "LiteRT's benchmark_model (C++)": "not available from PyPI: ai-edge-litert 2.3.0 and the "
    "nightly of 2026-10-26 hold only benchmark_litert_model, in Python; litert-cli 0.2.1 and its "
    "nightly of 2026-10-26 download the program from elsewhere when asked to benchmark"
}
"""Peers that there is no package of, and which were looked into."""
