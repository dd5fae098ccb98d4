"""Try a foreign model file in a process of its own, before this process loads it.

A file that edgecnn made is protected by the digest in its contract. Any other may be damaged in
ways that no runtime checks, and end the process that loads it. So it is first loaded and run in a
child, ``python -m edgecnn_runner.runtimes.probe FILE RUNTIME``, under limits of time and memory: a
child that dies is an error with a name, and the caller lives on. Damage that ends a process only
now and then, by where memory happens to lie, is what ``tflite_structure`` finds before that.

Bytes that a runtime has once run so are not tried with it again by the same process. They are known
by their digest, since a file can change.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgecnn_runner import errors
from edgecnn_runner.contract import FLOATS
from edgecnn_runner.errors import COPY_AGAIN, ArtifactError, EdgeError, RuntimeMissingError
from edgecnn_runner.fitting import check_classifier
from edgecnn_runner.formats.container import looks_like_tflite
from edgecnn_runner.formats.tflite_structure import check_tflite
from edgecnn_runner.guard import Allowed, guarded
from edgecnn_runner.quantize import dequantize
from edgecnn_runner.runtimes.choice import TensorInfo, open_backend

if TYPE_CHECKING:
    import numpy.typing as npt

TIMEOUT_S: Final = 60.0
ENDS_THE_PROGRAM: Final = "ends the program that runs it"
TAKES_TOO_LONG: Final = "takes too long for one image"
"""What is said of a file on which the child died, or had to be ended: tests look for it."""
_MEMORY_BYTES: Final = 4 << 30
_MOST_REMEMBERED: Final = 64
_remembered: dict[tuple[str, str], Description] = {}
"""What was found out, by digest of the file and runtime; the newest last."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a trial run found out about a model.

    Attributes:
        input: Its one input.
        output: Its one output.
        samples: The answers to an image of zeros and to ramps, dequantized; without those that
            hold NaN or infinity.
    """

    input: TensorInfo
    output: TensorInfo
    samples: tuple[tuple[float, ...], ...]


def probe(path: Path, data: bytes, runtime: str, *, timeout_s: float = TIMEOUT_S) -> Description:
    """Load and run a model in another process.

    Args:
        path: The file.
        data: The bytes of it that the caller is about to load.
        runtime: A key of ``runtimes.RUNTIMES``.
        timeout_s: Seconds after which the child is ended.

    Returns:
        The model's description.

    Raises:
        ArtifactError: If the child crashes, takes too long, runs out of memory, finds that the
            model is no classifier, or reads another file than ``data``.
        RuntimeMissingError: If the runtime does not start there.
        RuntimeTooOldError: If the runtime is older than the file.
    """
    digest = hashlib.sha256(data).hexdigest()
    if (digest, runtime) in _remembered:
        return _remembered[digest, runtime]
    if looks_like_tflite(data):
        check_tflite(data, name=str(path))
    if not sys.executable:
        raise RuntimeMissingError(
            "a model file without contract cannot be tried: this Python does not know its program",
            observed=f"sys.executable is {sys.executable!r}",
            expected="the path of a Python that can be started for the trial",
            remedy="run it with a normal python, or use a file that is made by edgecnn",
        )
    # -P keeps the current folder off the child's path; what this process can import, it can.
    command = [sys.executable, "-P", "-m", "edgecnn_runner.runtimes.probe", str(path), runtime]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(  # noqa: S603 - this very Python and a file name, no shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ArtifactError(
            f"{path} {TAKES_TOO_LONG}",
            observed=f"more than {timeout_s:.0f} s",
            expected="an answer",
            remedy=COPY_AGAIN,
        ) from error
    found = _read_report(path, digest, done)
    _remembered[digest, runtime] = found
    if len(_remembered) > _MOST_REMEMBERED:
        _remembered.pop(next(iter(_remembered)), None)
    return found


def _read_report(path: Path, digest: str, done: subprocess.CompletedProcess[bytes]) -> Description:
    try:
        # A runtime may also end a process without a sound: exit code 0 and no report.
        report = json.loads(done.stdout) if done.returncode == 0 else None
    except ValueError:
        report = None
    if report is None:
        raise ArtifactError(
            f"{path} {ENDS_THE_PROGRAM}",
            observed=_cause_of_death(done),
            expected="an answer to an image of zeros",
            remedy=COPY_AGAIN,
        )
    if "error" in report:
        raise _rebuild(report)
    if report["sha256"] != digest:
        raise ArtifactError(
            f"{path} changed while it was being read",
            observed=f"sha256 {report['sha256']} in the trial",
            expected=f"sha256 {digest}, as it was read before",
            remedy="try again when it is complete",
        )
    tensors = [TensorInfo(**{**report[side], "shape": tuple(report[side]["shape"])})
               for side in ("input", "output")]  # fmt: skip
    samples = tuple(tuple(sample) for sample in report["samples"])
    return Description(input=tensors[0], output=tensors[1], samples=samples)


def _cause_of_death(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode < 0:
        try:
            return signal.Signals(-done.returncode).name
        except ValueError:
            return f"signal {-done.returncode}"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else f"exit code {done.returncode}"


def _rebuild(report: Mapping[str, Any]) -> EdgeError:
    kind = getattr(errors, report["error"])
    error: EdgeError = kind(
        report["problem"],
        observed=report["observed"],
        expected=report["expected"],
        remedy=report["remedy"],
    )
    return error


def main(arguments: Sequence[str]) -> int:
    """Load and run a model here; print what was found as JSON. The child's side.

    Args:
        arguments: The file and the runtime.

    Returns:
        0, also for a typed error, which is in the JSON.
    """
    path, runtime = Path(arguments[0]), arguments[1]
    _limit_resources()
    # Whatever a runtime prints must not get into the report.
    report_to = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        with guarded(Allowed()):
            report = _examine(path, runtime)
    except EdgeError as error:
        report = error.to_dict()
    with report_to:
        json.dump(report, report_to)
    return 0


def _limit_resources() -> None:
    # Where the system has no such limits, the time limit must do.
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            limit = _MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(hard, _MEMORY_BYTES)
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _examine(path: Path, runtime: str) -> dict[str, Any]:
    data = path.read_bytes()
    backend = open_backend(runtime, data, threads=1)
    check_classifier(backend.inputs, backend.outputs, name=str(path))
    fed, given = backend.inputs[0], backend.outputs[0]
    answers = [_as_real(backend.run(image), given) for image in _images(fed)]
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "input": fed._asdict(),
        "output": given._asdict(),
        # NaN tells nothing here; it is found again, and named, when real images are run.
        "samples": [answer.tolist() for answer in answers if np.isfinite(answer).all()],
    }


def _images(fed: TensorInfo) -> list[npt.NDArray[Any]]:
    shape = tuple(abs(size) for size in fed.shape)
    steps = np.arange(math.prod(shape), dtype=np.int64).reshape(shape) % 256
    ramps: list[npt.NDArray[Any]]
    if fed.dtype in FLOATS:
        # Which range it wants is not known. The small one alone would hardly move a model of raw
        # pixels, and its logits might stay within 0..1.
        ramps = [(steps / 255).astype(fed.dtype), steps.astype(fed.dtype)]
    else:
        ramps = [steps.astype(np.uint8).view(fed.dtype)]
    return [np.zeros(shape, fed.dtype), *ramps]


def _as_real(raw: npt.NDArray[Any], given: TensorInfo) -> npt.NDArray[np.float64]:
    flat = raw.reshape(-1)
    if flat.dtype.kind != "f" and given.scale > 0:
        flat = dequantize(flat, given.scale, given.zero_point)
    return flat.astype(np.float64)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
