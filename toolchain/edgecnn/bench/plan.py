"""The plan of a bench: the files of builds, and single ones, read once."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from edgecnn.bench.results import ArtifactBench
from edgecnn.build.artifact import format_of
from edgecnn.devices.on_device.raw_model import closed_shape, random_values, type_of
from edgecnn.devices.types import printable
from edgecnn.errors import ArtifactError, EdgeError, RowError, UsageError
from edgecnn.log import has_read
from edgecnn.modelfile import Graph, Tensor, read_graph
from edgecnn.modelfile.precision import find_precision
from edgecnn_runner.contract import FLOATS, Contract, InputSpec, OutputSpec
from edgecnn_runner.fitting import check_classifier, class_count
from edgecnn_runner.formats.container import append_contract, split_container
from edgecnn_runner.runtimes.choice import TensorInfo

Wanted: TypeAlias = tuple[int, int, int, str]
"""Height, width and channels of a model's images, and the rule that brings images there."""

MOST_ARTIFACTS = 80
"""A device names the one it is at by a byte, and a file may have several runtimes."""


@dataclass(frozen=True, kw_only=True)
class ProvenAccuracy:
    """What a verification found of a file with this digest.

    Attributes:
        verdict: PASS, FAIL, INCONCLUSIVE or ERROR.
        accuracy: Share of test images that it got right, 0..1; None if that is not known.
    """

    verdict: str
    accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class BenchFile:
    """One file to measure.

    Attributes:
        row: What is known of it already; with an error where it cannot be measured anywhere.
        format: ``tflite`` or ``onnx``; empty if it cannot be measured.
        input: What images are brought to for it; None if it cannot be measured, or is no image
            classifier.
        data: The whole file as it is sent; of a classifier without a contract, with a stand-in
            behind it.
    """

    row: ArtifactBench
    format: str = ""
    input: Wanted | None = None
    data: bytes = b""

    @property
    def sent_sha256(self) -> str:
        """Digest of what is sent, which a device has to have measured."""
        return hashlib.sha256(self.data).hexdigest() if self.row.random_input else self.row.sha256


def plan(paths: Sequence[Path], proven: dict[str, ProvenAccuracy]) -> tuple[BenchFile, ...]:
    """Read the files to measure.

    Args:
        paths: Artifacts; one that is named twice counts once.
        proven: SHA-256 to what is known of a file with it.

    Returns:
        One for each; those that cannot be measured have an error.

    Raises:
        UsageError: If there is none, or there are too many.
    """
    files = tuple(_file(path, proven) for path in dict.fromkeys(paths))
    if not 0 < len(files) <= MOST_ARTIFACTS:
        raise UsageError(
            "there is nothing to measure" if not files else "there are too many files to measure",
            observed=f"{len(files)} files",
            expected=f"1 to {MOST_ARTIFACTS}",
            remedy="name a build or model files: edgecnn bench BUILD"
            if not files
            else "measure them in several parts",
        )
    return files


def _file(path: Path, proven: dict[str, ProvenAccuracy]) -> BenchFile:
    try:
        data = path.read_bytes()
        has_read(path)
    except OSError as error:
        row = ArtifactBench(model="", variant=path.stem, file=path.name, sha256="", bytes=0)
        unreadable = ArtifactError(
            f"{path} cannot be read",
            observed=error.strerror,
            expected="a .tflite or .onnx file",
            remedy="check its path and its rights; edgecnn convert makes such files",
        )
        return BenchFile(row=_with_error(row, unreadable))
    digest = hashlib.sha256(data).hexdigest()
    known = proven.get(digest)
    row = ArtifactBench(
        model=path.stem,
        variant=path.stem,
        file=path.name,
        sha256=digest,
        bytes=len(data),
        verdict=None if known is None else known.verdict,
        accuracy=None if known is None else known.accuracy,
    )
    try:
        container = split_container(data, name=str(path))
        contract = container.contract
        graph = read_graph(container, name=str(path))
        random_input = contract is None
        if contract is None:
            check_inside(path, graph)
            if not _is_classifier(graph):
                return _raw(path, graph, row, data)
            contract = stand_in(path, graph, data)
            data = append_contract(data, contract, model_format=graph.format)
    except EdgeError as error:
        return BenchFile(row=_with_error(row, error))
    spec = contract.input
    row = ArtifactBench(
        model=contract.model,
        variant=contract.variant,
        file=path.name,
        sha256=digest,
        bytes=row.bytes,
        # A sum that leaves operators out would make the rest look faster.
        macs=None if graph.uncounted else graph.macs,
        verdict=row.verdict,
        accuracy=row.accuracy,
        random_input=random_input,
    )
    return BenchFile(
        row=row,
        format=format_of(contract.variant),
        input=(spec.height, spec.width, spec.channels, contract.resize),
        data=data,
    )


