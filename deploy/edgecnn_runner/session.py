"""One model file, loaded and ready: images of the model's size in, scores out.

Everything that can be decided once is decided in ``Session.open``; what is left for each image
is one check, one copy, the inference itself and a look at the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgecnn_runner.contract import FLOATS, Contract
from edgecnn_runner.errors import CONVERT_AGAIN, ImageError, ScoreError
from edgecnn_runner.fitting import check_classifier, check_fit, choose_contract
from edgecnn_runner.formats.container import Container, read_container
from edgecnn_runner.images.feed import make_feed
from edgecnn_runner.postprocess import probabilities
from edgecnn_runner.quantize import dequantize
from edgecnn_runner.runtimes.choice import RUNTIMES, choose_runtime, installed_version, open_backend

if TYPE_CHECKING:
    import numpy.typing as npt

_UINT8 = np.dtype(np.uint8)
_TOLD_AFTER: Final = 100
"""Images after which a caller is told that they are done: telling takes some microseconds."""
_TOLD_EVERY_S: Final = 0.5


class Session:
    """A loaded model. Use ``Session.open``; not for several threads at once.

    Attributes:
        contract: How the file is fed and read.
        path: The file.
        format: ``tflite`` or ``onnx``.
        threads: How many the runtime may use.
        runtime_name: A key of ``runtimes.RUNTIMES``.
        load_ns: How long reading, checking and loading the file took, in nanoseconds; for a
            foreign file without its trial run in another process.
    """

    def __init__(
        self,
        path: Path,
        container: Container,
        contract: Contract,
        *,
        threads: int,
        runtime_name: str,
        started_ns: int,
    ) -> None:
        """Load a model whose bytes may be trusted; ``Session.open`` sees to that."""
        if threads < 1:
            raise ValueError(f"threads is {threads}, not at least 1")
        self.path, self.contract, self.format = path, contract, container.format
        self.threads, self.runtime_name = threads, runtime_name
        backend = open_backend(
            runtime_name, container.data, threads=threads, min_runtime=contract.min_runtime
        )
        check_classifier(backend.inputs, backend.outputs, name=str(path))
        check_fit(contract, backend.inputs, backend.outputs, name=str(path))
        spec = contract.input
        self._shape = (spec.height, spec.width, spec.channels)
        self._feed = make_feed(spec)
        self._run: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] = backend.run
        self._kernels: Callable[[], str] = backend.kernels
        self._count = contract.output.count(len(contract.labels))
        self._score_of = _score_table(contract)
        self.load_ns = time.perf_counter_ns() - started_ns

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        contract: Contract | None = None,
        threads: int = 1,
        runtime: str | None = None,
    ) -> Session:
        """Read, check and load a model file.

        Args:
            path: A ``.tflite`` or ``.onnx`` file.
            contract: For a foreign file, which carries none (``foreign.foreign_contract`` makes
                one). Such a file is first loaded and run in another process.
            threads: At least 1. Networks this small gain little from two, and their slowest
                calls get much slower when a core is busy.
            runtime: ``litert``, ``tflite-runtime`` or ``onnxruntime``; None for the best
                installed.

        Returns:
            The session; closing it, or leaving its ``with`` block, frees the model.

        Raises:
            ArtifactError: If the file is missing, damaged, or not a classifier.
            ContractError: If it has no contract and none was given, if both are there, or if
                contract and model do not fit.
            LabelsError: If there are more or fewer labels than outputs.
            UsageError: If ``runtime`` does not exist.
            RuntimeMissingError: If no runtime for it is installed.
            RuntimeTooOldError: If the runtime is older than the file.
            ValueError: If ``threads`` is below 1.
        """
        path = Path(path)
        started_ns = time.perf_counter_ns()
        container = read_container(path)
        read_ns = time.perf_counter_ns() - started_ns
        chosen = choose_contract(container, contract, name=str(path))
        runtime_name = choose_runtime(container.format, runtime)
        if container.contract is None:
            from edgecnn_runner.runtimes.probe import probe

            probe(path, container.data, runtime_name)
        return cls(
            path,
            container,
            chosen,
            threads=threads,
            runtime_name=runtime_name,
            started_ns=time.perf_counter_ns() - read_ns,
        )

    @property
    def runtime(self) -> str:
        """The runtime's package and version, for example ``ai-edge-litert 2.3.0``."""
        return f"{RUNTIMES[self.runtime_name].package} {installed_version(self.runtime_name)}"

    @property
    def kernels(self) -> str:
        """Whose kernels compute the answer, as the runtime tells once the model is loaded.

        Scores depend on it: the same integer file differs a little between XNNPACK's and
        TFLite's own. Looked up on each call.
        """
        return self._kernels()

    def classify(self, image: npt.NDArray[np.uint8]) -> tuple[int, float]:
        """Return the best class of one image and its probability; the fast path.

        For integer probabilities, argmax works on the raw integers and only the best one is
        dequantized; the answer is that of ``scores``, ties going to the lowest index.

        Args:
            image: Shape (height, width, channels) of the model, uint8.

        Returns:
            The class index and its probability.

        Raises:
            ImageError: If the image has another shape or type.
            ScoreError: If the model answers with NaN or infinity.
        """
        if image.shape != self._shape or image.dtype != _UINT8:
            raise self._wrong_image(image)
        raw = self._run(self._feed(image))
        table = self._score_of
        if table is None:
            scores = self._read(raw)
            best = int(scores.argmax())
            return best, float(scores[best])
        best = int(raw.argmax())
        # A negative index counts from the table's end, which is where negative values are.
        return best, table[raw.item(best)]

    def scores(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the probabilities of one image.

        Args:
            image: Shape (height, width, channels) of the model, uint8.

        Returns:
            float32, shape (classes,), a fresh array.

        Raises:
            ImageError: If the image has another shape or type.
            ScoreError: If the model answers with NaN or infinity.
        """
        if image.shape != self._shape or image.dtype != _UINT8:
            raise self._wrong_image(image)
        return self._read(self._run(self._feed(image)))

    def predict(
        self,
        images: npt.NDArray[np.uint8],
        *,
        advance: Callable[[int], None] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return the probabilities of many images, one inference each.

        Args:
            images: Shape (n, height, width, channels), uint8.
            advance: Called with the number of images done since the last call: after 100, or, of a
                network that takes longer for them, every half second or so.

        Returns:
            float32, shape (n, classes).

        Raises:
            ImageError: If the images have another shape or type.
            ScoreError: If the model answers with NaN or infinity for any of them.
        """
        if images.shape[1:] != self._shape or images.dtype != _UINT8:
            raise self._wrong_image(images, "n, ")
        raw = np.empty((len(images), self._count), self.contract.output.dtype)
        run, feed = self._run, self._feed
        start, step = 0, 1
        while start < len(images):
            stop, begun = min(start + step, len(images)), time.monotonic()
            for index in range(start, stop):
                raw[index] = run(feed(images[index])).reshape(-1)
            if advance is not None:
                advance(stop - start)
            if time.monotonic() - begun < _TOLD_EVERY_S / 2:
                step = min(2 * step, _TOLD_AFTER)
            start = stop
        return probabilities(raw, self.contract.output)

    def _read(self, raw: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        if raw.size != self._count:
            raise ScoreError(
                "the model answers with a wrong number of scores",
                observed=raw.size,
                expected=self._count,
                remedy=CONVERT_AGAIN,
            )
        return probabilities(raw.reshape(-1), self.contract.output)

    def _wrong_image(self, image: npt.NDArray[Any], count: str = "") -> ImageError:
        height, width, channels = self._shape
        return ImageError(
            "the image does not have the model's size",
            observed=f"shape {image.shape}, {image.dtype}",
            expected=f"shape ({count}{height}, {width}, {channels}), uint8",
            remedy="bring it to that size with edgecnn_runner.images.preprocess.prepare, "
            "or give it to Classifier.classify, which does",
        )

    def close(self) -> None:
        """Free the model; the session cannot be used any more."""
        self._run = self._kernels = _closed

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _score_table(contract: Contract) -> list[float] | None:
    """Return each integer's probability, for models whose raw output is one; else None.

    Entry 0 to 127 (255 for uint8) are those values; for int8, -128 to -1 follow, where Python's
    negative indices find them.
    """
    spec = contract.output
    if spec.dtype in FLOATS or spec.kind != "probabilities":
        return None
    values = np.arange(256, dtype=np.uint8).view(spec.dtype)
    table: list[float] = dequantize(values, spec.scale, spec.zero_point).tolist()
    return table


def _closed(*_: object) -> Any:  # stands for what returns arrays and texts
    raise ValueError("the session is closed")
