"""What ``edgecnn inspect`` tells about a model file, as data.

Nothing is run and no runtime is imported, so that any file can be looked at anywhere.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edgecnn.build.workspace import Workspace
from edgecnn.commands.paths import best_file
from edgecnn.errors import EdgeError
from edgecnn.modelfile import Graph, Tensor, check_integer, loads, read_graph
from edgecnn.modelfile.precision import Precision, find_precision
from edgecnn.modelfile.runtimes import unlisted
from edgecnn_runner.contract import Contract
from edgecnn_runner.errors import ArtifactError
from edgecnn_runner.fitting import check_classifier
from edgecnn_runner.formats.container import Container, read_container
from edgecnn_runner.runtimes.choice import TensorInfo

INSPECT_SCHEMA: Final = 1

# The last release of the package that old Raspberry Pi systems have; worth a line of its own.
_LAST_TFLITE_RUNTIME: Final = "2.14.0"


@dataclass(frozen=True, kw_only=True)
class TensorRow:
    """One input or output.

    Attributes:
        name: As in the file.
        shape: None for sizes left open; None as a whole if the file does not tell.
        dtype: For example ``uint8``.
        scale: Real units per integer step; None for real numbers. The first of several.
        zero_point: The integer that stands for real 0; None for real numbers.
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True, kw_only=True)
class OperatorRow:
    """All operators of one type.

    Attributes:
        name: With its domain if that is not the format's own.
        count: How many.
        versions: Their versions (TFLite) or opset (ONNX), ascending.
        macs: Multiply-accumulates of all of them; None if those of one cannot be told.
    """

    name: str
    count: int
    versions: tuple[int, ...]
    macs: int | None


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a model file is.

    Attributes:
        file: Its path, as given.
        sha256: Of the whole file, lower-case hex.
        format: ``tflite`` or ``onnx``.
        description: The file's own description or producer; may be empty.
        file_bytes: Size of the file.
        payload_bytes: Size without the contract.
        weight_bytes: Size of the weights.
        parameters: Number of weights.
        weight_dtypes: Data type to number of weights.
        macs: Multiply-accumulates of one run, sizes left open counted as 1.
        uncounted: Operators that ``macs`` leaves out.
        precision: ``fp32``, ``fp16``, ``int8``, ``int8-dynamic``, ``int8-weights``, ``int16x8``,
            ``int8-mixed``, ``mixed (...)``, or ``none`` for a graph without products.
        per_channel: Whether quantized weights have a scale per channel; None if there are none.
        inputs: What to feed.
        outputs: What comes out.
        operators: By type, most multiply-accumulates first, then most frequent.
        float_operators: In a file of integer precision, the operators that are not integer.
        min_runtime: ``tflite`` (a TensorFlow release) or ``onnxruntime`` to the lowest version.
        runtimes: Well-known runtime and version to the reason it cannot load the file, or None.
        opset: ONNX only.
        ir_version: ONNX only.
        metadata: The file's metadata names, and their values where short.
        contract: The contract inside; None in a file made elsewhere.
        hints: What a user of the file may want to know or mend, a sentence each.
        float_macs: Of ``macs``, those of products of real numbers.
        repair: What the build around it records of its repair; None where there is nothing.
    """

    file: str
    sha256: str
    format: str
    description: str
    file_bytes: int
    payload_bytes: int
    weight_bytes: int
    parameters: int
    weight_dtypes: Mapping[str, int]
    macs: int
    uncounted: tuple[str, ...]
    precision: str
    per_channel: bool | None
    inputs: tuple[TensorRow, ...]
    outputs: tuple[TensorRow, ...]
    operators: tuple[OperatorRow, ...]
    float_operators: tuple[str, ...]
    min_runtime: Mapping[str, str]
    runtimes: Mapping[str, str | None]
    opset: int | None
    ir_version: int | None
    metadata: Mapping[str, str] = field(default_factory=dict)
    contract: Contract | None = None
    hints: tuple[str, ...] = ()
    float_macs: int = 0
    repair: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values; ``contract`` is None if there is none."""
        plain = dataclasses.asdict(dataclasses.replace(self, contract=None))
        plain["schema"] = INSPECT_SCHEMA
        plain["contract"] = None if self.contract is None else dataclasses.asdict(self.contract)
        return plain


