"""``edgecnn inspect``: what is inside a model file, also one made elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgecnn.cli.options import JsonOption, ModelArgument
from edgecnn.report.text import percent_text

if TYPE_CHECKING:
    from edgecnn.commands.inspect import Inspection, OperatorRow, TensorRow
    from edgecnn_runner.contract import Contract


def inspect(
    model: ModelArgument,
    json_output: JsonOption = False,
) -> None:
    """Show a model file's operators, sizes, multiply-accumulates, quantization and contract.

    Nothing is run; any .tflite or .onnx file will do.

    Example: edgecnn inspect build/demo/digits-int8.tflite
    """
    from edgecnn.cli.render import out_console, print_json
    from edgecnn.cli.tables import print_repair
    from edgecnn.commands import inspect as command

    found = command.inspect(model)
    if json_output:
        print_json(found.to_dict())
        return
    console = out_console()
    console.print(render_inspection(found))
    repair, contract = found.repair, found.contract
    if repair is not None and contract is not None and repair["outcome"] != "not needed":
        console.print()
        # The contract has the layers.
        print_repair(console, contract.variant, repair, layers=False)


_MAX_TEXT: Final = 60
_MAX_OPERATORS: Final = 40
_SHOWN_LABELS: Final = 5


def render_inspection(inspection: Inspection) -> RenderableType:
    """Return an inspection as something ``rich`` prints.

    Texts from the file are shown without control characters and markup: a name inside a file must
    not be able to write to the terminal.

    Args:
        inspection: What ``inspect_file`` found.

    Returns:
        Facts, then inputs and outputs, operators, contract and hints.
    """
    parts: list[RenderableType] = [
        _facts(inspection),
        Text(),
        _ends(inspection),
        Text(),
        _operators(inspection),
    ]
    if inspection.contract is not None:
        parts += [Text(), _contract(inspection.contract)]
    if inspection.hints:
        parts += [Text(), *(Text(f"note: {_plain(hint, 200)}") for hint in inspection.hints)]
    return Group(*parts)


def _plain(text: object, limit: int = _MAX_TEXT) -> str:
    """Return text that is safe to print, shortened."""
    shown = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(text)
    )
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}\N{HORIZONTAL ELLIPSIS}"


def _pairs(title: str, rows: Iterator[tuple[str, str]]) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", show_header=False, box=None
    )
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    return table


def _facts(inspection: Inspection) -> Table:
    return _pairs(_plain(inspection.file, 90), _fact_rows(inspection))


def _fact_rows(inspection: Inspection) -> Iterator[tuple[str, str]]:
    kind = {"tflite": "TFLite", "onnx": "ONNX"}[inspection.format]
    if inspection.opset is not None:
        kind += f", opset {inspection.opset}"
    if inspection.ir_version is not None:
        kind += f", IR version {inspection.ir_version}"
    yield "format", kind
    if inspection.description:
        yield "made by", _plain(inspection.description)
    yield "precision", _precision(inspection)
    yield (
        "size",
        (
            f"{inspection.file_bytes:,} bytes (model {inspection.payload_bytes:,}, "
            f"weights {inspection.weight_bytes:,})"
        ),
    )
    dtypes = ", ".join(f"{count:,} {dtype}" for dtype, count in inspection.weight_dtypes.items())
    yield "parameters", f"{inspection.parameters:,}" + (f" ({dtypes})" if dtypes else "")
    partly = " (without the operators noted below)" if inspection.uncounted else ""
    yield "multiply-accumulates", f"{inspection.macs:,}{partly}"
    yield "needs", _needs(inspection)
    for runtime, reason in inspection.runtimes.items():
        yield runtime, "loads it" if reason is None else f"does not load it: {_plain(reason, 200)}"
    yield "sha256", inspection.sha256


def _precision(inspection: Inspection) -> str:
    said = inspection.precision
    if "mixed" in said and inspection.macs:
        share = percent_text(inspection.float_macs / inspection.macs, 1)
        said += f", {share} of the multiply-accumulates in float"
    if inspection.per_channel is None:
        return said
    scales = "per channel" if inspection.per_channel else "per tensor"
    return f"{said}, weights {scales}"


def _needs(inspection: Inspection) -> str:
    names = {"tflite": "the TFLite runtime of TensorFlow", "onnxruntime": "ONNX Runtime"}
    needs = [f"{names[key]} {value} or newer" for key, value in inspection.min_runtime.items()]
    return _plain("; ".join(needs)) or "not known"


def _ends(inspection: Inspection) -> Table:
    table = Table(title="Inputs and outputs", title_justify="left", title_style="bold")
    for name in ("", "name", "shape", "type", "quantization"):
        table.add_column(name)
    for what, tensors in (("input", inspection.inputs), ("output", inspection.outputs)):
        for tensor in tensors[:_MAX_OPERATORS]:
            table.add_row(what, *_tensor_cells(tensor))
    return table


def _tensor_cells(tensor: TensorRow) -> tuple[Text, ...]:
    shape = "unknown"
    if tensor.shape is not None:
        shape = " x ".join("?" if size is None else str(size) for size in tensor.shape) or "scalar"
    quantization = ""
    if tensor.scale is not None:
        quantization = f"(value - {tensor.zero_point}) * {tensor.scale:.6g}"
    return tuple(
        Text(text) for text in (_plain(tensor.name, 40), shape, tensor.dtype, quantization)
    )


def _operators(inspection: Inspection) -> Table:
    total = sum(row.count for row in inspection.operators)
    table = Table(title=f"{total:,} operators", title_justify="left", title_style="bold")
    table.add_column("operator")
    table.add_column("count", justify="right")
    table.add_column("version" if inspection.format == "tflite" else "opset", justify="right")
    table.add_column("multiply-accumulates", justify="right")
    table.add_column("share", justify="right")
    for row in inspection.operators[:_MAX_OPERATORS]:
        table.add_row(*_operator_cells(row, inspection.macs))
    hidden = len(inspection.operators) - _MAX_OPERATORS
    if hidden > 0:
        table.add_row(f"{hidden} more types")
    return table


def _operator_cells(row: OperatorRow, total: int) -> tuple[Text, ...]:
    share = percent_text(row.macs / total, 1) if row.macs and total else ""
    macs = "not known" if row.macs is None else f"{row.macs:,}" if row.macs else ""
    versions = ", ".join(map(str, row.versions))
    return tuple(
        Text(text) for text in (_plain(row.name, 44), f"{row.count:,}", versions, macs, share)
    )


def _contract(contract: Contract) -> Table:
    return _pairs(f"Contract, version {contract.version}", _contract_rows(contract))


def _contract_rows(contract: Contract) -> Iterator[tuple[str, str]]:
    shown = ", ".join(_plain(label, 20) for label in contract.labels[:_SHOWN_LABELS])
    more = ", \N{HORIZONTAL ELLIPSIS}" if len(contract.labels) > _SHOWN_LABELS else ""
    image = contract.input
    yield "model", f"{_plain(contract.model)}, variant {_plain(contract.variant)}"
    yield "labels", f"{len(contract.labels):,}: {shown}{more}"
    yield (
        "image",
        (
            f"{image.height} x {image.width} x {image.channels} {image.layout}, {image.dtype}, "
            f"pixels as {image.range}, resize {contract.resize}"
        ),
    )
    yield "answer", f"{contract.output.kind}, {contract.output.dtype}"
    adopted = contract.adopted
    title = "compared with" if adopted else "float model"
    yield title, _plain(contract.source_sha256, 64) or "not recorded"
    if adopted:
        yield "made elsewhere", _plain(adopted.get("file", ""), 160)
        yield "by its own word", _plain(adopted.get("made_by", "not stated"), 160)
    calibration = adopted.get("calibration", "not known") if adopted else "none"
    yield "calibration", _plain(contract.calibration_sha256 or calibration, 64)
    kept = [f"{_plain(name)}: {_plain(why, 200)}" for name, why in contract.float_layers.items()]
    if kept:
        hidden = len(kept) - _MAX_OPERATORS
        lines = kept[:_MAX_OPERATORS] + ([f"{hidden} more"] if hidden > 0 else [])
        yield "kept in float", "\n".join(lines)
    made = ", ".join(f"{name} {version}" for name, version in contract.created_by.items())
    yield "adopted with" if adopted else "made with", _plain(made, 160) or "not recorded"
