"""Which runtime versions can load a file.

Two families, each with its own versions:

- ``tflite``: a TensorFlow release. ``tensorflow`` and ``tflite-runtime`` are numbered by it;
  ``ai-edge-litert`` has numbers of its own, see ``_LITERT_RELEASES``.
- ``onnxruntime``: an ONNX Runtime release.

Newer versions of both load what older ones loaded, so one minimum says it all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from edgecnn.modelfile.tflite_operators import OPERATOR_RELEASES, TABLE_RELEASE
from edgecnn.modelfile.types import Graph, Operator

RUNTIMES: Final[Mapping[str, str]] = {
    "tflite-runtime": "tflite",
    "ai-edge-litert": "tflite",
    "tensorflow": "tflite",
    "onnxruntime": "onnx",
}
"""Runtime (the package's name) to the format it loads."""

# ONNX Runtime release to the newest opset of ai.onnx and the newest IR version it takes; a release
# not named is like the one before it. Up to 1.18 as in
# https://onnxruntime.ai/docs/reference/compatibility.html; from 1.19 on, where that page ends
# early, as 1.19.2, 1.20.1, 1.21.1, 1.22.1, 1.23.2, 1.24.1, 1.25.0, 1.26.0, 1.28.0, 1.30.0 and
# 1.32.0 did when given one-operator models of each opset and IR version.
_ONNXRUNTIME: Final = (
    ("0.3.0", 9, 3),
    ("0.4.0", 10, 5),
    ("1.0.0", 11, 6),
    ("1.3.0", 12, 7),
    ("1.6.0", 13, 7),
    ("1.8.0", 14, 7),
    ("1.9.0", 15, 8),
    ("1.11.0", 16, 8),
    ("1.12.0", 17, 8),
    ("1.14.0", 18, 8),
    ("1.15.0", 19, 8),
    ("1.16.0", 19, 9),
    ("1.17.0", 20, 9),
    ("1.18.0", 21, 10),
    ("1.21.0", 22, 10),
    ("1.23.0", 23, 11),
    ("1.24.1", 25, 13),
    ("1.25.0", 26, 13),
    ("1.32.0", 28, 14),
)

# The release that brought kernels for int16 activations with int8 weights: that of version 4 of
# CONV_2D, whose note in tensorflow/lite/tools/versioning/op_version.cc says so. The converter of
# TensorFlow 2.21 writes lower versions, which older runtimes would take and then fail on.
_INT16_RELEASE: Final = "2.3.0"

# ai-edge-litert release to the TensorFlow release it is at least as new as.
# Cautious: the newest TensorFlow that was out by then; the wheel of 2.3.0 says 2.22.0-dev0.
_LITERT_RELEASES: Final = (("1.0.0", "2.17.0"), ("2.0.0", "2.19.0"), ("2.3.0", "2.21.0"))


def parse_version(text: str) -> tuple[int, ...]:
    """Return a version as numbers that compare: ``2.14.0`` and ``2.14.0.post1`` as (2, 14, 0).

    Raises:
        ValueError: If it does not begin with a number.
    """
    numbers: list[int] = []
    for part in text.strip().split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:  # 2rc1
            break
    if not numbers:
        raise ValueError(f"{text!r} is not a version")
    return tuple((*numbers, 0, 0)[:3])


def tflite_minimum(operators: Iterable[Operator], stated: str) -> dict[str, str]:
    """Return the lowest TensorFlow release whose runtime loads these operators.

    Args:
        operators: All operators of the file.
        stated: The file's own ``min_runtime_version``; empty if it has none. Taken if it is
            higher than what follows from the operators: the file was not edited then.

    Returns:
        ``{"tflite": release}``; empty if nothing is known.
    """
    releases = [stated] if _is_version(stated) else []
    for operator in operators:
        known = OPERATOR_RELEASES.get(operator.name, ()) if not operator.domain else ()
        version = operator.version or 1
        release = known[version - 1] if 1 <= version <= len(known) else None
        if release is not None:
            releases.append(release)
        if operator.macs and _is_int16(operator):
            releases.append(_INT16_RELEASE)
    return {"tflite": max(releases, key=parse_version)} if releases else {}


def _is_int16(operator: Operator) -> bool:
    return any(tensor is not None and tensor.dtype == "int16" for tensor in operator.outputs)


def onnx_minimum(opset: int | None, ir_version: int | None) -> dict[str, str]:
    """Return the lowest ONNX Runtime release that takes an opset and an IR version.

    Args:
        opset: Opset of the standard domain; None if the file imports none.
        ir_version: The file's IR version.

    Returns:
        ``{"onnxruntime": release}``; empty if both are newer than this program's table.
    """
    for release, newest_opset, newest_ir in _ONNXRUNTIME:
        if (opset or 0) <= newest_opset and (ir_version or 0) <= newest_ir:
            return {"onnxruntime": release}
    return {}


def _is_version(text: str) -> bool:
    try:
        parse_version(text)
    except ValueError:
        return False
    return True


def unlisted(graph: Graph) -> tuple[str, ...]:
    """Return the TFLite operators, with versions, that no release in this program's table has.

    A runtime of TensorFlow 2.21 or older does not load them.
    """
    if graph.format != "tflite":
        return ()
    found = dict.fromkeys(
        f"{operator.name} version {operator.version}"
        for operator in graph.operators
        if not operator.domain
        and (operator.version or 1) > len(OPERATOR_RELEASES.get(operator.name, ()))
        and (operator.name in OPERATOR_RELEASES or operator.name.startswith("BUILTIN_"))
    )
    return tuple(found)


def loads(graph: Graph, runtime: str, version: str) -> str | None:
    """Tell why a runtime cannot load a file.

    Args:
        graph: The file.
        runtime: A key of ``RUNTIMES``.
        version: The runtime's version, for example ``2.14.0``.

    Returns:
        The reason, one sentence without a full stop; None if nothing speaks against it.

    Raises:
        ValueError: If the runtime is not known or the version is not a version.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"{runtime!r} is not one of {', '.join(RUNTIMES)}")
    wanted = parse_version(version)
    if RUNTIMES[runtime] != graph.format:
        return f"{runtime} does not read {graph.format} files"
    if graph.format == "onnx":
        return _onnx_reason(graph, version, wanted)
    return _tflite_reason(graph, runtime, version, wanted)


def _onnx_reason(graph: Graph, version: str, wanted: tuple[int, ...]) -> str | None:
    if graph.custom:
        return f"{graph.custom[0]} is an operator that onnxruntime does not have"
    minimum = graph.min_runtime.get("onnxruntime")
    what = f"opset {graph.opset} with IR version {graph.ir_version}"
    if minimum is None:
        return f"{what} is newer than this program knows any onnxruntime for"
    if wanted < parse_version(minimum):
        return f"{what} needs onnxruntime {minimum} or newer, not {version}"
    return None


def _tflite_reason(graph: Graph, runtime: str, version: str, wanted: tuple[int, ...]) -> str | None:
    if graph.flex and runtime != "tensorflow":
        return f"{graph.flex[0]} needs TensorFlow's Flex delegate, which {runtime} does not have"
    release = _as_release(runtime, wanted)
    newer = unlisted(graph)
    if newer and release <= parse_version(TABLE_RELEASE):
        return f"{newer[0]} came after TensorFlow {TABLE_RELEASE}, and {runtime} {version} did not"
    minimum = graph.min_runtime.get("tflite")
    if minimum is None or release >= parse_version(minimum):
        return None
    worst = _newest_operators(graph, release)
    because = f" ({', '.join(worst)})" if worst else ""
    return f"it needs the runtime of TensorFlow {minimum} or newer{because}, not {version}"


def _as_release(runtime: str, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """Return the TensorFlow release that a runtime's version corresponds to."""
    if runtime != "ai-edge-litert":
        return wanted
    known = [release for first, release in _LITERT_RELEASES if parse_version(first) <= wanted]
    return parse_version(known[-1]) if known else (0, 0, 0)


def _newest_operators(graph: Graph, release: tuple[int, ...]) -> list[str]:
    """Return the operators, with versions, that came after a TensorFlow release."""
    found: dict[str, None] = {}
    for operator in graph.operators:
        minimum = tflite_minimum([operator], "").get("tflite")
        if minimum is not None and parse_version(minimum) > release:
            found[f"{operator.name} version {operator.version}"] = None
    return list(found)
