"""What the runner adds to bare inference, as ratios of interleaved medians.

    python tests/benchmarks/bench_runner.py FILE.tflite [--json]

``classify``: from an image of the model's size to class and score, by ``Session.classify``,
against bare ``invoke()`` of the same file. ``predict``: ``Session.predict`` over 10,000 images,
against a bare loop of set, invoke and get. Both sides take turns in one process, so that other
work on the machine slows both.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn_runner.machine import describe_machine
from edgecnn_runner.session import Session

CLASSIFY_LIMIT = 1.05
PREDICT_LIMIT = 1.25


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Two medians and their ratio.

    Attributes:
        name: What was compared.
        runner_ns: The runner's side, nanoseconds for one image.
        bare_ns: The bare side.
        ratio: The one by the other.
        limit: What the ratio may be.
        samples: How many times each side was timed.
    """

    name: str
    runner_ns: float
    bare_ns: float
    ratio: float
    limit: float
    samples: int


class Bare:
    """The same file in an interpreter of its own, with nothing around it."""

    def __init__(self, session: Session, image: npt.NDArray[np.uint8]) -> None:
        interpreter = _interpreter_class(session)(
            model_content=session.path.read_bytes(), num_threads=session.threads
        )
        interpreter.allocate_tensors()
        fed, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        self.batch = image[np.newaxis].astype(fed["dtype"])
        self.fed, self.given = fed["index"], given["index"]
        self.set_tensor, self.get_tensor = interpreter.set_tensor, interpreter.get_tensor
        self.invoke: Callable[[], None] = interpreter.invoke
        self.set_tensor(self.fed, self.batch)

    def set_invoke_get(self, count: int) -> None:
        """Run the bare loop that the runner's ``predict`` is compared with."""
        fed, given, batch = self.fed, self.given, self.batch
        set_tensor, invoke, get_tensor = self.set_tensor, self.invoke, self.get_tensor
        for _ in range(count):
            set_tensor(fed, batch)
            invoke()
            get_tensor(given)


def _interpreter_class(session: Session) -> Any:  # one of two untyped classes
    if session.runtime_name == "litert":
        from ai_edge_litert.interpreter import Interpreter
    else:
        from tflite_runtime.interpreter import Interpreter
    return Interpreter


def compare_classify(session: Session, image: npt.NDArray[np.uint8], calls: int) -> Ratio:
    """Time single calls, in turn, after a tenth of them as warm-up."""
    bare = Bare(session, image)
    clock, classify, invoke = time.perf_counter_ns, session.classify, bare.invoke
    runner_ns, bare_ns = [], []
    for _ in range(calls + calls // 10):
        first = clock()
        invoke()
        second = clock()
        classify(image)
        third = clock()
        bare_ns.append(second - first)
        runner_ns.append(third - second)
    kept = slice(calls // 10, None)
    return _ratio("classify", runner_ns[kept], bare_ns[kept], CLASSIFY_LIMIT)


def compare_predict(session: Session, image: npt.NDArray[np.uint8], count: int) -> Ratio:
    """Time blocks of 500 images, in turn, until ``count`` images are done."""
    bare, block = Bare(session, image), 500
    images = np.repeat(image[np.newaxis], block, axis=0)
    runner_ns, bare_ns = [], []
    for _ in range(count // block):
        first = time.perf_counter_ns()
        bare.set_invoke_get(block)
        second = time.perf_counter_ns()
        session.predict(images)
        third = time.perf_counter_ns()
        bare_ns.append((second - first) / block)
        runner_ns.append((third - second) / block)
    return _ratio("predict", runner_ns, bare_ns, PREDICT_LIMIT)


def _ratio(name: str, runner: list[Any], bare: list[Any], limit: float) -> Ratio:
    runner_ns, bare_ns = float(median(runner)), float(median(bare))
    return Ratio(
        name=name,
        runner_ns=runner_ns,
        bare_ns=bare_ns,
        ratio=runner_ns / bare_ns,
        limit=limit,
        samples=len(runner),
    )


def measure(path: Path, *, calls: int = 4000, images: int = 10_000) -> list[Ratio]:
    """Return the ratios of one TFLite file.

    Args:
        path: A file with a contract.
        calls: Single calls of each side.
        images: Images of each side's loop.
    """
    with Session.open(path) as session:
        spec = session.contract.input
        shape = (spec.height, spec.width, spec.channels)
        image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        return [
            compare_classify(session, image, calls),
            compare_predict(session, image, images),
        ]


def main() -> int:
    """Print the ratios; return 1 if one is beyond its limit."""
    parser = argparse.ArgumentParser(description="Compare the runner with bare inference.")
    parser.add_argument("file", type=Path, help="a .tflite file with a contract")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    ratios = measure(options.file)
    if options.json:
        facts = {"machine": describe_machine(), "ratios": [asdict(ratio) for ratio in ratios]}
        sys.stdout.write(json.dumps(facts, indent=1) + "\n")
    else:
        for ratio in ratios:
            print(
                f"{ratio.name:<10} {ratio.runner_ns / 1000:8.1f} us  bare "
                f"{ratio.bare_ns / 1000:8.1f} us  ratio {ratio.ratio:.3f}  limit {ratio.limit}"
            )
    return int(any(ratio.ratio > ratio.limit for ratio in ratios))


if __name__ == "__main__":
    sys.exit(main())