def inspect(path: Path) -> Inspection:
    """Look into a model file, or the file of a build that is to be shipped.

    Args:
        path: A ``.tflite`` or ``.onnx`` file, also one made elsewhere; or a build, a recipe that
            was built, or the folder of a released model.

    Raises:
        ArtifactError: If the file is missing, of another type, or damaged.
        ContractError: If it carries a contract that cannot be read.
        WorkspaceError: If a build is named that has no verified file.
    """
    file = best_file(path)
    found = inspect_file(file)
    return dataclasses.replace(found, repair=_recorded_repair(file, found.sha256))


def _recorded_repair(file: Path, sha256: str) -> Mapping[str, Any] | None:
    """Return what the build around a file says of its repair.

    Another file of the same name, with another digest, has another history.
    """
    try:
        rows = Workspace(file.parent).manifest()["variants"]
    except EdgeError:
        return None
    repairs: list[Mapping[str, Any] | None] = [
        row.get("repair") for row in rows if row.get("sha256") == sha256
    ]
    return next((repair for repair in repairs if repair is not None), None)


def inspect_file(path: str | Path) -> Inspection:
    """Look into a model file alone.

    Args:
        path: A ``.tflite`` or ``.onnx`` file, also one made elsewhere.

    Returns:
        What it is.

    Raises:
        ArtifactError: If it is missing, of another type, or damaged.
        ContractError: If it carries a contract that cannot be read.
    """
    return inspect_container(read_container(path), file=str(path))


def inspect_container(container: Container, *, file: str) -> Inspection:
    """Look into a model file that was taken apart already; see ``inspect_file``.

    Args:
        container: The file.
        file: What to call it.

    Returns:
        What it is.

    Raises:
        ArtifactError: If it is damaged.
    """
    graph = read_graph(container, name=file)
    precision = find_precision(graph)
    is_integer = precision.name in ("int8", "int16x8") or "mixed" in precision.name
    real = tuple(check_integer(graph)) if is_integer else ()
    return Inspection(
        file=file,
        sha256=hashlib.sha256(container.data).hexdigest(),
        format=graph.format,
        description=graph.description,
        file_bytes=len(container.data),
        payload_bytes=graph.payload_bytes,
        weight_bytes=graph.weight_bytes,
        parameters=graph.parameters,
        weight_dtypes=dict(graph.weight_dtypes),
        macs=graph.macs,
        uncounted=graph.uncounted,
        precision=precision.name,
        per_channel=precision.per_channel,
        inputs=tuple(map(_tensor_row, graph.inputs)),
        outputs=tuple(map(_tensor_row, graph.outputs)),
        operators=_operator_rows(graph),
        float_operators=real,
        min_runtime=dict(graph.min_runtime),
        runtimes=_runtimes(graph),
        opset=graph.opset,
        ir_version=graph.ir_version,
        metadata=dict(graph.metadata),
        contract=container.contract,
        hints=tuple(find_hints(graph, precision, container.contract, real)),
        float_macs=precision.real_macs,
    )


def _tensor_row(tensor: Tensor) -> TensorRow:
    quantization = tensor.quantization
    return TensorRow(
        name=tensor.name,
        shape=tensor.shape,
        dtype=tensor.dtype,
        scale=None if quantization is None else quantization.scales[0],
        zero_point=None if quantization is None else quantization.zero_points[0],
    )


def _operator_rows(graph: Graph) -> tuple[OperatorRow, ...]:
    groups: dict[str, list[tuple[int | None, int | None]]] = {}
    for operator in graph.operators:
        name = f"{operator.domain}.{operator.name}" if operator.domain else operator.name
        groups.setdefault(name, []).append((operator.version, operator.macs))
    rows = []
    for name, members in groups.items():
        macs = [macs for _, macs in members if macs is not None]
        rows.append(
            OperatorRow(
                name=name,
                count=len(members),
                versions=tuple(sorted({version for version, _ in members if version is not None})),
                macs=sum(macs) if len(macs) == len(members) else None,
            )
        )
    return tuple(sorted(rows, key=lambda row: (-(row.macs or 0), -row.count, row.name)))


def _runtimes(graph: Graph) -> dict[str, str | None]:
    if graph.format != "tflite":
        return {}
    reason = loads(graph, "tflite-runtime", _LAST_TFLITE_RUNTIME)
    return {f"tflite-runtime {_LAST_TFLITE_RUNTIME}": reason}


