"""Turns what TensorFlow, Keras, tf2onnx and onnxruntime say on a failure into a readable reason.

Their messages hold the one sentence that helps (which operator is not supported) between the lines
of a log, source positions, stack traces and dumps of a whole network in MLIR. Only what is known to
say nothing is dropped, so that a sentence nobody here has seen before is shown.
"""

from __future__ import annotations

import re
from typing import Final

_LINE: Final = 500
"""Characters of one sentence; what is longer is a dump of values or of a configuration."""
_ALL: Final = 2000
"""Characters of all of them."""

_ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")
# absl's and TensorFlow's prefix: severity and date, time, thread, file and line.
_LOGGED: Final = re.compile(
    r"^(?:(?P<severity>[IWEF])\d{4} \d\d:\d\d:[\d.]+ +\d+ [\w./-]+:\d+\] "
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]\d+:? (?P<letter>[IWEF]) [\w./-]+:\d+\] "
    r"|(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL):[\w.]+:"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ - (?P<name>DEBUG|INFO|WARNING|ERROR|CRITICAL) - )"
)
_UNIMPORTANT: Final = {"I", "W", "DEBUG", "INFO", "WARNING"}
# A position in front of a message: <unknown>:0: error: loc(fused["Erfinv:", "Erfinv_1"]): error:
_POSITION: Final = re.compile(
    r"^(?:<unknown>:\d+:\s*|(?:loc|callsite|fused)\((?:[^()]|\([^()]*\))*\):\s*|(?:error|Error):\s+)+"
)
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+|\b0x[0-9a-fA-F]{6,}\b")
_NODE_IN_GRAPH: Final = re.compile(r"\s*\[\[\{\{.*?\}\}\]\]|\s*\[Op:[^\]]*\](?: name: *)?")
# The rest of such a line is a dump of the network, or of what called it.
_DUMP: Final = re.compile(
    r"see current operation:|<\{function_type = |Full object config:|Arguments received by "
    r"|Call arguments received by|Stack trace for op definition:| using config=\{"
)
_NOTHING_SAID: Final = re.compile(
    r"trackable_obj|fully_quantize:|All log messages before absl|oneDNN|cpu_feature_guard"
    r"|rebuild TensorFlow|cudart_stub|cuda_|cuInit|Optimizing|Using opset|tf_tfl_flatbuffer_helpers"
    r"|Ignored (?:output|drop)|reader\.cc|loader\.cc|mlir_graph_optimization|MLIR V1"
    r"|Number of eligible GPUs|Starting new session|Estimated count of arithmetic|XNNPACK delegate"
    r"|stack traces unavailable|^Detected at node|^Graph execution error:$|^Traceback \(most recent"
    r'|^File ".*", line \d+|^==> Context:|^Unsupported ops: Counter|^Error code: ERROR_NEEDS'
    r"|^failed while converting: '|^Details:$|^tf\.\w+\(tensor<|[Ss]ee instructions"
    r"|[Pp]lease consider (?:to run )?pre-?processing"
    r"|^Could not translate MLIR to FlatBuffer"
    r"|^During handling of the above|^The above exception was|^(?:note|remark|warning):|^• "
    r'|^%\d+ = |^\^bb\d|^"[\w.]+"\(|^\}\)|^[\s^~.{}()\[\]-]*$'
)


def sentences(text: str) -> list[str]:
    """Return what a text says, a sentence or a line each, without what says nothing.

    Args:
        text: An error's text, or lines of a log.

    Returns:
        Lines without the prefixes of logs, source positions, addresses and colours, none twice,
        in their order. Lines of a log that are no error are left out.
    """
    found: dict[str, None] = {}
    for raw in _ANSI.sub("", text).replace("<unknown>:", "\n<unknown>:").splitlines():
        line = raw.strip()
        logged = _LOGGED.match(line)
        if logged is not None:
            if _UNIMPORTANT & set(logged.groups()):
                continue
            line = line[logged.end() :]
        cut = _DUMP.search(line)
        if cut is not None:
            line = line[: cut.start()]
        line = _POSITION.sub("", line.strip())
        if _NOTHING_SAID.search(line):
            continue
        line = _NODE_IN_GRAPH.sub("", _ADDRESS.sub("", line)).strip()
        line = "".join(char for char in line if char.isprintable())
        if len(line) > _LINE:
            line = line[: _LINE - 4] + " ..."
        if line:
            found[line] = None
    return list(found)


def reason_of(error: BaseException, log: str = "") -> str:
    """Return why something failed, in what its libraries said.

    Args:
        error: What was raised.
        log: What was logged before; its errors come first, since the exception behind an error
            that was logged often only says that there was one.

    Returns:
        One line of sentences with "; " between them; the exception's class where nothing was said.
    """
    own = sentences(str(error))
    if own and (isinstance(error, LookupError) or not re.search(r"\w\W+\w", own[0])):
        # A KeyError's text is the key alone, and an AssertionError's may be one word.
        own[0] = f"{type(error).__name__}: {own[0]}"
    said = sentences(log)
    said += [line for line in own if not any(line in earlier for earlier in said)]
    kept: list[str] = []
    for line in said or [type(error).__name__]:
        if kept and sum(map(len, kept)) + len(line) > _ALL:
            kept.append(f"and {len(said) - len(kept)} lines more")
            break
        kept.append(line)
    return "; ".join(line.rstrip(".;") for line in kept)
