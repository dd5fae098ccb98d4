"""Reads an ONNX file that is to be converted: whole, bounded, and with no code in it.

The weights that it keeps in files beside it are taken in, functions of the file itself are written
out, and what is no float network in inference is refused by name. Nothing is run here.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Final

from edgecnn.convert.reasons import reason_of
from edgecnn.errors import ArtifactError, SourceModelError, some_of
from edgecnn.modelfile import read_graph
from edgecnn_runner.formats.container import read_container

_OLDEST_OPSET: Final = 7
_STANDARD: Final = ("", "ai.onnx")
_QUANTIZED: Final = frozenset({
    "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv",
    "QLinearMatMul", "QuantizeLinear",
})  # fmt: skip
_OF_CHANCE: Final = frozenset({
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
    "RandomUniformLike",
})  # fmt: skip
_TABLES: Final = "ai.onnx.ml."
_EXPORT: Final = "export the network again with torch.onnx.export(...), or as its framework does"


def read_proto(path: Path) -> tuple[Any, tuple[str, ...]]:
    """Read a file as an ONNX ModelProto.

    Args:
        path: The file.

    Returns:
        The message, its weights where the file has them; and the names of the other files, beside
        it, that it keeps weights in.

    Raises:
        SourceModelError: If the file cannot be read, is damaged, or names files elsewhere.
    """
    from onnx import ModelProto

    from edgecnn.modelfile.onnx_external import external_files
    from edgecnn.modelfile.types import DamagedGraphError

    try:
        container = read_container(path)
        if container.format != "onnx":
            raise _damaged(path, f"it is a {container.format} file")
        read_graph(container, name=str(path))  # its structure, which trusts nothing in it
        proto = ModelProto.FromString(container.data)
        return proto, external_files(proto)
    except ArtifactError as error:
        raise SourceModelError(
            error.problem, observed=error.observed, expected=error.expected, remedy=error.remedy
        ) from error
    except DamagedGraphError as error:
        raise _damaged(path, str(error)) from error


def read_model(path: Path) -> Any:
    """Read a file as an ONNX ModelProto that is complete and holds standard operators only.

    Args:
        path: The file.

    Returns:
        The message: all weights in it, no functions, one operator domain.

    Raises:
        SourceModelError: If it cannot be taken: damaged, quantized, in training mode, with
            operators of others, too old, or with weights that are no numbers or not where they
            should be.
    """
    import onnx
    from onnx import inliner

    from edgecnn.modelfile.onnx_external import take_in
    from edgecnn.modelfile.types import DamagedGraphError

    proto, others = read_proto(path)
    if others:
        try:
            take_in(proto, path.parent)
        except DamagedGraphError as error:
            raise SourceModelError(
                f"{path} cannot be read: {error}",
                observed=f"weights in {some_of(others)}",
                expected="those files beside it, as the exporter wrote them",
                remedy="copy them along; or store it as one file: onnx.save(onnx.load(FILE), NEW, "
                "save_as_external_data=False)",
            ) from error
    if proto.functions:
        try:
            proto = inliner.inline_local_functions(proto)
        except Exception as error:
            raise _damaged(path, reason_of(error)) from error
    _check_operators(path, proto)
    _check_inference(path, proto)
    _check_numbers(path, proto)
    try:
        onnx.checker.check_model(proto)
    except Exception as error:
        raise SourceModelError(
            f"{path} is not a valid ONNX model",
            observed=reason_of(error),
            expected="what onnx.checker.check_model accepts",
            remedy=_EXPORT,
        ) from error
    return proto


def opset_of(proto: Any) -> int:
    """Return the version of the standard operators that a model uses; 0 if it says none."""
    return next((int(o.version) for o in proto.opset_import if o.domain in _STANDARD), 0)


def _check_operators(path: Path, proto: Any) -> None:
    nodes = list(_nodes(proto.graph))
    foreign = sorted({f"{n.domain}.{n.op_type}" for n in nodes if n.domain not in _STANDARD})
    if foreign and all(name.startswith(_TABLES) for name in foreign):
        raise SourceModelError(
            f"{path} is no network of images",
            observed=f"operators for tables: {some_of(foreign)}",
            expected="a convolutional network, of operators of the domain ai.onnx",
            remedy="convert an image classifier; scikit-learn's models, for example, are none",
        )
    if foreign:
        raise SourceModelError(
            f"{path} has operators outside the ONNX standard",
            observed=some_of(foreign),
            expected="operators of the domain ai.onnx; nothing else is on a device",
            remedy="export the network without them: for example not the file that a runtime's "
            "optimizer wrote, but the one it was made of",
        )
    quantized = sorted({node.op_type for node in nodes} & _QUANTIZED)
    if quantized:
        raise SourceModelError(
            f"{path} is quantized already",
            observed=some_of(quantized),
            expected="a float model; edgecnn quantizes, and proves what came of it",
            remedy="convert the float model that it was made of; to prove and package it as it "
            f"is: edgecnn adopt {shlex.quote(str(path))} --reference MODEL --data PATH "
            "--labels FILE --input-range RANGE",
        )
    opset = opset_of(proto)
    if opset < _OLDEST_OPSET:
        raise SourceModelError(
            f"{path} uses operators from before ONNX 1.2",
            observed=f"opset {opset}",
            expected=f"opset {_OLDEST_OPSET} or later",
            remedy=_EXPORT,
        )


def _check_inference(path: Path, proto: Any) -> None:
    """Refuse a network whose answer depends on chance, or on the other images of a batch."""
    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    found = []
    for node in _nodes(proto.graph):
        training = any(entry.name == "training_mode" and entry.i for entry in node.attribute)
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
        if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2] in constants:
            switch = constants[node.input[2]]
            training = any(switch.raw_data) or any(switch.int32_data)
        if training or node.op_type in _OF_CHANCE:
            found.append(node.op_type)
    if found:
        raise SourceModelError(
            f"{path} is a network in training: its answers are not of one image alone",
            observed=some_of(dict.fromkeys(found)),
            expected="a network in inference, without chance",
            remedy="export it again in inference; in PyTorch: torch.onnx.export(net.eval(), ...)",
        )


def _check_numbers(path: Path, proto: Any) -> None:
    """Refuse weights that are NaN, which a training that ran out of bounds leaves."""
    import numpy as np
    from onnx import TensorProto, numpy_helper

    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
    found = [
        tensor.name
        for tensor in proto.graph.initializer
        if tensor.data_type in floats
        and np.isnan(np.asarray(numpy_helper.to_array(tensor), np.float32)).any()
    ]
    if found:
        raise SourceModelError(
            f"weights of {path} are not numbers: {some_of(found)}",
            observed="NaN",
            expected="finite weights",
            remedy="train again with a lower learning rate, or take an earlier checkpoint",
        )


def _nodes(graph: Any) -> Any:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _nodes(body)


def _damaged(path: Path, why: str) -> SourceModelError:
    return SourceModelError(
        f"{path} is not a usable ONNX file: {why}",
        observed=why,
        expected="a sound ONNX file, as an exporter writes it",
        remedy="copy the file again from where it was made, or " + _EXPORT,
    )
