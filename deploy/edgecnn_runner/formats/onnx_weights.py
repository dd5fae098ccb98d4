"""Checks that an ONNX file holds all of its weights, before a runtime looks for them elsewhere.

A tensor of an ONNX file may be kept in another file, which it names relative to its own folder.
onnxruntime, given the file's bytes, takes the current folder for that: the same file would answer
differently from different folders, and no digest covers what it reads there. Such tensors are
looked for wherever onnx/onnx.proto lets one stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edgecnn_runner.errors import COPY_AGAIN, ArtifactError
from edgecnn_runner.formats.protobuf import LENGTH, VARINT, BrokenProtobufError, fields, varint

MESSAGES: Final[Mapping[str, Mapping[int, str]]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
}
"""Message to those of its fields that lead to a tensor, and the message that each holds."""

_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14  # fields of TensorProto


def check_weights_inside(data: bytes) -> None:
    """Refuse an ONNX file of which a tensor is in another file.

    Args:
        data: The whole file.

    Raises:
        ArtifactError: If one is, or if the file is not built as an ONNX file has to be.
    """
    pending = [("ModelProto", 0, len(data))]  # no recursion: nothing limits how deep graphs nest
    try:
        while pending:
            message, start, end = pending.pop()
            if message == "TensorProto":
                _check_tensor(data, start, end)
                continue
            inner = MESSAGES[message]
            pending.extend(
                (inner[field.number], field.body, field.end)
                for field in fields(data, start, end)
                if field.number in inner and field.wire == LENGTH
            )
    except BrokenProtobufError as error:
        raise ArtifactError(
            f"the model is not built as an ONNX file has to be (byte {error.position})",
            observed=f"{error}; the file has {len(data)} bytes",
            expected="protobuf fields, each inside the one it is a part of",
            remedy=COPY_AGAIN,
        ) from error


def _check_tensor(data: bytes, start: int, end: int) -> None:
    name, location, is_elsewhere = b"", b"", False
    for field in fields(data, start, end):
        if (field.number, field.wire) == (_DATA_LOCATION, VARINT):
            # 0 is the file itself, 1 another one. Whether what follows takes it back, or whether
            # a reader keeps all of its bits, is not relied on.
            is_elsewhere |= varint(data, field.body)[0] != 0
        elif (field.number, field.wire) == (_EXTERNAL_DATA, LENGTH):
            is_elsewhere = True
            location = _location(data, field.body, field.end) or location
        elif (field.number, field.wire) == (_NAME, LENGTH):
            name = data[field.body : field.end]
    if is_elsewhere:
        raise ArtifactError(
            "the model keeps weights in another file, which the runner does not follow",
            observed=f"tensor {_spell(name)} in {_spell(location)}",
            expected="one file that holds all of its weights",
            remedy="on the workstation, beside that other file, store it as one file: "
            "onnx.save(onnx.load(FILE), NEW, save_as_external_data=False)",
        )


def _location(data: bytes, start: int, end: int) -> bytes:
    """Return the file that an entry of external_data names; empty if it says something else."""
    entry = {
        field.number: data[field.body : field.end]
        for field in fields(data, start, end)
        if field.wire == LENGTH
    }
    return entry.get(2, b"") if entry.get(1) == b"location" else b""


def _spell(name: bytes) -> str:
    """Spell what a file says in ASCII: it may hold anything, also what a terminal obeys."""
    return ascii(name[:60].decode(errors="replace"))
