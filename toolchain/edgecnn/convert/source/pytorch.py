"""Tells a file of PyTorch by its content, and says how to export it; nothing of it is unpickled.

PyTorch's files hold programs: a pickle runs whatever it names, and a state_dict holds no network at
all. So they are named, and the way to ONNX is told.
"""

from __future__ import annotations

import shlex
import zipfile
from pathlib import Path
from typing import Final

from edgecnn.errors import SourceModelError

TORCHVISION: Final = "--input-mean 0.485,0.456,0.406 --input-std 0.229,0.224,0.225"
"""The options with the mean and deviation of the pixels 0..1 that torchvision's weights want."""

_ZIP: Final = b"PK\x03\x04"
# The pickled number 0x1950a86a20f9469cfc6c, with which torch.save began until 1.6.
_LEGACY: Final = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_SUFFIXES: Final = (".pt", ".pth", ".pt2", ".ckpt", ".bin", ".pkl", ".pickle", ".safetensors")
_MOST_MEMBERS: Final = 100_000


def pytorch_kind(path: Path, head: bytes) -> str | None:
    """Tell what of PyTorch's a file is.

    Args:
        path: The file.
        head: Its first 16 bytes.

    Returns:
        Words for it, such as ``a TorchScript model``; None if it is none of PyTorch's.
    """
    if head.startswith(_ZIP):
        return _archive_kind(path)
    if head[2:].startswith(_LEGACY[:12]) or (
        len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5 and path.suffix.lower() in _SUFFIXES
    ):
        return "a pickle as torch.save(...) writes it"
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= length <= 100 << 20:
        return "weights in the form of safetensors"
    return None


def _archive_kind(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:_MOST_MEMBERS]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    # All members are in one folder, called as the file was.
    inner = {name.partition("/")[2] for name in names}
    if "archive_format" in inner | set(names) or any(
        "serialized_exported_program" in name for name in names
    ):
        return "a program as torch.export.save(...) writes it"
    if "data.pkl" not in inner and "data.pkl" not in names:
        return None
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return "a TorchScript model"
    return "a file as torch.save(...) writes it"


def refused_pytorch(path: Path, kind: str) -> SourceModelError:
    """Return the error about a file of PyTorch's, which says in two lines how to export it."""
    onnx = shlex.quote(path.with_suffix(".onnx").name)
    return SourceModelError(
        f"{path} is {kind}, and edgecnn takes PyTorch's networks as ONNX",
        observed=kind,
        expected="an ONNX file; edgecnn does not open pickles, and needs no PyTorch",
        remedy="in Python, with the network loaded and SIDE as in its training: "
        f"torch.onnx.export(net.eval(), torch.zeros(1, 3, SIDE, SIDE), {path.stem + '.onnx'!r})\n"
        f"then edgecnn convert {onnx} --data FOLDER --labels FILE {TORCHVISION}"
        " (torchvision's weights; --input-range 0..1 where pixels were only divided by 255)",
    )
