"""The entrance: two files of one model and some images, to how they differ layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.build.artifact import format_of, precision_of, read_artifact
from edgecnn.errors import ContractError, UsageError
from edgecnn.modelfile.layers.tally import LayerComparison
from edgecnn_runner.contract import Contract
from edgecnn_runner.formats.container import Container


def compare(
    float_file: Path,
    artifact: Path,
    pixels: npt.NDArray[np.uint8],
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> LayerComparison:
    """Run two files of one model on images and compare every tensor between the operators.

    Both run on this machine, a TFLite file by the interpreter's own kernels without a delegate,
    an ONNX file without graph optimizations: what is fused has no tensors in between. Kernels that
    a device uses may round otherwise by a step. Memory holds the activations of a few images at a
    time, however many there are.

    Args:
        float_file: The float32 file, ``tflite-fp32`` or ``onnx-fp32``.
        artifact: Another file of the same model and format, of any precision.
        pixels: Images of the model's size, shape (n, height, width, channels), n at least 1.
        advance: Is told how many images were done since the last time.

    Returns:
        The layers in network order, and what could not be compared.

    Raises:
        UsageError: If the files are of two formats, the first is not float32, or the images are
            none or of another size.
        ArtifactError: If a file cannot be read or run.
        ContractError: If a file has no contract.
        RuntimeMissingError: If the runtime does not start.
    """
    source, source_contract = _read(float_file)
    target, contract = _read(artifact)
    formats = [format_of(one.variant) for one in (source_contract, contract)]
    if formats[0] != formats[1] or precision_of(source_contract.variant) != "fp32":
        raise UsageError(
            f"{artifact.name} cannot be compared with {float_file.name} layer by layer",
            observed=f"{contract.variant} and {source_contract.variant}",
            expected=f"{contract.variant} and {formats[1]}-fp32",
            remedy=f"name the file of {formats[1]}-fp32 of the same build",
        )
    for one in (source_contract, contract):
        size = (one.input.height, one.input.width, one.input.channels)
        if len(pixels) == 0 or pixels.shape[1:] != size:
            raise UsageError(
                f"there are no images for {artifact.name}",
                observed=f"an array of shape {pixels.shape}",
                expected=f"at least one image of height, width, channels {size}",
                remedy="give images of the model's size",
            )
    if formats[0] == "tflite":
        from edgecnn.modelfile.layers.tflite import compare_tflite

        return compare_tflite(source, target, pixels, advance)
    from edgecnn.modelfile.layers.onnx import compare_onnx

    return compare_onnx(source, target, pixels, advance)


def _read(path: Path) -> tuple[Container, Contract]:
    container = read_artifact(path)
    if container.contract is None:
        raise ContractError(
            f"{path.name} carries no contract, so it cannot be told how to feed it",
            observed="a model file made elsewhere, or one that lost its end",
            expected="a file made by: edgecnn convert",
            remedy="convert its float model: edgecnn convert SOURCE",
        )
    return container, container.contract
