"""Make the bytes of each variant from one deployable function, and check what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.artifact import CALIBRATED, format_of, precision_of
from edgecnn.convert.calibration import full_range
from edgecnn.convert.graph.deployable import Deployable
from edgecnn.convert.graph.onnx_direct import DirectOnnx
from edgecnn.convert.to_onnx import onnx_fp16, onnx_fp32, onnx_int8
from edgecnn.convert.to_tflite import to_tflite
from edgecnn.errors import ConversionError, EdgeError, some_of
from edgecnn.modelfile import Graph, Tensor, check_integer, read_graph
from edgecnn.modelfile.precision import find_precision

Pixels = npt.NDArray[np.uint8]

_FLOAT16_MAX: Final = 65504.0
_HARMLESS_CHANGE: Final = 1e-4
"""Of scores, as a share of the largest. Rounding all weights to float16 changes some 1e-4."""
_SMALL: Final = {
    "int8-dynamic": ": TFLite's dynamic quantization leaves weights of fewer than 1024 numbers"
}


@dataclass(frozen=True, kw_only=True)
class Payload:
    """One converted model without its contract.

    Attributes:
        data: The file's bytes.
        graph: What is in them.
    """

    data: bytes
    graph: Graph


class PayloadMaker:
    """Makes variants of one network; what they share is made once.

    Args:
        deployable: The function; or why there is none.
        calibration: Images for the integer variants, shape (n, height, width, channels); None
            if none of them will be asked for.
        opset: ONNX opset.
        ir_version: ONNX IR version.
        direct: The same network in ONNX, where the source is one: the ONNX variants are made of
            it; or why it cannot be used. None to make them of the function.
    """

    def __init__(
        self,
        deployable: Deployable | EdgeError,
        calibration: Pixels | None,
        *,
        opset: int,
        ir_version: int,
        direct: DirectOnnx | EdgeError | None = None,
    ) -> None:
        self._deployable, self._direct = deployable, direct
        self._calibration = None if calibration is None else full_range(calibration)
        self._opset, self._ir_version = opset, ir_version
        self._onnx_fp32: bytes | None = None

    @property
    def deployable(self) -> Deployable:
        """The function in TensorFlow.

        Raises:
            EdgeError: If the source has no copy there; it says why.
        """
        if isinstance(self._deployable, EdgeError):
            raise self._deployable
        return self._deployable

    def _network_of(self, variant: str) -> Deployable | DirectOnnx:
        """Return what a variant is made of; raises why there is none."""
        if format_of(variant) == "tflite" or self._direct is None:
            return self.deployable
        if isinstance(self._direct, EdgeError):
            raise self._direct
        return self._direct

    def make(self, variant: str) -> Payload:
        """Convert to one variant and check it.

        Args:
            variant: One of ``edgecnn.recipe.load.VARIANTS``.

        Returns:
            The checked model.

        Raises:
            ConversionError: If a converter fails, or ``check_payload`` finds a fault.
            EdgeError: Why there is no network to make it of.
        """
        precision = precision_of(variant)
        network = self._network_of(variant)
        if precision in CALIBRATED and network.loops:
            # TensorFlow's converter ends the whole process (SIGSEGV) on the lists of a recurrent
            # layer, and onnxruntime's leaves what is in a loop in float32.
            raise ConversionError(
                f"{variant} cannot be made of a network with a loop",
                observed=f"the loop {some_of(dict.fromkeys(network.loops))}",
                expected="no loop: what is in one is not quantized",
                remedy="build recurrent layers with unroll=True, or leave this variant out with "
                "--variant",
            )
        if format_of(variant) == "tflite":
            data = to_tflite(self.deployable, precision, self._calibration)
        else:
            data = self._make_onnx(precision)
        return self.checked(variant, data)

    def checked(self, variant: str, data: bytes) -> Payload:
        """Take a model that was made elsewhere for what a variant's name says, once checked.

        Raises:
            ConversionError: If ``check_payload`` finds a fault.
        """
        graph = read_graph(data)
        check_payload(graph, variant, self._network_of(variant))
        return Payload(data=data, graph=graph)

    def float_onnx(self) -> bytes:
        """Return the float32 ONNX model, which the others are made of.

        Raises:
            ConversionError: If a converter fails.
            EdgeError: Why there is no network to make it of.
        """
        network = self._network_of("onnx-fp32")
        if isinstance(network, DirectOnnx):
            return network.data
        if self._onnx_fp32 is None:
            self._onnx_fp32 = onnx_fp32(network, opset=self._opset, ir_version=self._ir_version)
        return self._onnx_fp32

    def _make_onnx(self, precision: str) -> bytes:
        fp32 = self.float_onnx()
        if precision == "fp16":
            return onnx_fp16(fp32)
        if precision == "int8":
            assert self._calibration is not None  # noqa: S101 - the caller's promise
            return onnx_int8(fp32, self._calibration)
        return fp32


def check_payload(graph: Graph, variant: str, deployable: Deployable | DirectOnnx) -> None:
    """Check that a converted model is what its variant's name says.

    Args:
        graph: The converted model.
        variant: What was asked for.
        deployable: What it was made from.

    Raises:
        ConversionError: If it needs operators a device does not have, its ends have other types
            or shapes, weights became infinite, an integer variant computes with real numbers, or
            has one scale for all channels of its convolutions' weights.
    """
    precision = precision_of(variant)
    faults = []
    if graph.flex or graph.custom:
        names = some_of(dict.fromkeys((*graph.flex, *graph.custom)))
        faults.append(f"operators outside {graph.format}: {names}")
    if graph.nonfinite:
        faults.append(f"weights that are not numbers: {some_of(dict.fromkeys(graph.nonfinite))}")
    if precision == "fp16":
        faults += _clipped(deployable)
    computes = find_precision(graph)
    # Where only what is no product stays in float, all products are int8.
    allowed = ("int8-mixed", "int8") if precision == "int8-mixed" else (precision, "none")
    if computes.name not in allowed:
        faults.append(f"it computes in {computes.name}" + _SMALL.get(precision, ""))
    # TFLite's dense layers have one scale; its convolutions, and all of ONNX, one per channel.
    scaled = graph.format == "onnx" or any("CONV" in operator.name for operator in graph.operators)
    if precision in CALIBRATED and scaled and computes.per_channel is False:
        faults.append("weights with one scale for all channels")
    ends = "uint8" if variant == "tflite-int8" else "float32"
    faults += _end_faults("input", graph.inputs, ends, (1, *deployable.shape))
    faults += _end_faults("output", graph.outputs, ends, (1, deployable.classes))
    integer = precision in CALIBRATED and precision != "int8-mixed"
    if integer:
        real = check_integer(graph)
        if real:
            faults.append(
                f"operators that compute with real numbers: {some_of(dict.fromkeys(real))}"
            )
    if faults:
        raise ConversionError(
            f"what was converted to {variant} is not {variant}",
            observed="; ".join(faults),
            expected=f"{graph.format} operators alone, {ends} ends"
            + (", integers in between" if integer else ""),
            remedy="replace the layers named, or leave this variant out with --variant",
        )


def _clipped(deployable: Deployable | DirectOnnx) -> list[str]:
    """Tell what float16 cannot hold; both converters clip it without a word."""
    beyond = f"beyond {_FLOAT16_MAX:.0f}, the largest number of float16"
    if deployable.largest_weight > _FLOAT16_MAX:
        return [f"a weight of {deployable.largest_weight:.3g}, {beyond}"]
    # A layer may hold 1 / epsilon as a limit that nothing comes near.
    largest, change = deployable.clipping(_FLOAT16_MAX)
    if change <= _HARMLESS_CHANGE:
        return []
    return [f"a constant of {largest:.3g}, {beyond}: clipping it changes scores by {change:.2g}"]


def _end_faults(
    side: str, ends: tuple[Tensor, ...], dtype: str, shape: tuple[int, ...]
) -> list[str]:
    found = [(end.dtype, end.shape) for end in ends]
    if found == [(dtype, shape)]:
        return []
    text = some_of(f"{kind} {size}" for kind, size in found) or "none"
    return [f"{side} {text} instead of {dtype} {shape}"]
