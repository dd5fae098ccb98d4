"""Files that edgecnn did not make, made ready to be verified: how each is fed and read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.errors import ArtifactError, ContractError, EdgeError, UsageError
from edgecnn.modelfile import read_graph
from edgecnn.modelfile.precision import find_precision
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.verify.scoring import LocalScorer, Ran
from edgecnn_runner.contract import FLOATS, RESIZE_RULE, Contract
from edgecnn_runner.foreign import foreign_contract
from edgecnn_runner.formats.container import read_container

_FLOAT = ("fp32", "fp16", "none")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What was said of a file by flags.

    Attributes:
        labels: Class names in output order.
        input_range: What the file wants pixels turned into, as a contract writes it.
        output_kind: ``probabilities`` or ``logits``; None to tell by its answers.
        layout: ``NHWC`` or ``NCHW``; None to tell by its shape.
        resize: Name of the resize rule; None for the usual one.
    """

    labels: Sequence[str]
    input_range: str
    output_kind: str | None = None
    layout: str | None = None
    resize: str | None = None

    def contract(self, path: Path, output_kind: str | None) -> Contract:
        """Make a file's contract of what was said, and of what its graph tells."""
        return foreign_contract(
            path,
            self.labels,
            self.input_range,
            output_kind,
            layout=self.layout,
            resize=self.resize,
        )


def is_model_file(path: Path) -> bool:
    """Tell a ``.tflite`` or ``.onnx`` file, which the runner runs, from what TensorFlow loads."""
    if not os.path.isfile(path):  # noqa: PTH113 - names may be too long
        return path.suffix in (".tflite", ".onnx")
    with path.open("rb") as file:
        head = file.read(8)
    # An ONNX file has no magic number.
    return head[4:] == b"TFL3" or path.suffix in (".tflite", ".onnx")


def contract_of(path: Path, told: Told) -> Contract:
    """Make an artifact's contract, by running it once in another process.

    Args:
        path: A ``.tflite`` or ``.onnx`` file without a contract.
        told: What the file does not say itself.

    Returns:
        The contract; its variant has the precision of the file, where its graph tells.

    Raises:
        EdgeError: If what was said does not fit the file, or it cannot be run;
            ``ContractError`` if it carries a contract.
    """
    if read_container(path).contract is not None:
        raise ContractError(
            f"{path} was made by edgecnn and says itself how it is fed",
            observed="a contract inside the file",
            expected="a file made elsewhere",
            remedy=f"verify it in the build that it was converted into: edgecnn verify {path}",
        )
    contract = told.contract(path, told.output_kind)
    return replace(contract, variant=f"{contract.variant.partition('-')[0]}-{_precision(path)}")


def reference_contract(path: Path, told: Told, *, range_given: bool) -> Contract:
    """Make the contract of a reference, or take its own.

    Args:
        path: A ``.tflite`` or ``.onnx`` file of float precision.
        told: What it may not say itself. The kind of its scores is used only where these do not
            tell: the flag speaks of the artifact first.
        range_given: Whether the range was named for the reference.

    Returns:
        The contract.

    Raises:
        EdgeError: As ``contract_of``; ``UsageError`` if the file is quantized.
    """
    precision = _precision(path)
    if precision not in (*_FLOAT, "foreign"):
        raise UsageError(
            f"{path} is quantized, so it cannot be the reference that others are measured by",
            observed=f"precision {precision}",
            expected="the float model: a .keras or .h5 file, a SavedModel, or a float .tflite or "
            ".onnx file",
            remedy="name the float model that the artifact was made from: --reference FILE",
        )
    own = read_container(path).contract
    if own is not None:
        if range_given:
            raise ContractError(
                f"{path} carries its own contract",
                observed=f"--reference-range {told.input_range}",
                expected="no range for it",
                remedy="leave --reference-range out",
            )
        return own
    try:
        return told.contract(path, None)
    except ArtifactError:
        if told.output_kind is None:
            raise
    return told.contract(path, told.output_kind)


def read_as(contract: Contract) -> str:
    """Say how a file is fed and read."""
    spec, out = contract.input, contract.output
    size = {"NHWC": (spec.height, spec.width, spec.channels)}.get(
        spec.layout, (spec.channels, spec.height, spec.width)
    )
    fed = f"{spec.dtype} {spec.layout} input {' x '.join(map(str, size))}"
    given = f"{out.dtype} {out.kind}"
    if spec.dtype not in FLOATS:
        fed += f" (scale {spec.scale:.4g}, zero point {spec.zero_point})"
    if out.dtype not in FLOATS:
        given += f" (scale {out.scale:.4g}, zero point {out.zero_point})"
    sized = "" if contract.resize == RESIZE_RULE else f", resized by {contract.resize}"
    return f"{fed}, pixels as {spec.range}{sized}; {given}"


def _precision(path: Path) -> str:
    """Return in which numbers a file computes; ``foreign`` where its graph cannot be read."""
    try:
        return find_precision(read_graph(path)).name
    except EdgeError:
        return "foreign"


class FloatModel(Protocol):
    """What the answers of foreign files are compared with.

    Attributes:
        input_range: What pixels are brought to, as a contract writes it.
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
    """A ``.tflite`` or ``.onnx`` file of float precision, as the float model.

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
        """Return its probabilities of images, shape (n, classes), float32.

        Raises:
            EdgeError: If the file cannot be loaded or run.
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
