"""Time per operator: asks a device, adds what each operator multiplies, says what is not known.

ONNX Runtime tells what each operator of the graph took that it made of the file. The Python
packages of LiteRT and tflite-runtime have no profiler: the C library in ai-edge-litert 2.3.0 has
one, but its Python classes do not offer it. For those, a profile holds the operators of the file
with their multiply-accumulates, which is no measure of time.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from edgecnn.bench.results import ArtifactBench, OperatorTime, Profile
from edgecnn.devices.ask import Task, ask
from edgecnn.devices.protocol import Blob, Message, nonsense, plain
from edgecnn.devices.types import printable
from edgecnn.errors import DeviceError, EdgeError
from edgecnn.modelfile import Graph, Operator, read_graph
from edgecnn_runner.runtimes.choice import RUNTIMES
from edgecnn_runner.timing import percentile

if TYPE_CHECKING:
    from edgecnn.devices.types import Device

NO_PROFILER: Final = (
    "no time per operator: {runtime} does not tell Python; these are the operators of the file "
    "with their multiply-accumulates, which say how the work is spread, not the time"
)

_WARMUP: Final = 20
_MOST_RUNS: Final = 1000
_MOST_OPERATORS: Final = 20_000
_LARGEST_GROWTH: Final = 4
_MOST_OTHER_BYTES: Final = 1 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asking:
    """How a device is asked for a profile.

    Attributes:
        runs: Inferences that count, 1 to 1000, after 20 that do not.
        seed: Of the image's random pixels; what they show makes no difference to the time.
        prefixes: Folders of the device that models are installed below, whose libraries may be
            used.
        paths: Folders for the end of the device's ``sys.path``.
        python: The Python to start, where the device lets choose.
        silence_s: Seconds without a sign after which the device is given up.
    """

    runs: int = 100
    seed: int = 0
    prefixes: Sequence[str] = ()
    paths: Sequence[str] = ()
    python: str = "python3"
    silence_s: float = 180.0


_AS_USUAL: Final = Asking()


def profile_file(
    name: str,
    data: bytes,
    device: Device,
    *,
    runtime: str | None = None,
    threads: int = 1,
    asking: Asking = _AS_USUAL,
) -> Profile:
    """Profile one artifact.

    Args:
        name: The file's name.
        data: What is in it; it has a contract.
        device: Where.
        runtime: A key of ``edgecnn_runner.runtimes.choice.RUNTIMES``; None for the best there.
        threads: At least 1.
        asking: How.

    Returns:
        The profile. Of a runtime without a profiler it has no times per operator, and ``lacks``
        says so.

    Raises:
        EdgeError: If the file cannot be read, or does not run there.
        ValueError: If ``runs`` or ``threads`` is out of range.
    """
    if not 1 <= asking.runs <= _MOST_RUNS or threads < 1:
        raise ValueError(f"{asking.runs} runs, of 1 to {_MOST_RUNS}; {threads} threads, at least 1")
    graph = read_graph(data, name=name)
    fitting = [name for name, info in RUNTIMES.items() if info.model_format == graph.format]
    chosen = fitting if runtime is None else [name for name in fitting if name == runtime]
    task = Task(
        name="profile",
        parameters={
            "model": name,
            "format": graph.format,
            "modules": [RUNTIMES[name].module for name in chosen or fitting],
            "runtime": runtime,
            "threads": threads,
            "warmup": _WARMUP,
            "runs": asking.runs,
            "seed": asking.seed,
            "prefixes": list(asking.prefixes),
            "paths": list(asking.paths),
        },
        blobs=[Blob(name=name, data=data)],
        # The graph that ran has the same weights, some of them in a wider type.
        largest_reply=_LARGEST_GROWTH * len(data) + _MOST_OTHER_BYTES,
        silence_s=asking.silence_s,
        python=asking.python,
    )
    return _profile(ask(device, task), data, graph, device.name)


def with_profile(
    row: ArtifactBench, data: bytes, device: Device, asking: Asking = _AS_USUAL
) -> ArtifactBench:
    """Return a bench's row with its profile, taken as the row was measured.

    A profile that fails leaves the row as it is, with the reason in ``profile.lacks``.

    Args:
        row: Of one artifact with one runtime.
        data: What is in its file.
        device: Where it was measured.
        asking: How.
    """
    if row.error is not None:
        reason = f"it was not measured, so not profiled either: {row.error.problem}"
        return dataclasses.replace(row, profile=Profile(lacks=reason))
    try:
        found = profile_file(
            row.file,
            data,
            device,
            runtime=row.runtime_name,
            threads=row.chosen or 1,
            asking=asking,
        )
    except EdgeError as error:
        reason = f"{error.problem} ({error.observed}; expected: {error.expected})"
        found = Profile(lacks=reason, threads=row.chosen or 1)
    return dataclasses.replace(row, profile=found)


def _profile(last: Message, data: bytes, graph: Graph, device: str) -> Profile:
    values = last.values
    if values.get("model_sha256") != hashlib.sha256(data).hexdigest():
        raise _unfit(device, "the profile of another file")
    runtime, threads = printable(str(values.get("runtime")), most=100), values.get("threads")
    plain_ns = _times(values.get("plain_ns"), device)
    profiled_ns = _times(values.get("profiled_ns"), device)
    if not plain_ns or type(threads) is not int:
        raise _unfit(device, "a profile without a single time")
    if profiled_ns:
        operators = _timed(last, len(profiled_ns), device)
        lacks = None
    else:
        operators = _counted([one for one in graph.operators if one.subgraph == 0])
        lacks = NO_PROFILER.format(runtime=runtime)
    return Profile(
        operators=operators,
        lacks=lacks,
        runtime=runtime,
        kernels=printable(str(plain(values.get("kernels"))), most=300),
        threads=threads,
        runs=len(profiled_ns),
        plain_ns=percentile(sorted(plain_ns), 50),
        profiled_ns=percentile(sorted(profiled_ns), 50) if profiled_ns else None,
    )


def _timed(last: Message, runs: int, device: str) -> tuple[OperatorTime, ...]:
    """Put times and multiply-accumulates together, by what the graph that ran calls each."""
    from edgecnn.modelfile.onnx import read_onnx
    from edgecnn.modelfile.types import DamagedGraphError

    told = last.values.get("operators")
    if not isinstance(told, list) or not 0 < len(told) <= _MOST_OPERATORS or not last.blobs:
        raise _unfit(device, "a profile without operators")
    try:
        ran = read_onnx(memoryview(last.blobs[0]))
    except DamagedGraphError as error:
        raise _unfit(device, f"a graph that cannot be read: {error}") from error
    known = {(one.label, one.name): one for one in ran.operators}
    rows = []
    for one in told:
        times = _times(one.get("times_ns"), device) if isinstance(one, dict) else []
        count = one.get("calls") if isinstance(one, dict) else None
        if len(times) != runs or type(count) is not int or count < 1:
            raise _unfit(device, "an operator without a time for each run")
        label, kind = (printable(str(one.get(key)), most=200) for key in ("label", "type"))
        macs = _macs(known.get((label, kind)), one.get("shape"))
        rows.append(
            OperatorTime(
                name=label,
                type=kind,
                count=count,
                macs=None if macs is None else macs * count,
                total_ns=sum(times),
                median_ns=percentile(sorted(times), 50),
            )
        )
    # Of medians: a single run in which another process had the core would be an operator's share.
    total = sum(one.median_ns or 0 for one in rows)
    if total:
        rows = [dataclasses.replace(one, share=(one.median_ns or 0) / total) for one in rows]
    return _with_mac_shares(rows)


def _macs(operator: Operator | None, shape: object) -> int | None:
    """Count an operator's multiply-accumulates by the output shape that it really had.

    ONNX Runtime's own operators keep channels in other places than ONNX's do, which the shapes of
    the graph alone do not tell.
    """
    from edgecnn.modelfile.macs import onnx_macs
    from edgecnn.modelfile.types import DamagedGraphError

    if operator is None or operator.macs is None:
        return None
    outputs = operator.outputs
    first = outputs[0] if outputs else None
    if first is not None and isinstance(shape, list) and all(type(one) is int for one in shape):
        outputs = (dataclasses.replace(first, shape=tuple(shape)), *outputs[1:])
    try:
        return onnx_macs(operator.name, operator.inputs, outputs, transposed=False)
    except DamagedGraphError:
        return None


def _counted(operators: Sequence[Operator]) -> tuple[OperatorTime, ...]:
    return _with_mac_shares(
        [
            OperatorTime(
                name=next((one.name for one in operator.outputs if one is not None), ""),
                type=operator.name,
                macs=operator.macs,
            )
            for operator in operators
        ]
    )


def _with_mac_shares(rows: Sequence[OperatorTime]) -> tuple[OperatorTime, ...]:
    counts = [one.macs for one in rows]
    total = sum(count or 0 for count in counts)
    if None in counts or not total:
        return tuple(rows)
    return tuple(dataclasses.replace(one, mac_share=(one.macs or 0) / total) for one in rows)


def _times(values: object, device: str) -> list[int]:
    """Check times: not negative, and whole nanoseconds."""
    if not isinstance(values, list) or not all(type(one) is int and one >= 0 for one in values):
        raise _unfit(device, "something else than nanoseconds")
    return values


def _unfit(device: str, observed: str) -> DeviceError:
    return nonsense(
        device,
        "sends a profile that does not fit",
        observed,
        expected="the times of the operators of the file that was sent",
    )
