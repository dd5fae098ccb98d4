"""TFLite files by ai-edge-litert, or by tflite-runtime; the only file that imports either."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgecnn_runner.errors import COPY_AGAIN, ArtifactError, EdgeError
from edgecnn_runner.runtimes.choice import (
    RUNTIMES,
    TensorInfo,
    does_not_start,
    installed_version,
    one_line,
    too_old,
)
from edgecnn_runner.runtimes.quiet import quiet_while_alone

if TYPE_CHECKING:
    import numpy.typing as npt

_DELEGATE: Final = "DELEGATE"


class TfliteBackend:
    """A TFLite model in an interpreter; see ``runtimes.Backend``. Not for several threads at once.

    Args:
        data: The whole file; what follows the flatbuffer is ignored.
        runtime: ``litert`` or ``tflite-runtime``.
        threads: At least 1.
        min_runtime: The contract's, for errors.

    Raises:
        ArtifactError: If the interpreter refuses the file.
        RuntimeTooOldError: If the file has operators that are newer than the runtime.
        RuntimeMissingError: If the runtime does not start.
    """

    def __init__(
        self, data: bytes, *, runtime: str, threads: int, min_runtime: Mapping[str, str]
    ) -> None:
        interpreter_class = _import_interpreter(runtime)
        try:
            with quiet_while_alone():
                interpreter = interpreter_class(model_content=data, num_threads=threads)
                inputs = interpreter.get_input_details()
                # The signature has -1 for a size that the file leaves open, the shape has 1.
                self.inputs = tuple(_describe(details, "shape_signature") for details in inputs)
                # An image of open size would be a single pixel; not every model can be prepared
                # for that, and none is run so: fitting.check_classifier refuses it.
                if not any(-1 in tensor.shape[1:] for tensor in self.inputs):
                    interpreter.allocate_tensors()
            outputs = interpreter.get_output_details()
        except (ValueError, RuntimeError, TypeError) as error:
            raise _load_error(runtime, str(error), min_runtime) from error
        # An output's shape is what those of the inputs make it.
        self.outputs = tuple(_describe(details, "shape") for details in outputs)
        self.run: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
        if inputs and outputs:
            self.run = _runner(interpreter, inputs[0]["index"], outputs[0]["index"])
        self._interpreter, self._ends = interpreter, [int(one["index"]) for one in outputs]
        self._places = [int(one["index"]) for one in inputs]
        self._sizes: list[tuple[int, ...]] | None = None

    def run_all(self, values: Sequence[npt.NDArray[Any]]) -> Sequence[npt.NDArray[Any]]:
        """Return an array for each output; see ``runtimes.Backend``."""
        interpreter = self._interpreter
        try:
            sizes = [value.shape for value in values]
            if sizes != self._sizes:
                if any(-1 in tensor.shape for tensor in self.inputs):
                    for place, size in zip(self._places, sizes, strict=True):
                        interpreter.resize_tensor_input(place, size)
                interpreter.allocate_tensors()
                self._sizes = sizes
            for place, value in zip(self._places, values, strict=True):
                interpreter.set_tensor(place, value)
            interpreter.invoke()
            return [interpreter.get_tensor(place) for place in self._ends]
        except (ValueError, RuntimeError) as error:
            raise _not_run(str(error), values) from error

    def kernels(self) -> str:
        """Name the kernels that the interpreter has planned: XNNPACK's, TFLite's own, or both."""
        details = getattr(self._interpreter, "_get_ops_details", None)
        return "unknown" if details is None else kernels_of(details(), self._ends)


def _import_interpreter(runtime: str) -> Any:  # the runtimes ship no types
    try:
        if runtime == "litert":
            from ai_edge_litert.interpreter import Interpreter
        else:
            from tflite_runtime.interpreter import Interpreter
    except (ImportError, SystemError, AttributeError, OSError) as error:
        raise does_not_start(runtime, error) from error
    return Interpreter


def kernels_of(operators: Sequence[Mapping[str, Any]], ends: Sequence[int]) -> str:
    """Tell from an interpreter's operators which kernels compute its outputs.

    What a delegate took over stays in the list, with one operator DELEGATE more for each part of
    the graph that it took. So this goes from the outputs back to the inputs, and prefers a
    delegate wherever it makes a tensor. XNNPACK is the only delegate that these packages apply by
    themselves, and no other is asked for here. That they say on standard error to have made it
    proves nothing: tflite-runtime 2.14 says so, too, where it then runs all of a graph itself.

    Args:
        operators: Each with ``op_name``, and its tensors as ``inputs`` and ``outputs``.
        ends: The tensors that are the model's outputs.

    Returns:
        ``XNNPACK``, ``XNNPACK; builtin: QUANTIZE, SOFTMAX`` or ``builtin``.
    """
    makers: dict[int, Mapping[str, Any]] = {}
    for operator in operators:
        for tensor in operator["outputs"]:
            if operator["op_name"] == _DELEGATE or int(tensor) not in makers:
                makers[int(tensor)] = operator
    used: set[str] = set()
    seen: set[int] = set()
    waiting = [*ends]
    while waiting:
        tensor = waiting.pop()
        if tensor in seen or tensor not in makers:
            continue
        seen.add(tensor)
        used.add(str(makers[tensor]["op_name"]))
        waiting += [int(one) for one in makers[tensor]["inputs"]]
    builtin = sorted(used - {_DELEGATE})
    if _DELEGATE not in used:
        return "builtin"
    return f"XNNPACK; builtin: {', '.join(builtin)}" if builtin else "XNNPACK"


def _runner(
    interpreter: Any,  # one of two untyped classes
    input_index: int,
    output_index: int,
) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
    # Bound once: looking these up, and above all asking for the tensors' details, on every call
    # costs more than feeding and reading the model.
    set_tensor, invoke, get_tensor = (
        interpreter.set_tensor,
        interpreter.invoke,
        interpreter.get_tensor,
    )

    def run(batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        try:
            set_tensor(input_index, batch)
            invoke()
            result: npt.NDArray[Any] = get_tensor(output_index)
        except (ValueError, RuntimeError) as error:
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


def _describe(details: Mapping[str, Any], shape_key: str) -> TensorInfo:
    scale, zero_point = details["quantization"]
    return TensorInfo(
        name=str(details["name"]),
        shape=tuple(int(size) for size in details[shape_key]),
        dtype=np.dtype(details["dtype"]).name,
        scale=float(scale),
        zero_point=int(zero_point),
    )


def _load_error(runtime: str, message: str, min_runtime: Mapping[str, str]) -> EdgeError:
    """Tell a runtime that is too old from a file that is wrong by the interpreter's words."""
    newer = re.search(r"opcode '(\w+)' version '(\d+)'", message)
    if newer:
        return too_old(runtime, f"it lacks {newer[1]} version {newer[2]}", min_runtime)
    if "Flex" in message or "custom op" in message:
        return ArtifactError(
            "the model needs operators that are not TFLite's own",
            observed=one_line(message),
            expected="TFLite's built-in operators only",
            remedy="convert the model again on the workstation, without SELECT_TF_OPS and custom "
            "operators; edgecnn convert SOURCE makes such files",
        )
    package = RUNTIMES[runtime].package
    return ArtifactError(
        f"{package} cannot load the model",
        observed=one_line(message),
        expected=f"a TFLite model that {package} {installed_version(runtime)} loads",
        remedy=COPY_AGAIN,
    )
