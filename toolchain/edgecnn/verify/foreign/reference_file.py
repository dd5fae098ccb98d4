"""A float model file, run by the runner, as something to compare with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.verify.scoring import LocalScorer, Ran
from edgecnn_runner.contract import Contract


class FloatModel(Protocol):
    """What the answers of foreign files are compared with.

    Attributes:
        input_range: What pixels are brought to, see ``contract.InputSpec``.
        normalizes: Whether it was seen to normalize raw pixels itself; no other range fits then.
        output_kind: ``probabilities`` or ``logits``; None before the first scores.
        runtime: What computes the scores, with its version.
    """

    input_range: str
    normalizes: bool
    output_kind: str | None
    runtime: str

    def scores(
        self,
        pixels: npt.NDArray[np.uint8],
        *,
        input_range: str | None = None,
        progress: Progress = NO_PROGRESS,
    ) -> npt.NDArray[np.float32]:
        """Return the probabilities of images, float32, shape (n, classes).

        Args:
            pixels: Shape (n, height, width, channels), uint8.
            input_range: Another range than the model's own.
            progress: Shows images.
        """


class ReferenceFile:
    """A ``.tflite`` or ``.onnx`` file of float precision; see ``FloatModel``.

    Args:
        path: The file.
        contract: Its own, or one made for it.
        threads: Threads of the runtime.
    """

    def __init__(self, path: Path, contract: Contract, *, threads: int) -> None:
        self.input_range = contract.input.range
        # A file of edgecnn's own is fed raw pixels, and says so.
        self.normalizes = bool(contract.payload_sha256)
        self.output_kind: str | None = contract.output.kind
        self.runtime = "not run yet"
        self._path, self._contract, self._threads = path, contract, threads

    def scores(
        self,
        pixels: npt.NDArray[np.uint8],
        *,
        input_range: str | None = None,
        progress: Progress = NO_PROGRESS,
    ) -> npt.NDArray[np.float32]:
        """See ``FloatModel``.

        Raises:
            EdgeError: See ``edgecnn_runner.session.Session``.
        """
        contract, ran = self._contract, Ran()
        if input_range is not None:
            contract = with_range(contract, input_range)
        with progress.task("reference", len(pixels)) as task:
            scores = LocalScorer().score(
                self._path,
                contract,
                pixels,
                threads=self._threads,
                ran=ran,
                advance=task.advance,
            )
        self.runtime = ran.runtime or self.runtime
        return scores


def with_range(contract: Contract, input_range: str) -> Contract:
    """Return a foreign file's contract with another input range."""
    return replace(contract, input=replace(contract.input, range=input_range))
