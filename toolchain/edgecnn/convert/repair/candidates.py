"""Other ways to int8 than the first one, in order of cost, for TFLite and for ONNX.

What can be varied is what the tools offer: which images and how many, how single images' ranges
become one, how weights are clipped. A candidate that is ``selective`` can also leave layers out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.convert.calibration import calibration_of, full_range
from edgecnn.convert.payload import PayloadMaker
from edgecnn.convert.repair.layers_to_keep import KeepableLayers, find_layers
from edgecnn.convert.repair.selective_tflite import SelectiveTflite
from edgecnn.convert.to_onnx import Ranges, onnx_int8
from edgecnn.convert.to_tflite import to_tflite, with_uint8_ends
from edgecnn.data import Dataset
from edgecnn.data.calibration import CalibrationSet
from edgecnn.errors import CalibrationError
from edgecnn.modelfile import read_graph

Pixels = npt.NDArray[np.uint8]

_MORE: Final = 4
"""How many times as many images the next try takes."""


@dataclass(frozen=True, kw_only=True)
class RepairCandidate:
    """One way to make an integer file.

    Attributes:
        what: In words.
        method: JSON-ready, for the record: ``tool`` and what it was told.
        calibration: The images.
        make: Takes the keys of layers that are to stay float32, and gives a model without its
            contract; raises ``ConversionError``.
        selective: Whether ``make`` can leave layers out.
    """

    what: str
    method: Mapping[str, Any]
    calibration: CalibrationSet
    make: Callable[[frozenset[str]], bytes]
    selective: bool


class Calibrations:
    """Sets of calibration images.

    Args:
        dataset: They come from its train split.
        first: What the build's own integer files are calibrated with.
        only_first: There are to be no others, since candidates are judged on training images.
    """

    def __init__(
        self, dataset: Dataset, first: CalibrationSet, *, only_first: bool = False
    ) -> None:
        self._dataset, self.first, self._only_first = dataset, first, only_first

    def more(self) -> CalibrationSet | None:
        """Return four times as many, or all there are; None if there are no more."""
        count, seed = self.first.record["count"], self.first.record["seed"]
        wanted = min(_MORE * count, len(self._dataset.train))
        if wanted <= count or self._only_first:
            return None
        try:
            return calibration_of(self._dataset, count=wanted, seed=seed)
        except CalibrationError:
            return None  # some of them occur twice, or among the test images

    def others(self) -> CalibrationSet | None:
        """Return as many by another seed; None where all images are in use."""
        if self._only_first:
            return None
        count, seed = self.first.record["count"], self.first.record["seed"]
        found = calibration_of(self._dataset, count=count, seed=(seed + 1) % 2**31)
        return None if found.record["ids"] == self.first.record["ids"] else found


class Methods(Protocol):
    """The ways to one format.

    Attributes:
        float_file: The float32 model that layers are named after, without a contract.
        layers: Its layers.
    """

    float_file: bytes
    layers: KeepableLayers

    def candidates(self) -> Iterator[RepairCandidate]:
        """Yield them, the cheapest first."""


class TfliteMethods:
    """Ways to TFLite: TensorFlow's converter, and ai-edge-quantizer; see ``Methods``.

    Args:
        payloads: Gives the function to convert.
        calibrations: Images.
    """

    def __init__(self, payloads: PayloadMaker, calibrations: Calibrations) -> None:
        self._deployable, self._calibrations = payloads.deployable, calibrations
        # The same array each time, of which the quantizer knows the ranges.
        self._images = full_range(calibrations.first.pixels)
        self._selective = SelectiveTflite(to_tflite(payloads.deployable, "fp32", None))
        self.float_file = self._selective.float_file
        self.layers = find_layers(self._selective.graph, self._selective.keys)

    def candidates(self) -> Iterator[RepairCandidate]:
        """Yield the ways to make a file, the cheapest first."""
        for calibration in (self._calibrations.more(), self._calibrations.others()):
            if calibration is not None:
                yield self._converted(calibration)
        for ranges, weights in (
            ("min-max", "min-max"),
            ("moving-average", "min-max"),
            ("min-max", "octav"),
            ("moving-average", "octav"),
        ):
            yield self._quantized(ranges, weights)

    def _converted(self, calibration: CalibrationSet) -> RepairCandidate:
        def make(kept: frozenset[str]) -> bytes:
            del kept  # it cannot leave layers out
            return to_tflite(self._deployable, "int8", full_range(calibration.pixels))

        return RepairCandidate(
            what=f"TensorFlow's converter, {_images(calibration)}",
            method={"tool": "tensorflow"},
            calibration=calibration,
            make=make,
            selective=False,
        )

    def _quantized(self, ranges: str, weights: str) -> RepairCandidate:
        calibration = self._calibrations.first

        def make(kept: frozenset[str]) -> bytes:
            data = self._selective.quantize(self._images, ranges=ranges, weights=weights, kept=kept)
            return data if kept else with_uint8_ends(data)

        how = {"min-max": "widest ranges", "moving-average": "ranges by moving average"}[ranges]
        clipped = ", weights clipped by OCTAV" if weights == "octav" else ""
        return RepairCandidate(
            what=f"ai-edge-quantizer, {_images(calibration)}, {how}{clipped}",
            method={"tool": "ai-edge-quantizer", "ranges": ranges, "weights": weights},
            calibration=calibration,
            make=make,
            selective=True,
        )


class OnnxMethods:
    """Ways to ONNX, all of them onnxruntime's; see ``Methods``.

    Args:
        payloads: Gives the float model.
        calibrations: Images.
        folder: For the ranges, which are taken once for each set of images and method.
    """

    def __init__(self, payloads: PayloadMaker, calibrations: Calibrations, folder: Path) -> None:
        import onnx

        self._calibrations, self._folder = calibrations, folder
        self.float_file = payloads.float_onnx()
        names = tuple(node.name for node in onnx.load_from_string(self.float_file).graph.node)
        self.layers = find_layers(read_graph(self.float_file), names)

    def candidates(self) -> Iterator[RepairCandidate]:
        """Yield the ways to make a file, the cheapest first."""
        first = self._calibrations.first
        for calibration in (self._calibrations.more(), self._calibrations.others()):
            if calibration is not None:
                yield self._quantized(calibration, Ranges(), "widest ranges")
        for ranges, how in (
            (Ranges(), "widest ranges"),
            (Ranges(average=True), "mean ranges"),
            (Ranges(method="Percentile", percentile=99.99), "99.99 % of the values"),
            (Ranges(method="Percentile", percentile=99.9), "99.9 % of the values"),
            (Ranges(method="Entropy"), "ranges by entropy"),
        ):
            yield self._quantized(first, ranges, how)

    def _quantized(self, calibration: CalibrationSet, ranges: Ranges, how: str) -> RepairCandidate:
        images = full_range(calibration.pixels)
        method = {
            "tool": "onnxruntime",
            "method": ranges.method,
            **({"percentile": ranges.percentile} if ranges.method == "Percentile" else {}),
            **({"average": True} if ranges.average else {}),
        }
        place = "-".join(map(str, [calibration.record["sha256"][:12], *method.values()]))

        def make(kept: frozenset[str]) -> bytes:
            cache = self._folder / f"{place}.json"
            return onnx_int8(self.float_file, images, ranges=ranges, kept=kept, cache=cache)

        return RepairCandidate(
            what=f"onnxruntime, {_images(calibration)}, {how}",
            method=method,
            calibration=calibration,
            make=make,
            selective=True,
        )


def _images(calibration: CalibrationSet) -> str:
    record = calibration.record
    return f"{record['count']:,} images of seed {record['seed']}"
