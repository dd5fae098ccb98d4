"""Files of PyTorch are told by their content, never opened, and their way to ONNX is told."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecnn.convert import find_source
from edgecnn.errors import SourceModelError


def archive(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name in names:
            file.writestr(name, b"\x80\x02}.")
    return made.getvalue()


class Bomb:
    """Opened as a pickle, it ends the test."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return exec, ("raise SystemExit('unpickled')",)


def legacy() -> bytes:
    """What torch.save wrote until 1.6: a number, a version, the system, and the object."""
    parts = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, Bomb())
    return b"".join(pickle.dumps(part, protocol=2) for part in parts)


def safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


FILES = {
    "saved": ("net.pt", archive("net/data.pkl", "net/version"), "torch.save"),
    "renamed": ("net.keras", archive("net/data.pkl", "net/version"), "torch.save"),
    "script": ("net.pt", archive("n/data.pkl", "n/constants.pkl", "n/code/n.py"), "TorchScript"),
    "program": ("net.pt2", archive("n/archive_format", "n/version"), "torch.export"),
    "program at the top": ("net.pt2", archive("archive_format", "version"), "torch.export"),
    "first program": ("net.pt2", archive("serialized_exported_program.json"), "torch.export"),
    "legacy": ("net.pth", legacy(), "pickle"),
    "pickle": ("weights.pkl", pickle.dumps(Bomb(), protocol=4), "pickle"),
    "safetensors": ("net.safetensors", safetensors(), "safetensors"),
}


@pytest.mark.parametrize("name", FILES)
def test_it_is_named_and_the_way_to_onnx_is_told(name: str, tmp_path: Path) -> None:
    file, data, said = FILES[name]
    path = tmp_path / file
    path.write_bytes(data)
    with pytest.raises(SourceModelError, match=said) as raised:
        find_source(path)
    first, second = str(raised.value.remedy).splitlines()
    assert "torch.onnx.export(" in first
    assert f"edgecnn convert {path.stem}.onnx" in second
    assert "--input-mean 0.485,0.456,0.406 --input-std 0.229,0.224,0.225" in second


def test_a_zip_of_something_else_is_not_pytorchs(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    path.write_bytes(archive("readme.txt"))
    with pytest.raises(SourceModelError, match="not a Keras model"):
        find_source(path)


@pytest.mark.parametrize("data", [b"\x80", b"\x80\x02", b"PK\x03\x04", b"{}", b"\x08"])
def test_short_files_are_errors_too(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    path.write_bytes(data)
    with pytest.raises(SourceModelError):
        find_source(path)
