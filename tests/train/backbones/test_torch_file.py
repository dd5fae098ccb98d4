"""Files of tensors as PyTorch wrote them before 1.6, good and made by an attacker."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from edgecnn.train.backbones.torch_file import TorchFileError, read_torch_tensors

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class _Storage:
    """What PyTorch refers to by a persistent id."""

    def __init__(self, key: str, kind: str, values: np.ndarray[Any, Any]) -> None:
        self.key, self.kind, self.values = key, kind, values
        self.length: Any = len(values)


class _Named:
    """Pickles as a global name, whether or not that can be imported here."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Call:
    def __init__(self, module: str, name: str, *arguments: Any) -> None:
        self.function, self.arguments = _Named(module, name), arguments


class _Pickler(pickle._Pickler):  # the one in Python, which can be extended
    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, _Storage):
            kind = _Named("torch", value.kind)
            return ("storage", kind, value.key, "cpu", value.length, None)
        return None

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, _Named):
            self.write(b"c" + f"{value.module}\n{value.name}\n".encode())  # type: ignore[attr-defined]
        elif isinstance(value, _Call):
            self.save(value.function)
            self.save(value.arguments)
            self.write(b"R")  # type: ignore[attr-defined]
        else:
            super().save(value, save_persistent_id)  # type: ignore[misc]


def pickled(value: Any) -> bytes:
    import io

    stream = io.BytesIO()
    _Pickler(stream, protocol=2).dump(value)
    return stream.getvalue()


def tensor(storage: _Storage, offset: Any, shape: Any, strides: Any) -> _Call:
    return _Call(
        "torch._utils", "_rebuild_tensor_v2", storage, offset, shape, strides, False, OrderedDict()
    )


def saved(tensors: Any, *storages: _Storage, header: tuple[int, int] = (MAGIC, PROTOCOL)) -> bytes:
    parts = [pickled(one) for one in header]
    parts += [pickled({"little_endian": True}), pickled(tensors)]
    parts.append(pickled([one.key for one in storages]))
    for one in storages:
        parts.append(len(one.values).to_bytes(8, "little") + one.values.tobytes())
    return b"".join(parts)


FLOATS = _Storage("1", "FloatStorage", np.arange(6, dtype="<f4"))
LONGS = _Storage("2", "LongStorage", np.array([7], dtype="<i8"))


def test_tensors_come_as_they_were_saved() -> None:
    data = saved(
        OrderedDict(
            kernel=tensor(FLOATS, 0, (2, 3), (3, 1)),
            turned=tensor(FLOATS, 0, (3, 2), (1, 3)),
            part=tensor(FLOATS, 4, (2,), (1,)),
            count=tensor(LONGS, 0, (), ()),
        ),
        FLOATS,
        LONGS,
    )
    found = read_torch_tensors(data)
    assert found["kernel"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert found["part"].tolist() == [4, 5]
    assert found["count"] == 7
    assert found["kernel"].dtype == np.float32
    assert all(one.flags.c_contiguous and one.flags.writeable for one in found.values())


def test_a_name_that_is_not_of_tensors_is_refused_and_not_called(tmp_path: Any) -> None:
    mark = tmp_path / "mark"
    for module, name in (("posix", "system"), ("builtins", "eval"), ("numpy", "load")):
        data = saved(_Call(module, name, f"touch {mark}"))
        with pytest.raises(TorchFileError, match=f"asks for {module}.{name}"):
            read_torch_tensors(data)
    assert not os.path.exists(mark)  # noqa: PTH110


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (7,), (1,)),
        (6, (1,), (1,)),
        (0, (2, 3), (4, 1)),
        (0, (10**9, 10**9), (0, 0)),
        (0, (100,), (0,)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (2, 3), (1,)),
        (0, (0,), (1,)),
        (0, "ab", (1,)),
        (0.5, (2,), (1,)),
        (0, (2**80,), (1,)),
        (0, (1,) * 9, (1,) * 9),
    ],
)
def test_a_tensor_that_does_not_fit_its_storage_is_refused(
    offset: Any, shape: Any, strides: Any
) -> None:
    data = saved({"kernel": tensor(FLOATS, offset, shape, strides)}, FLOATS)
    with pytest.raises(TorchFileError, match="tensor"):
        read_torch_tensors(data)


def test_a_length_that_the_file_does_not_have_is_refused() -> None:
    long = _Storage("1", "FloatStorage", FLOATS.values)
    long.length = 2**39
    with pytest.raises(TorchFileError, match="cut off"):
        read_torch_tensors(saved({"kernel": tensor(long, 0, (2,), (1,))}, long))


@pytest.mark.parametrize("cut", [1, 30, 60, 120, 200])
def test_a_file_that_is_cut_off_is_refused(cut: int) -> None:
    data = saved({"kernel": tensor(FLOATS, 0, (6,), (1,))}, FLOATS)
    with pytest.raises(TorchFileError):
        read_torch_tensors(data[:-cut])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04" + bytes(100),
        pickled(MAGIC),
        saved({"a": 1}),
        saved([1, 2]),
        saved({1: tensor(FLOATS, 0, (6,), (1,))}, FLOATS),
        saved({"a": tensor(FLOATS, 0, (6,), (1,))}, FLOATS, header=(MAGIC, 1002)),
        saved({"a": tensor(FLOATS, 0, (6,), (1,))}, FLOATS) + b"more",
        saved({"a": tensor(FLOATS, 0, (6,), (1,))}, FLOATS, LONGS),
        saved({"a": FLOATS}, FLOATS),
        b"\x80\x02" + b"(" * 200_000 + b".",
    ],
    ids=range(11),
)
def test_another_file_is_refused(data: bytes) -> None:
    with pytest.raises(TorchFileError):
        read_torch_tensors(data)