def stand_in(path: Path, graph: Graph, data: bytes) -> Contract:
    """Return a contract for a file that has none, by which it can be timed and no more.

    Any range and any labels will do: they change no time. Shapes and types are the file's own.

    Args:
        path: The file.
        graph: What is inside.
        data: All of it.

    Raises:
        ArtifactError: If it is no image classifier that the runner can feed.
    """
    ends = _ends(graph)
    check_classifier(ends[0], ends[1], name=str(path))
    fed, given = graph.inputs[0], graph.outputs[0]
    shape = ends[0][0].shape
    layout = "NHWC" if shape[3] in (1, 3) else "NCHW"
    height, width, channels = shape[1:] if layout == "NHWC" else (*shape[2:], shape[1])
    precision = find_precision(graph).name.partition(" ")[0]
    (in_scale, in_zero), (out_scale, out_zero) = map(_quantization, (fed, given))
    outputs = class_count(ends[1][0].shape)
    return Contract(
        model=path.stem,
        variant=f"{graph.format}-foreign-{precision}",
        labels=tuple(str(index) for index in range(max(outputs, 2))),
        input=InputSpec(
            height=height,
            width=width,
            channels=channels,
            dtype=fed.dtype,
            layout=layout,
            scale=in_scale,
            zero_point=in_zero,
        ),
        output=OutputSpec(
            dtype=given.dtype,
            kind="probabilities" if outputs > 1 else "binary-probability",
            scale=out_scale,
            zero_point=out_zero,
        ),
        payload_sha256=hashlib.sha256(data).hexdigest(),
    )


def check_inside(path: Path, graph: Graph) -> None:
    """Refuse a file that keeps weights in others, which are not sent.

    Raises:
        ArtifactError: If it does.
    """
    if graph.external:
        raise ArtifactError(
            f"{path} keeps its weights in other files",
            observed=f"{len(graph.external)} constants elsewhere",
            expected="one file with its weights inside",
            remedy="store it as one: onnx.save_model(onnx.load(FILE), NEW)",
        )


def _ends(graph: Graph) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    """Return inputs and outputs as a runtime would describe them."""
    inputs, outputs = (
        tuple(
            TensorInfo(
                name=tensor.name,
                shape=tuple(-1 if size is None else size for size in tensor.shape or ()),
                dtype=tensor.dtype,
            )
            for tensor in tensors
        )
        for tensors in (graph.inputs, graph.outputs)
    )
    return inputs, outputs


def _is_classifier(graph: Graph) -> bool:
    try:
        check_classifier(*_ends(graph), name="it")
    except ArtifactError:
        return False
    return True


def _raw(path: Path, graph: Graph, row: ArtifactBench, data: bytes) -> BenchFile:
    """Return a file that is no image classifier: it is sent as it is, and fed at random.

    Raises:
        ArtifactError: If one of its inputs takes no numbers.
    """
    inputs, _ = _ends(graph)
    random_values(inputs, name=str(path))
    fed = "; ".join(
        f"{one.name} {'x'.join(map(str, closed_shape(one.shape))) or 'one number'} "
        f"{type_of(one.dtype)}"
        for one in inputs
    )
    precision = find_precision(graph).name.partition(" ")[0]
    return BenchFile(
        row=dataclasses.replace(
            row,
            variant=f"{graph.format}-foreign-{precision}",
            # Open sizes are counted as 1, and it is fed others.
            macs=None if graph.uncounted or _is_open(graph) else graph.macs,
            random_input=True,
            fed=printable(fed, most=300),
        ),
        format=graph.format,
        data=data,
    )


def _is_open(graph: Graph) -> bool:
    return any(None in (tensor.shape or ()) for tensor in graph.inputs)


def _quantization(end: Tensor) -> tuple[float, int]:
    """Return scale and zero point of an integer end; 1 and 0 where it has none."""
    if end.dtype in FLOATS or end.quantization is None:
        return 1.0, 0
    return end.quantization.scales[0], end.quantization.zero_points[0]


def _with_error(row: ArtifactBench, error: EdgeError) -> ArtifactBench:
    return dataclasses.replace(row, error=RowError.of(error))
