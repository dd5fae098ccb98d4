"""Which inference runtime runs a file: what is installed, what can start, what to install.

This module imports no runtime. A backend is imported only after its runtime was found to be
there and able to start, since the failures otherwise (a bare SystemError of tflite-runtime under
NumPy 2, for one) tell a user nothing.
"""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np

from edgecnn_runner.errors import RuntimeMissingError, RuntimeTooOldError, UsageError

if TYPE_CHECKING:
    import numpy.typing as npt


class RuntimeInfo(NamedTuple):
    """One inference runtime.

    Attributes:
        model_format: ``tflite`` or ``onnx``.
        package: Its name for pip.
        module: Its name for Python.
        install: The pip command that installs it so that it starts.
    """

    model_format: str
    package: str
    module: str
    install: str


RUNTIMES: Final[Mapping[str, RuntimeInfo]] = {
    "litert": RuntimeInfo(
        model_format="tflite",
        package="ai-edge-litert",
        module="ai_edge_litert",
        install="pip install ai-edge-litert",
    ),
    "tflite-runtime": RuntimeInfo(
        model_format="tflite",
        package="tflite-runtime",
        module="tflite_runtime",
        install='pip install tflite-runtime "numpy<2"',
    ),
    "onnxruntime": RuntimeInfo(
        model_format="onnx",
        package="onnxruntime",
        module="onnxruntime",
        install="pip install onnxruntime",
    ),
}
"""Runtime name to what it is, the better ones of a format first."""


class TensorInfo(NamedTuple):
    """One input or output of a model, as its runtime describes it.

    Attributes:
        name: Name in the file.
        shape: Sizes; a size the file leaves open is -1.
        dtype: numpy's name of the type, for example ``uint8``.
        scale: Real units per step; 0.0 where the file says nothing.
        zero_point: The integer that stands for real 0.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0


class Backend(Protocol):
    """A model loaded into a runtime."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    run: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
    """The first input's array to the first output's; a fresh array each call."""

    def run_all(self, values: Sequence[npt.NDArray[Any]]) -> Sequence[npt.NDArray[Any]]:
        """Return an array for each output, given one for each input.

        Sizes that the file leaves open become those of the arrays.
        """

    def kernels(self) -> str:
        """Name the kernels that do the work, for example ``XNNPACK``; ``unknown`` if hidden."""


def choose_runtime(model_format: str, wanted: str | None = None) -> str:
    """Return the runtime to use: the one asked for, or the best that is installed.

    Args:
        model_format: ``tflite`` or ``onnx``.
        wanted: A key of ``RUNTIMES``, or None for the best.

    Returns:
        A key of ``RUNTIMES`` whose runtime is installed and can start.

    Raises:
        UsageError: If ``wanted`` is no runtime.
        RuntimeMissingError: If there is none; the remedy is the pip command.
    """
    if wanted is not None and wanted not in RUNTIMES:
        raise UsageError(
            "no such runtime",
            observed=wanted,
            expected=" or ".join(RUNTIMES),
            remedy="name one of these, or leave the runtime out for the best that is installed",
        )
    fitting = [name for name, info in RUNTIMES.items() if info.model_format == model_format]
    if wanted is not None and wanted not in fitting:
        raise RuntimeMissingError(
            f"{wanted} does not run {model_format} files",
            observed=wanted,
            expected=" or ".join(fitting),
            remedy="leave the runtime out, and the best installed one is taken",
        )
    candidates = fitting if wanted is None else [wanted]
    installed = [name for name in fitting if _is_installed(RUNTIMES[name].module)]
    found = [name for name in candidates if name in installed]
    if not found and installed:
        raise RuntimeMissingError(
            f"{wanted} is not installed",
            observed="installed for these files: " + ", ".join(installed),
            expected=RUNTIMES[candidates[0]].package,
            remedy="leave the runtime out, and the best installed one is taken; or, in an "
            f"environment of its own: {RUNTIMES[candidates[0]].install}",
        )
    if not found:
        raise RuntimeMissingError(
            f"no runtime for {model_format} files is installed",
            observed="none of " + ", ".join(RUNTIMES[name].package for name in candidates),
            expected=" or ".join(RUNTIMES[name].package for name in candidates),
            remedy=RUNTIMES[candidates[0]].install,
        )
    if found[0] == "tflite-runtime":
        _refuse_numpy_2()
    return found[0]


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _refuse_numpy_2() -> None:
    """Refuse tflite-runtime under NumPy 2 before importing it.

    Its last release (2.14) was built for NumPy 1; inside NumPy 2 it fails with a bare
    SystemError and a page of advice meant for its authors.
    """
    if int(np.__version__.partition(".")[0]) < 2:
        return
    version = installed_version("tflite-runtime")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers and numbers > (2, 14):
        return
    raise RuntimeMissingError(
        f"tflite-runtime {version} cannot start under NumPy 2",
        observed=f"numpy {np.__version__}",
        expected="numpy below 2, or ai-edge-litert instead of tflite-runtime",
        remedy='pip install ai-edge-litert (or keep tflite-runtime: pip install "numpy<2")',
    )