_RECODING: Final = ("QUANTIZE", "DEQUANTIZE", "QuantizeLinear", "DequantizeLinear")


def find_hints(
    graph: Graph, precision: Precision, contract: Contract | None, real: tuple[str, ...]
) -> Iterator[str]:
    """Yield a sentence for each thing that a file's user may want to know or mend.

    Args:
        graph: The file's.
        precision: The graph's.
        contract: The file's; None in one that was made elsewhere.
        real: Operators of an integer graph that are not integer.
    """
    if graph.external:
        yield (
            f"edgecnn run cannot run it: {len(graph.external)} of its weights are in other files; "
            "store it as one: onnx.save_model(onnx.load(FILE), NEW)"
        )
    elif contract is None:
        reason = _not_runnable(graph)
        yield (
            f"edgecnn run cannot run it: {reason}"
            if reason
            else "no contract inside: edgecnn run needs --labels and --input-range for this file"
            + (", and --output-kind for scores of a sigmoid" if _ends_in_sigmoid(graph) else "")
        )
    if graph.nonfinite:
        yield f"NaN or infinity in {_listed(graph.nonfinite)}: its answers mean nothing"
    if graph.flex:
        yield f"needs TensorFlow's Flex delegate, which small runtimes lack: {_listed(graph.flex)}"
    if graph.custom:
        yield f"operators outside the format, which a plain runtime lacks: {_listed(graph.custom)}"
    newer = unlisted(graph)
    if newer:
        yield f"in no runtime this program knows: {_listed(newer)}"
    if precision.name == "int8-mixed":
        products = tuple(name for name in real if not name.startswith(_RECODING))
        yield f"{precision.name}: these compute with real numbers: {_listed(products)}"
    elif real:
        yield f"{precision.name}, but these compute with real numbers: {_listed(real)}"
    yield from _end_hints(graph, precision)
    if graph.uncounted:
        yield f"the multiply-accumulates of {_listed(graph.uncounted)} are not in the sum"


def _ends_in_sigmoid(graph: Graph) -> bool:
    """Tell whether the scores are a sigmoid's, as far as the last operators tell."""
    makers = {id(tensor): op for op in graph.operators for tensor in op.outputs}
    tensor: Tensor | None = graph.outputs[0] if graph.outputs else None
    while tensor is not None and (maker := makers.pop(id(tensor), None)) is not None:
        if maker.name not in _RECODING:
            return maker.name in ("LOGISTIC", "Sigmoid")
        tensor = maker.inputs[0] if maker.inputs else None
    return False


def _not_runnable(graph: Graph) -> str | None:
    """Say why the runner would refuse a file that was made elsewhere; None if it would not."""
    if any(tensor.shape is None for tensor in (*graph.inputs, *graph.outputs)):
        return None  # the file does not tell; its runtime may know
    ends = [
        tuple(
            TensorInfo(
                name=tensor.name,
                shape=tuple(-1 if size is None else size for size in tensor.shape or ()),
                dtype=tensor.dtype,
            )
            for tensor in tensors
        )
        for tensors in (graph.inputs, graph.outputs)
    ]
    try:
        check_classifier(ends[0], ends[1], name="it")
    except ArtifactError as error:
        problem = error.problem.removeprefix("it is not an image classifier: ")
        return problem if str(error.observed) in problem else f"{problem}: {error.observed}"
    return None


def _end_hints(graph: Graph, precision: Precision) -> Iterator[str]:
    for what, ends in (("input", graph.inputs), ("output", graph.outputs)):
        if len(ends) != 1:
            yield f"{len(ends)} {what}s: an image classifier has one"
        for tensor in ends[:1]:
            batch = tensor.shape[0] if tensor.shape else 1
            if batch is None:
                yield f"the {what}'s batch size is open; a fixed batch of 1 is smaller and faster"
            elif what == "input" and batch > 1:
                yield f"it takes {batch} images at a time"
            is_integer = precision.name in ("int8", "int16x8")
            if graph.format == "tflite" and is_integer and tensor.dtype == "float32":
                yield f"{precision.name} inside, but its {what} is float32"


def _listed(names: tuple[str, ...]) -> str:
    """Name the first few."""
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
