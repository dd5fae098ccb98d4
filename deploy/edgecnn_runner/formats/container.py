"""Model file and contract in one file: where one ends, where the other begins.

Both formats allow bytes behind the model, so both are read the same way, payload then contract,
with the stdlib alone and before any runtime sees the file:

- ``.tflite`` (``container_tflite``): a ZIP archive follows the flatbuffer, as TFLite's own
  metadata does it, holding ``edgecnn/contract.json`` and ``labels.txt``;
- ``.onnx`` (``container_onnx``): two more ``metadata_props`` fields follow the model: the
  contract's digest and the contract.

The contract holds the digest of the payload. A file of ours that was damaged anywhere is
therefore refused here, with an error, and not by a native crash later.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, NamedTuple

from edgecnn_runner.contract import Contract, parse_contract
from edgecnn_runner.errors import COPY_AGAIN, ArtifactError, ContractError, remedy_for_reading
from edgecnn_runner.files import describe, regular_size

_MAX_FILE_BYTES: Final = 2 << 30  # neither flatbuffers nor protobuf go beyond 2 GiB


class Container(NamedTuple):
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
            observed=describe(path),
            expected="a .tflite or .onnx file that can be read",
            remedy=remedy_for_reading(error),
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
            f"{name} is empty",
            observed="0 bytes",
            expected="a TFLite or ONNX model",
            remedy=COPY_AGAIN,
        )
    model_format, payload_size, text = _taken_apart(data, name)
    contract = None
    if text is not None:
        contract = parse_contract(text)
        digest = hashlib.sha256(memoryview(data)[:payload_size]).hexdigest()
        if digest != contract.payload_sha256:
            raise ArtifactError(
                f"{name} is damaged: its model is not the one its contract was written for",
                observed=f"sha256 {digest}",
                expected=f"sha256 {contract.payload_sha256}",
                remedy=COPY_AGAIN,
            )
    return Container(format=model_format, data=data, payload_size=payload_size, contract=contract)


def looks_like_tflite(data: bytes) -> bool:
    """Tell a TFLite file by its identifier."""
    return data[4:8] == b"TFL3"


def _taken_apart(data: bytes, name: str) -> tuple[str, int, bytes | None]:
    """Return the format, the size of the payload, and the contract's text if there is one."""
    # Each format's own reading only where it is needed: a start has no time for both.
    if looks_like_tflite(data):
        from edgecnn_runner.formats import container_tflite

        return "tflite", *container_tflite.split(data, name=name)
    from edgecnn_runner.formats import container_onnx

    if container_onnx.looks_like_onnx(data):
        return "onnx", *container_onnx.split(data, name=name)
    raise ArtifactError(
        f"{name} is neither a TFLite nor an ONNX file",
        observed=f"{len(data)} bytes beginning {data[:8].hex(' ')}",
        expected="TFLite (identifier TFL3) or ONNX (a ModelProto)",
        remedy="name a .tflite or .onnx file; other models are converted first, on the "
        "workstation: edgecnn convert SOURCE",
    )


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
    if model_format == "onnx":
        from edgecnn_runner.formats import container_onnx

        return container_onnx.append(payload, contract.to_json())
    from edgecnn_runner.formats import container_tflite

    return container_tflite.append(payload, contract)
