"""Model file and contract in one file: where one ends, where the other begins.

Both formats allow bytes behind the model, so both are read the same way, payload then contract,
with the stdlib alone and before any runtime sees the file:

- ``.tflite``: a ZIP archive follows the flatbuffer (as TFLite's own metadata does it), holding
  ``edgecnn/contract.json`` and ``labels.txt``;
- ``.onnx``: two more ``metadata_props`` fields (number 14 of ModelProto; onnx/onnx.proto) follow
  the model: the contract's digest, since protobuf has no checksums as ZIP has, and the contract.
  Protobuf merges repeated fields wherever they stand, so every ONNX reader sees them.

The contract holds the digest of the payload. A file of ours that was damaged anywhere is
therefore refused here, with an error, and not by a native crash later.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgecnn_runner.contract import Contract, parse_contract
from edgecnn_runner.errors import ArtifactError, ContractError
from edgecnn_runner.files import regular_size

__all__ = [
    "CONTRACT_ENTRY",
    "LABELS_ENTRY",
    "ONNX_CONTRACT_KEY",
    "ONNX_DIGEST_KEY",
    "Container",
    "append_contract",
    "read_container",
    "split_container",
]

CONTRACT_ENTRY: Final = "edgecnn/contract.json"
LABELS_ENTRY: Final = "labels.txt"
ONNX_CONTRACT_KEY: Final = "edgecnn_contract"
ONNX_DIGEST_KEY: Final = "edgecnn_contract_sha256"

_MAX_ENTRY_BYTES: Final = 4 << 20  # a contract is a few kilobytes; more is an attack or damage
_MAX_FILE_BYTES: Final = 2 << 30  # neither flatbuffers nor protobuf go beyond 2 GiB
_ZIP_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Container:
    """A model file taken apart.

    Attributes:
        format: ``tflite`` or ``onnx``.
        data: The whole file.
        payload_size: Bytes of ``data`` that are the model itself, without the contract.
        contract: The contract, its payload digest checked; None in a foreign file.
    """

    format: str
    data: bytes
    payload_size: int
    contract: Contract | None

    @property
    def payload(self) -> bytes:
        """The model's bytes without the contract."""
        return self.data[: self.payload_size]


def read_container(path: str | Path) -> Container:
    """Read a model file and its contract, checking the payload's digest.

    Args:
        path: A ``.tflite`` or ``.onnx`` file; what it is is told by its content.

    Returns:
        The file taken apart.

    Raises:
        ArtifactError: If the file is missing, not a regular file, empty, too large, neither
            TFLite nor ONNX, or not the bytes its contract was written for.
        ContractError: If it carries a contract that cannot be read.
    """
    path = Path(path)
    try:
        size = regular_size(path)
        if size > _MAX_FILE_BYTES:
            raise ArtifactError(
                f"{path} is too large for a model file",
                observed=f"{size} bytes",
                expected=f"at most {_MAX_FILE_BYTES} bytes",
                remedy="name the model file itself",
            )
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"cannot read {path}: {error.strerror or error}",
            remedy="check the path; a build's artifacts are listed in its manifest.json",
        ) from error
    return split_container(data, name=str(path))


def split_container(data: bytes, *, name: str) -> Container:
    """Take a model file's bytes apart; see ``read_container``.

    Args:
        data: The whole file.
        name: What to call it in errors.

    Returns:
        The file taken apart.

    Raises:
        ArtifactError: As for ``read_container``.
        ContractError: As for ``read_container``.
    """
    if not data:
        raise ArtifactError(
            f"{name} is empty", observed="0 bytes", remedy="copy or convert the file again"
        )
    if data[4:8] == b"TFL3":
        model_format, (payload_size, text) = "tflite", _split_tflite(data, name)
    elif _looks_like_onnx(data):
        model_format, (payload_size, text) = "onnx", _split_onnx(data, name)
    else:
        raise ArtifactError(
            f"{name} is neither a TFLite nor an ONNX file",
            observed=f"first bytes {data[:8].hex(' ')}",
            expected="TFLite (identifier TFL3) or ONNX (a ModelProto)",
            remedy="name a .tflite or .onnx file; other models are converted first: "
            "edgecnn convert MODEL",
        )
    contract = None
    if text is not None:
        contract = parse_contract(text)
        digest = hashlib.sha256(memoryview(data)[:payload_size]).hexdigest()
        if digest != contract.payload_sha256:
            raise ArtifactError(
                f"{name} is damaged: its model is not the one its contract was written for",
                observed=f"sha256 {digest}",
                expected=f"sha256 {contract.payload_sha256}",
                remedy="copy the file again from where it was made, or convert the model again",
            )
    return Container(format=model_format, data=data, payload_size=payload_size, contract=contract)