def installed_version(name: str) -> str:
    """Return the installed version of a runtime, without importing it.

    Args:
        name: A key of ``RUNTIMES``.

    Returns:
        For example ``2.3.0``; ``unknown`` where it was unpacked without its metadata.
    """
    # Imported here, for it takes a good part of the start-up time of a small device.
    from importlib import metadata

    try:
        return metadata.version(RUNTIMES[name].package)
    except metadata.PackageNotFoundError:
        return "unknown"


def open_backend(
    name: str, data: bytes, *, threads: int, min_runtime: Mapping[str, str] | None = None
) -> Backend:
    """Load a model into a runtime.

    Args:
        name: A key of ``RUNTIMES``, from ``choose_runtime``.
        data: The whole model file.
        threads: At least 1.
        min_runtime: The contract's, for the error if the runtime is too old.

    Returns:
        The loaded model.

    Raises:
        ArtifactError: If the runtime refuses the file, or would look for a part of it elsewhere.
        RuntimeTooOldError: If it refuses it for being newer than the runtime.
        RuntimeMissingError: If the runtime is installed but does not start.
    """
    if RUNTIMES[name].model_format == "onnx":
        from edgecnn_runner.runtimes.backend_onnx import OnnxBackend

        return OnnxBackend(data, threads=threads, min_runtime=min_runtime or {})
    from edgecnn_runner.runtimes.backend_tflite import TfliteBackend

    return TfliteBackend(data, runtime=name, threads=threads, min_runtime=min_runtime or {})


def one_line(message: str) -> str:
    """Return what a runtime said as one line of at most 300 characters."""
    return " ".join(message.split())[:300]


def does_not_start(name: str, cause: BaseException) -> RuntimeMissingError:
    """Return the error for a runtime that is installed, but cannot be imported.

    Args:
        name: A key of ``RUNTIMES``.
        cause: What importing it raised.
    """
    info = RUNTIMES[name]
    return RuntimeMissingError(
        f"{info.package} is installed but does not start",
        observed=f"{info.package} {installed_version(name)}: "
        f"{type(cause).__name__}: {one_line(str(cause))}",
        expected=f"one built for Python {platform.python_version()} on {platform.machine()} "
        f"and numpy {np.__version__}",
        remedy=f"install it again for this Python: {info.install} --force-reinstall",
    )


def too_old(name: str, cause: str, min_runtime: Mapping[str, str]) -> RuntimeTooOldError:
    """Return the error for a runtime that is older than the file it was given.

    Args:
        name: A key of ``RUNTIMES``.
        cause: What the runtime said.
        min_runtime: The contract's; may be empty.
    """
    needed = ", ".join(f"{key} {version}" for key, version in sorted(min_runtime.items()))
    info = RUNTIMES[name]
    remedy = f"pip install --upgrade {info.package}"
    if name == "tflite-runtime":
        # 2.14 is its last release; the runtime goes on under another name.
        remedy = "pip install ai-edge-litert, or use another variant of the model"
    return RuntimeTooOldError(
        f"{info.package} is too old for this file: {cause}",
        observed=f"{info.package} {installed_version(name)}",
        expected=f"at least {needed}" if needed else "a newer version",
        remedy=remedy,
    )
