"""Reads the tensors of a file that PyTorch's ``torch.save`` wrote before its version 1.6.

Such a file is five pickles (a magic number, a protocol version, facts of the machine, the object,
and the keys of its storages), then the storages as raw bytes. A pickle can run code when it is
opened, so only what a dictionary of tensors is made of is let through; and nothing of it is
believed that does not fit the size of the file.
"""

from __future__ import annotations

import io
import pickle  # the published format; every constructor but those of tensors is refused
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL: Final = 1001
_LENGTH_BYTES: Final = 8  # of the count in front of each storage, little-endian
_DEEPEST: Final = 8


class TorchFileError(ValueError):
    """A file is no such file of tensors; the message says what it holds instead."""


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    length: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_tensors(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return the tensors of a saved dictionary.

    Args:
        data: The whole file.

    Returns:
        Name to array, each a copy in C order; float32 and int64 as they were stored.

    Raises:
        TorchFileError: If it is another format, holds anything but a dictionary of tensors, or
            names more than it holds.
    """
    stream = io.BytesIO(data)
    try:
        header = [_Unpickler(stream).load() for _ in range(2)]
        if header != [_MAGIC, _PROTOCOL]:
            raise TorchFileError("it is not in PyTorch's format of before 1.6")
        _Unpickler(stream).load()  # byte order and sizes of C types: only little-endian is written
        found = _Unpickler(stream).load()
        keys = _Unpickler(stream).load()
        if not isinstance(found, Mapping) or not isinstance(keys, list):
            raise TorchFileError("it holds no dictionary of tensors")
        tensors = {name: value for name, value in found.items() if isinstance(value, _Tensor)}
        if len(tensors) != len(found) or not all(isinstance(name, str) for name in tensors):
            raise TorchFileError("it holds other things than named tensors")
        storages = _read_storages(data, stream.tell(), keys, list(tensors.values()))
    except TorchFileError:
        raise
    # What a damaged pickle raises is open: IndexError, UnicodeDecodeError, MemoryError and others.
    except (Exception, RecursionError) as error:
        raise TorchFileError(f"it cannot be read ({type(error).__name__}: {error})") from error
    return {name: _array(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}


def _read_storages(
    data: bytes, at: int, keys: Sequence[Any], tensors: Sequence[_Tensor]
) -> dict[str, npt.NDArray[Any]]:
    kinds = {tensor.storage.key: tensor.storage for tensor in tensors}
    arrays: dict[str, npt.NDArray[Any]] = {}
    for key in keys:
        storage = kinds.get(key)
        if storage is None:
            raise TorchFileError(f"storage {str(key)[:20]!a} belongs to no tensor")
        length = int.from_bytes(data[at : at + _LENGTH_BYTES], "little")
        at += _LENGTH_BYTES
        size = length * storage.dtype.itemsize
        if length != storage.length or at + size > len(data):
            raise TorchFileError(f"storage {storage.key[:20]!a} is cut off")
        arrays[storage.key] = np.frombuffer(data, storage.dtype, count=length, offset=at)
        at += size
    if at != len(data) or len(arrays) != len(kinds):
        raise TorchFileError("its storages are not those of its tensors")
    return arrays


def _array(tensor: _Tensor, storage: npt.NDArray[Any]) -> npt.NDArray[Any]:
    shape, strides = tensor.shape, tensor.strides
    steps = (step * (side - 1) for step, side in zip(strides, shape, strict=True))
    if 0 in shape or tensor.offset + sum(steps) >= len(storage):
        raise TorchFileError("a tensor is larger than its storage")
    if int(np.prod(shape, dtype=object)) > len(storage):
        raise TorchFileError("a tensor repeats its storage")
    width = storage.dtype.itemsize
    view = np.lib.stride_tricks.as_strided(
        storage[tensor.offset :], shape, [step * width for step in strides], writeable=False
    )
    return np.array(view, order="C")


def _rebuild_tensor(
    storage: object, offset: object, shape: object, strides: object, *_: object
) -> _Tensor:
    """Return what ``torch._utils._rebuild_tensor_v2`` was called with, checked."""
    whole = [offset]
    for part in (shape, strides):
        if not isinstance(part, tuple) or len(part) > _DEEPEST:
            raise TorchFileError("a tensor has no shape")
        whole += part
    numbers = [int(number) for number in whole if isinstance(number, int) and 0 <= number < 2**40]
    if not isinstance(storage, _Storage) or len(numbers) != len(whole):
        raise TorchFileError("a tensor is described by other things than numbers")
    rank = len(shape) if isinstance(shape, tuple) else 0
    if len(numbers) != 1 + 2 * rank:
        raise TorchFileError("a tensor has another number of strides than of sides")
    return _Tensor(storage, numbers[0], tuple(numbers[1 : 1 + rank]), tuple(numbers[1 + rank :]))


class _Unpickler(pickle.Unpickler):
    """Opens what a dictionary of tensors is made of, and refuses every other constructor."""

    _constructors: ClassVar[Mapping[tuple[str, str], Callable[..., Any] | np.dtype[Any]]] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch", "FloatStorage"): np.dtype("<f4"),
        ("torch", "LongStorage"): np.dtype("<i8"),
    }

    def find_class(self, module: str, name: str) -> Any:  # what pickle returns is any object
        try:
            return self._constructors[module, name]
        except KeyError:
            raise TorchFileError(f"it asks for {module[:40]}.{name[:40]}") from None

    def persistent_load(self, pid: Any) -> _Storage:
        """Return a storage: a kind of number, a name and a length."""
        match pid:
            case ("storage", np.dtype() as dtype, str() as key, str(), int() as length, None):
                if 0 < length < 2**40:
                    return _Storage(key, dtype, length)
        raise TorchFileError("it refers to other things than storages of tensors")