def append_contract(payload: bytes, contract: Contract, *, model_format: str) -> bytes:
    """Return a model with its contract behind it; the inverse of ``split_container``.

    Args:
        payload: A TFLite flatbuffer or an ONNX ModelProto without a contract.
        contract: Its ``payload_sha256`` must be the payload's.
        model_format: ``tflite`` or ``onnx``.

    Returns:
        The bytes of the self-describing file; equal inputs give equal bytes.

    Raises:
        ContractError: If the contract's digest is not the payload's.
    """
    digest = hashlib.sha256(payload).hexdigest()
    if contract.payload_sha256 != digest:
        raise ContractError(
            "the contract was written for another model",
            observed=contract.payload_sha256,
            expected=digest,
            remedy="make the contract from the payload it is appended to",
        )
    text = contract.to_json()
    if model_format == "onnx":
        written = text.encode()
        return payload + _digest_entry(written) + _metadata_entry(ONNX_CONTRACT_KEY, written)
    buffer = io.BytesIO(payload)
    with zipfile.ZipFile(buffer, "a") as archive:
        labels = "".join(f"{label}\n" for label in contract.labels)
        for entry_name, body in ((CONTRACT_ENTRY, text), (LABELS_ENTRY, labels)):
            archive.writestr(zipfile.ZipInfo(entry_name, _ZIP_EPOCH), body)
    return buffer.getvalue()


def _split_tflite(data: bytes, name: str) -> tuple[int, bytes | None]:
    if data.rfind(b"PK\x05\x06", max(0, len(data) - 65557)) < 0:
        if CONTRACT_ENTRY.encode() in data:
            raise _damaged_archive(name, "its directory is missing")
        return len(data), None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            ours = [entry for entry in entries if entry.filename == CONTRACT_ENTRY]
            if not ours:
                if CONTRACT_ENTRY.encode() in data:
                    raise _damaged_archive(name, "its directory does not list the contract")
                return len(data), None
            if len(ours) > 1 or ours[0].file_size > _MAX_ENTRY_BYTES:
                raise _damaged_archive(name, "its contract entry is not plausible")
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise _damaged_archive(name, "its entries are not stored as they were written")
            # Opening the other entries, too, finds damage there by their checksums.
            if sum(entry.file_size for entry in entries) > _MAX_ENTRY_BYTES:
                raise _damaged_archive(name, "its entries are too large")
            broken = archive.testzip()
            if broken is not None:
                raise _damaged_archive(name, f"{broken} has a wrong checksum")
            return min(entry.header_offset for entry in entries), archive.read(CONTRACT_ENTRY)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError, OSError):
        raise _damaged_archive(name, "it cannot be read") from None


def _damaged_archive(name: str, why: str) -> ContractError:
    return ContractError(
        f"the archive behind the model in {name} is damaged: {why}",
        remedy="copy the file again from where it was made, or convert the model again",
    )


def _looks_like_onnx(data: bytes) -> bool:
    """Tell a ModelProto by its first fields: ir_version, producer, opset or graph."""
    try:
        number, wire, _ = _tag(data, 0)
    except ArtifactError:
        return False
    return (number, wire) in ((1, 0), (2, 2), (7, 2), (8, 2))


def _split_onnx(data: bytes, name: str) -> tuple[int, bytes | None]:
    """Walk the top-level fields of a ModelProto; the contract is the last one."""
    position, last = 0, (0, 0, 0)
    has_graph = False
    while position < len(data):
        start = position
        number, wire, position = _tag(data, position)
        if wire == 0:
            _, position = _varint(data, position)
        elif wire == 2:
            length, position = _varint(data, position)
            last = (start, position, position + length)
            has_graph |= number == 7
            position += length
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        else:
            raise _not_protobuf(name, start)
        if number == 0 or position > len(data):
            raise _not_protobuf(name, start)
    if not has_graph:
        raise ArtifactError(
            f"{name} holds no graph", remedy="name an ONNX model file, not another protobuf file"
        )
    start, body, end = last
    entry = data[body:end]
    key = _field(1, ONNX_CONTRACT_KEY.encode())
    if not (end == len(data) and entry.startswith(key) and _tag(data, start)[0] == 14):
        if ONNX_CONTRACT_KEY.encode() in data:
            raise ContractError(
                f"{name} holds a contract that is damaged or not at its end",
                remedy="do not edit a converted file; convert the model again",
            )
        return len(data), None
    number, wire, position = _tag(entry, len(key))
    length, position = _varint(entry, position)
    if (number, wire) != (2, 2) or position + length != len(entry) or length > _MAX_ENTRY_BYTES:
        raise _not_protobuf(name, start)
    text = entry[position:]
    guard = _digest_entry(text)
    if not data.endswith(guard, 0, start):
        raise ContractError(
            f"the contract in {name} is damaged: it is not the text its digest was made of",
            remedy="copy the file again from where it was made, or convert the model again",
        )
    return start - len(guard), text


def _digest_entry(text: bytes) -> bytes:
    return _metadata_entry(ONNX_DIGEST_KEY, hashlib.sha256(text).hexdigest().encode())


def _metadata_entry(key: str, value: bytes) -> bytes:
    """Encode one StringStringEntryProto as a metadata_props field."""
    return _field(14, _field(1, key.encode()) + _field(2, value))


def _not_protobuf(name: str, position: int) -> ArtifactError:
    return ArtifactError(
        f"{name} is a damaged or truncated ONNX file (byte {position})",
        remedy="copy the file again from where it was made, or convert the model again",
    )


def _tag(data: bytes, position: int) -> tuple[int, int, int]:
    value, position = _varint(data, position)
    return value >> 3, value & 7, position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _not_protobuf("the model", position)


def _field(number: int, body: bytes) -> bytes:
    """Encode one length-delimited protobuf field."""
    return _encode_varint(number << 3 | 2) + _encode_varint(len(body)) + body


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
