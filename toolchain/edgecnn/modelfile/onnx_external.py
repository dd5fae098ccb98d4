"""Takes in the weights that an ONNX file keeps beside it, as PyTorch's exporter writes them.

What a file says of itself is no reason to open just any other one: a name is taken only if it is a
plain file in the model's own folder or below, no link leads out of there, and the bytes that a
constant claims are in it, as many as its shape needs. All of them together are bounded.

Fields: https://github.com/onnx/onnx/blob/main/docs/ExternalData.md.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from edgecnn.modelfile.onnx_tensors import constant_bytes, dtype_name, is_external, plain_text
from edgecnn.modelfile.types import DamagedGraphError

MAX_MODEL_BYTES: Final = (2 << 30) - (1 << 20)
"""Of a model with all of its weights inside: protobuf goes no further than 2 GiB."""
_MAX_DEPTH: Final = 32
_MAX_FILES: Final = 10_000


def external_files(model: ModelProto) -> tuple[str, ...]:
    """Return the names of the other files that a model's constants are in, sorted.

    Raises:
        DamagedGraphError: If a name leads out of the model's folder, or there are too many.
    """
    found = {_entries(tensor)[0] for tensor in tensors_of(model) if is_external(tensor)}
    if len(found) > _MAX_FILES:
        raise DamagedGraphError(f"its weights are in {len(found)} other files")
    return tuple(sorted(found))


def take_in(model: ModelProto, folder: Path) -> None:
    """Put constants that are in other files into the model itself, in place.

    Args:
        model: The model.
        folder: Where its file lies.

    Raises:
        DamagedGraphError: If one cannot be taken: its file is not there, is a link or no regular
            file, does not hold what the constant claims, or the whole is beyond
            ``MAX_MODEL_BYTES``.
    """
    total = model.ByteSize()
    for tensor in tensors_of(model):
        if not is_external(tensor):
            continue
        name, offset, length = _entries(tensor)
        size = constant_bytes(dtype_name(tensor.data_type), math.prod(tensor.dims))
        if min(tensor.dims, default=0) < 0 or length not in (None, size):
            raise DamagedGraphError(
                f"constant {plain_text(tensor.name)[:60]!r} needs {size} bytes, and says that "
                f"{name!r} holds {length}"
            )
        total += size
        if total > MAX_MODEL_BYTES:
            raise DamagedGraphError(f"with its weights it is larger than {MAX_MODEL_BYTES} bytes")
        tensor.raw_data = _read(folder, name, offset, size)
        del tensor.external_data[:]
        tensor.data_location = TensorProto.DEFAULT


def tensors_of(model: ModelProto) -> Iterator[TensorProto]:
    """Yield every constant of a model: weights, and those of its operators and functions.

    Raises:
        DamagedGraphError: If its graphs are in one another without end.
    """
    yield from _of_graph(model.graph, 0)
    for function in model.functions:
        for node in function.node:
            yield from _of_node(node, 0)


def _of_graph(graph: GraphProto, depth: int) -> Iterator[TensorProto]:
    if depth > _MAX_DEPTH:
        raise DamagedGraphError(f"its graphs are more than {_MAX_DEPTH} deep in one another")
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _of_node(node, depth)


def _of_node(node: NodeProto, depth: int) -> Iterator[TensorProto]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        if attribute.HasField("sparse_tensor"):
            yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
        for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield from _of_graph(body, depth + 1)


def _entries(tensor: TensorProto) -> tuple[str, int, int | None]:
    """Return the file, the offset and the length that a constant names."""
    entries: Mapping[str, str] = {
        plain_text(entry.key): plain_text(entry.value) for entry in tensor.external_data
    }
    name = entries.get("location", "")
    parts = PurePosixPath(name).parts
    strange = "\\" in name or ":" in name or not name.isprintable() or len(name) > 255
    if not parts or name.startswith("/") or ".." in parts or strange:
        raise DamagedGraphError(
            f"constant {plain_text(tensor.name)[:60]!r} is in {name[:60]!a}, "
            "which is no file beside it"
        )
    numbers: list[int | None] = []
    for key in ("offset", "length"):
        text = entries.get(key)
        if text is not None and not (text.isascii() and text.isdigit() and len(text) < 16):
            raise DamagedGraphError(f"{key} of a constant in {name!r} is {text[:20]!a}")
        numbers.append(None if text is None else int(text))
    return name, numbers[0] or 0, numbers[1]


def _read(folder: Path, name: str, offset: int, size: int) -> bytes:
    """Read bytes of a file below a folder; no link on the way is followed."""
    path = folder
    try:
        for part in PurePosixPath(name).parts:
            path = path / part
            if stat.S_ISLNK(path.lstat().st_mode):
                raise DamagedGraphError(f"{name!r}, where its weights are, is a link")
        # Without following a link that was put there since, nor waiting for a pipe's other end.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        with os.fdopen(os.open(path, flags), "rb") as file:
            status: Any = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise DamagedGraphError(f"{name!r}, where its weights are, is no regular file")
            if offset + size > status.st_size:
                raise DamagedGraphError(
                    f"a constant ends at byte {offset + size} of {name!r}, which has "
                    f"{status.st_size}"
                )
            file.seek(offset)
            data = file.read(size)
    except OSError as error:
        raise DamagedGraphError(
            f"its weights are in {name!r}, which cannot be read: {error.strerror or error}"
        ) from error
    if len(data) != size:
        raise DamagedGraphError(f"{name!r} ends before a constant in it does")
    return data
