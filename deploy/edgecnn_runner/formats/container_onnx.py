"""A contract behind an ONNX model: two more ``metadata_props`` fields of the ModelProto.

They are field 14 of ModelProto (onnx/onnx.proto): first the contract's digest, since protobuf has
no checksums as ZIP has, then the contract. Protobuf merges repeated fields wherever they stand, so
every ONNX reader sees them. Only as much of protobuf is read here as it takes to find them.
"""

from __future__ import annotations

import hashlib
from typing import Final

from edgecnn_runner.contract import MAX_CONTRACT_BYTES
from edgecnn_runner.errors import CONVERT_AGAIN, COPY_AGAIN, ArtifactError, ContractError
from edgecnn_runner.formats.protobuf import (
    LENGTH,
    VARINT,
    BrokenProtobufError,
    encode_field,
    fields,
    tag,
    varint,
)

ONNX_CONTRACT_KEY: Final = "edgecnn_contract"
ONNX_DIGEST_KEY: Final = "edgecnn_contract_sha256"

_METADATA_PROPS: Final = 14
_GRAPH: Final = 7


def looks_like_onnx(data: bytes) -> bool:
    """Tell a ModelProto by its first field: ir_version, producer, graph or opset."""
    try:
        number, wire, _ = tag(data, 0)
    except BrokenProtobufError:
        return False
    return (number, wire) in ((1, VARINT), (2, LENGTH), (_GRAPH, LENGTH), (8, LENGTH))


def append(payload: bytes, text: str) -> bytes:
    """Return an ONNX model with its contract behind it.

    Args:
        payload: The ModelProto.
        text: The contract's.
    """
    written = text.encode()
    return payload + _digest_entry(written) + _metadata_entry(ONNX_CONTRACT_KEY, written)


def split(data: bytes, *, name: str) -> tuple[int, bytes | None]:
    """Return the size of the ModelProto, and the contract's text; None if there is none.

    Args:
        data: The whole file.
        name: What to call it in errors.

    Raises:
        ArtifactError: If the file is cut off, or no ONNX model.
        ContractError: If there is a contract, and it is damaged.
    """
    try:
        return _split_before(data, *_last_field(data, name), name)
    except BrokenProtobufError as error:
        raise ArtifactError(
            f"{name} is a damaged or truncated ONNX file (byte {error.position})",
            observed=f"{error}; the file has {len(data)} bytes",
            expected="protobuf fields, of which the last ends where the file ends",
            remedy=COPY_AGAIN,
        ) from error


def _last_field(data: bytes, name: str) -> tuple[int, int, int]:
    """Walk the top-level fields; return start, body and end of the last one with a length."""
    last, has_graph = (0, 0, 0), False
    for field in fields(data, 0, len(data)):
        if field.wire == LENGTH:
            last = (field.start, field.body, field.end)
            has_graph |= field.number == _GRAPH
    if not has_graph:
        raise ArtifactError(
            f"{name} holds no graph",
            observed=f"{len(data)} bytes of protobuf without field {_GRAPH}",
            expected="a ModelProto with a graph",
            remedy="name an ONNX model file, not another protobuf file",
        )
    return last


def _split_before(
    data: bytes, start: int, body: int, end: int, name: str
) -> tuple[int, bytes | None]:
    """Split before the field at ``start`` and its guard, if that field is the contract."""
    entry = data[body:end]
    key = encode_field(1, ONNX_CONTRACT_KEY.encode())
    is_last = end == len(data)
    if not (is_last and entry.startswith(key) and tag(data, start)[0] == _METADATA_PROPS):
        found = data.find(ONNX_CONTRACT_KEY.encode())
        if found >= 0:
            raise ContractError(
                f"{name} holds a contract that is damaged or not at its end",
                observed=f"{ONNX_CONTRACT_KEY} at byte {found} of {len(data)}",
                expected="the contract as the last field",
                remedy=f"do not edit a converted file; {CONVERT_AGAIN}",
            )
        return len(data), None
    number, wire, position = tag(entry, len(key))
    length, position = varint(entry, position)
    if (number, wire) != (2, LENGTH) or position + length != len(entry):
        raise BrokenProtobufError(start, "a contract that does not fill its field")
    if length > MAX_CONTRACT_BYTES:
        raise BrokenProtobufError(
            start, f"a contract of {length} bytes, not at most {MAX_CONTRACT_BYTES}"
        )
    text = entry[position:]
    guard = _digest_entry(text)
    if not data.endswith(guard, 0, start):
        raise ContractError(
            f"the contract in {name} is damaged: it is not the text its digest was made of",
            observed=f"sha256 {hashlib.sha256(text).hexdigest()}",
            expected=f"the sha256 that is recorded before byte {start}",
            remedy=COPY_AGAIN,
        )
    return start - len(guard), text


def _digest_entry(text: bytes) -> bytes:
    return _metadata_entry(ONNX_DIGEST_KEY, hashlib.sha256(text).hexdigest().encode())


def _metadata_entry(key: str, value: bytes) -> bytes:
    """Encode one StringStringEntryProto as a metadata_props field."""
    return encode_field(_METADATA_PROPS, encode_field(1, key.encode()) + encode_field(2, value))
