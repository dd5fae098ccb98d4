"""ONNX files by onnxruntime; the only file that imports it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from edgecnn_runner.errors import COPY_AGAIN, ArtifactError, EdgeError
from edgecnn_runner.formats.onnx_weights import check_weights_inside
from edgecnn_runner.runtimes.choice import (
    TensorInfo,
    does_not_start,
    installed_version,
    one_line,
    too_old,
)
from edgecnn_runner.runtimes.telemetry import no_telemetry

if TYPE_CHECKING:
    import numpy.typing as npt

_TYPES: Final[Mapping[str, str]] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
}
_TOO_NEW: Final = (
    r"Unsupported model IR version: \d+(, max supported IR version: \d+)?",
    r"Opset \d+ is under development",
    r"ONNX Runtime only \*guarantees\* support for models stamped with official released[\w ]*",
)
"""What onnxruntime says of a file from the future; the first that fits tells most."""


class OnnxBackend:
    """An ONNX model in onnxruntime, on the CPU; see ``runtimes.Backend``.

    Args:
        data: The whole file.
        threads: At least 1.
        min_runtime: The contract's, for errors.
        profile: The beginning of paths that onnxruntime writes to; None for no profile. The graph
            as it is run goes to ``{profile}.onnx`` at once, what each operator took to a file
            that ``end_profile`` names.

    Raises:
        ArtifactError: If onnxruntime refuses the file, or would look for weights in another one.
        RuntimeTooOldError: If the file's IR version or opset is newer than the runtime.
        RuntimeMissingError: If the runtime does not start.
    """

    def __init__(
        self,
        data: bytes,
        *,
        threads: int,
        min_runtime: Mapping[str, str],
        profile: str | None = None,
    ) -> None:
        check_weights_inside(data)
        onnxruntime = _import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong comes as an exception, too
        # On x86 without VNNI its int8 kernels add pairs of products in 16 bits, and cut sums off:
        # scores were up to 0.84 away from those of other processors. So asked, it takes slower
        # kernels there that do not; elsewhere it changes nothing.
        options.add_session_config_entry("session.x64quantprecision", "1")
        if profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = profile
            options.optimized_model_filepath = f"{profile}.onnx"
        try:
            session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
            inputs, outputs = session.get_inputs(), session.get_outputs()
        except Exception as error:
            raise _load_error(str(error), min_runtime) from error
        self.inputs = tuple(_describe(node) for node in inputs)
        self.outputs = tuple(_describe(node) for node in outputs)
        self._providers = session.get_providers
        self._end_profiling = session.end_profiling
        self.run: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
        if inputs and outputs:
            self.run = _runner(session, inputs[0].name, outputs[0].name)
        self._session, self._names = session, [str(one.name) for one in inputs]

    def run_all(self, values: Sequence[npt.NDArray[Any]]) -> Sequence[npt.NDArray[Any]]:
        """Return an array for each output; see ``runtimes.Backend``."""
        try:
            result: Sequence[npt.NDArray[Any]] = self._session.run(
                None, dict(zip(self._names, values, strict=True))
            )
        except Exception as error:
            raise _not_run(str(error), values) from error
        return result

    def kernels(self) -> str:
        """Name the execution providers that the session was really given."""
        return ", ".join(self._providers())

    def end_profile(self) -> str:
        """End the profile that was asked for; return the path of its JSON."""
        return str(self._end_profiling())


def _import_onnxruntime() -> Any:  # it ships no types
    no_telemetry()
    try:
        import onnxruntime
    except (ImportError, SystemError, AttributeError, OSError) as error:
        raise does_not_start("onnxruntime", error) from error
    return onnxruntime


def _runner(
    session: Any,  # an untyped class
    input_name: str,
    output_name: str,
) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
    # Naming the output spares onnxruntime from listing all of them on every call.
    call, names = session.run, [output_name]

    def run(batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        try:
            result: npt.NDArray[Any] = call(names, {input_name: batch})[0]
        except Exception as error:
            raise _not_run(str(error), [batch]) from error
        return result

    return run


def _not_run(said: str, values: Sequence[npt.NDArray[Any]]) -> ArtifactError:
    fed = ", ".join(f"{value.dtype} of shape {value.shape}" for value in values[:3])
    return ArtifactError(
        "the model cannot be run",
        observed=one_line(said),
        expected=f"an answer to {fed}",
        remedy=COPY_AGAIN,
    )


def _describe(node: Any) -> TensorInfo:  # an untyped class
    return TensorInfo(
        name=str(node.name),
        # A size left open is None or a name in the file.
        shape=tuple(size if isinstance(size, int) else -1 for size in node.shape),
        dtype=_TYPES.get(node.type, node.type),
    )


def _load_error(message: str, min_runtime: Mapping[str, str]) -> EdgeError:
    """Tell a runtime that is too old from a file that is wrong by onnxruntime's words."""
    for words in _TOO_NEW:
        newer = re.search(words, message)
        if newer:
            return too_old("onnxruntime", newer.group(), min_runtime)
    return ArtifactError(
        "onnxruntime cannot load the model",
        observed=one_line(message),
        expected=f"an ONNX model that onnxruntime {installed_version('onnxruntime')} loads",
        remedy=COPY_AGAIN,
    )
