"""A model file of any kind, loaded to be timed: whatever it takes is fed at random.

It serves files without a contract that are no image classifiers: detectors, several inputs or
outputs, sizes left open, other types. What the numbers mean is not known, and their values change
no time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn_runner.errors import ArtifactError
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.runtimes.choice import RUNTIMES, TensorInfo, installed_version, open_backend

OPEN_SIDE: Final = 224
"""What an open height or width of an image is taken for."""
MOST_BYTES: Final = 1 << 28
"""Of all inputs together: what is larger is a size misread, or for no device."""

_HASH: Final = 2654435761  # Knuth's multiplicative hash, The Art of Computer Programming, 6.4
_FLOATS: Final = ("float16", "float32", "float64")
_INTEGERS: Final = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
_ONNX_NAMES: Final = {"float": "float32", "double": "float64"}


class RawModel:
    """A loaded model with values for its inputs. Not for several threads at once.

    Args:
        path: A ``.tflite`` or ``.onnx`` file without a contract.
        threads: At least 1.
        runtime: A key of ``runtimes.RUNTIMES``, which is installed.

    Attributes:
        values: What it is fed, an array for each input.
        load_ns: How long reading and loading the file took, in nanoseconds.
        runtime: The runtime's package and version.

    Raises:
        ArtifactError: If the runtime refuses the file, or an input takes no numbers.
        RuntimeTooOldError: If the file is newer than the runtime.
        RuntimeMissingError: If the runtime does not start.
    """

    def __init__(self, path: str | Path, *, threads: int, runtime: str) -> None:
        started_ns = time.perf_counter_ns()
        container = read_container(path)
        backend = open_backend(runtime, container.data, threads=threads)
        self._backend = backend
        self.values = random_values(backend.inputs, name=Path(path).name)
        self.load_ns = time.perf_counter_ns() - started_ns
        self.runtime = f"{RUNTIMES[runtime].package} {installed_version(runtime)}"

    @property
    def kernels(self) -> str:
        """Whose kernels compute, as the runtime tells."""
        return self._backend.kernels()

    def classify(self, values: Sequence[npt.NDArray[Any]]) -> Sequence[npt.NDArray[Any]]:
        """Return all outputs for an array for each input; called as a ``Session``'s is."""
        return self._backend.run_all(values)


def type_of(dtype: str) -> str:
    """Return numpy's name of an input's type, also where onnxruntime's own is given."""
    name = dtype.removeprefix("tensor(").removesuffix(")")
    return _ONNX_NAMES.get(name, name)


def closed_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Return a shape without open sizes, which are -1: one image, of a usual size.

    >>> closed_shape((-1, -1, -1, 3)), closed_shape((-1, 16)), closed_shape((1, 3, 96, 96))
    ((1, 224, 224, 3), (1, 16), (1, 3, 96, 96))
    """
    is_image = len(shape) == 4
    sides = ((1, 2) if shape[3] in (1, 3) else (2, 3)) if is_image else ()
    return tuple(
        size if size > 0 else OPEN_SIDE if axis in sides else 1 for axis, size in enumerate(shape)
    )


def random_values(inputs: Sequence[TensorInfo], *, name: str) -> list[npt.NDArray[Any]]:
    """Return an array for each input: any bytes as pixels, 0..1 in floats, 0 and 1 in integers.

    Wider integers are counts and places more often than pixels, and 0 and 1 fit most of them.

    Args:
        inputs: The model's.
        name: What to call the file in errors.

    Raises:
        ArtifactError: If an input takes no numbers, or more than would fit.
    """
    found: list[npt.NDArray[Any]] = []
    total = 0
    for one in inputs:
        shape, dtype = closed_shape(one.shape), type_of(one.dtype)
        if dtype not in (*_FLOATS, *_INTEGERS, "bool"):
            raise ArtifactError(
                f"{name} takes no numbers: its input {one.name[:60]!r}",
                observed=one.dtype[:60],
                expected="inputs of numbers, which can be random",
                remedy="time it in its own program",
            )
        count = 1
        for size in shape:
            count *= size
        total += count * np.dtype(dtype).itemsize
        if total > MOST_BYTES:
            raise ArtifactError(
                f"{name} takes more than can be fed to it",
                observed=f"an input of shape {shape}",
                expected=f"at most {MOST_BYTES:,} bytes for all inputs",
                remedy="look at its shapes: edgecnn inspect FILE",
            )
        # By arithmetic, since numpy's generators take longer to import than many models to load.
        noise = ((np.arange(count, dtype=np.uint32) * np.uint32(_HASH)) >> np.uint32(24)).astype(
            np.uint8
        )
        if dtype in _FLOATS:
            array = noise.astype(dtype) / np.dtype(dtype).type(255)
        elif dtype in ("uint8", "int8"):
            array = noise.view(dtype)
        else:
            array = (noise & 1).astype(dtype)
        found.append(array.reshape(shape))
    return found
