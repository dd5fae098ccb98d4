"""A contract behind a TFLite model: a ZIP archive, which starts where the flatbuffer ends."""

from __future__ import annotations

import io
import zipfile
from typing import Final

from edgecnn_runner.contract import MAX_CONTRACT_BYTES, Contract
from edgecnn_runner.errors import COPY_AGAIN, ContractError

CONTRACT_ENTRY: Final = "edgecnn/contract.json"
LABELS_ENTRY: Final = "labels.txt"

_ZIP_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_DIRECTORY_END: Final = b"PK\x05\x06"
_MAX_DIRECTORY_END: Final = 65557  # 22 bytes and the longest comment


def append(payload: bytes, contract: Contract) -> bytes:
    """Return a TFLite model with its contract behind it.

    Args:
        payload: The flatbuffer, and whatever another program has put behind it, such as the
            archive of TFLite's own metadata; it stays as it is.
        contract: What the archive is to hold, with the labels once more for people.
    """
    buffer = io.BytesIO(payload)
    buffer.seek(0, io.SEEK_END)
    # Not mode "a", which would write over the directory of an archive that is there already.
    with zipfile.ZipFile(buffer, "w") as archive:
        labels = "".join(f"{label}\n" for label in contract.labels)
        for entry_name, body in ((CONTRACT_ENTRY, contract.to_json()), (LABELS_ENTRY, labels)):
            archive.writestr(zipfile.ZipInfo(entry_name, _ZIP_EPOCH), body)
    return buffer.getvalue()


def split(data: bytes, *, name: str) -> tuple[int, bytes | None]:
    """Return the size of the flatbuffer, and the contract's text; None if there is none.

    Args:
        data: The whole file.
        name: What to call it in errors.

    Raises:
        ContractError: If there is an archive with a contract, and it is damaged.
    """
    if data.rfind(_DIRECTORY_END, max(0, len(data) - _MAX_DIRECTORY_END)) < 0:
        if CONTRACT_ENTRY.encode() in data:
            raise _damaged(name, "its directory is missing")
        return len(data), None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read(archive, data, name)
    except (
        zipfile.BadZipFile,
        ValueError,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
    ) as error:
        raise _damaged(name, f"it cannot be read: {type(error).__name__}: {error}") from None


def _read(archive: zipfile.ZipFile, data: bytes, name: str) -> tuple[int, bytes | None]:
    entries = archive.infolist()
    ours = [entry for entry in entries if entry.filename == CONTRACT_ENTRY]
    if not ours:
        if CONTRACT_ENTRY.encode() in data:
            raise _damaged(name, "its directory does not list the contract")
        return len(data), None
    size = sum(entry.file_size for entry in entries)
    if len(ours) > 1:
        raise _damaged(name, f"it holds {len(ours)} contracts")
    if size > MAX_CONTRACT_BYTES:
        raise _damaged(name, f"its entries hold {size} bytes, not at most {MAX_CONTRACT_BYTES}")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise _damaged(name, "its entries are not stored as they were written")
    # Opening the other entries, too, finds damage there by their checksums.
    broken = archive.testzip()
    if broken is not None:
        raise _damaged(name, f"{broken} has a wrong checksum")
    return min(entry.header_offset for entry in entries), archive.read(CONTRACT_ENTRY)


def _damaged(name: str, why: str) -> ContractError:
    return ContractError(
        f"the archive behind the model in {name} is damaged",
        observed=why,
        expected=f"a ZIP archive with {CONTRACT_ENTRY} and {LABELS_ENTRY}, as it was appended",
        remedy=COPY_AGAIN,
    )
