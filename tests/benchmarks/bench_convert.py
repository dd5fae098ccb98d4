"""Conversion proper to the bare converter calls: at most 1.10, with the same calibration images.

Ours: trace, fold, convert, check, write the self-describing file. Bare: each converter called on
the Keras model as its own documentation shows. Neither includes importing TensorFlow, loading the
model, scoring or verifying.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from measure import compare, machine, versions
from seed_artifact import random_dataset, seed_recipe, seed_source

from edgecnn.build.workspace import Workspace
from edgecnn.convert import find_source
from edgecnn.data.calibration import choose_calibration
from edgecnn.quiet import captured_log
from edgecnn.recipe.load import DEFAULT_VARIANTS
from edgecnn_runner.runtimes.telemetry import no_telemetry

GOAL: Final = 1.10
RUNS: Final = 7
CALIBRATION_IMAGES: Final = 500


def run(folder: Path, runs: int = RUNS) -> list[dict[str, Any]]:
    """Compare all default variants of the seed CNN; ``folder`` is for temporary files."""
    with captured_log(), contextlib.redirect_stdout(io.StringIO()):
        ours, bare = _prepare(folder)
        result = compare(
            f"convert: {len(DEFAULT_VARIANTS)} variants to the bare converter calls",
            ours,
            bare,
            runs=runs,
            goal=GOAL,
        )
    return [result.to_dict()]


def _prepare(folder: Path) -> tuple[Callable[[], None], Callable[[], None]]:
    from edgecnn.build.staging import staging
    from edgecnn.convert.files import Maker
    from edgecnn.convert.graph.deployable import deployable_of
    from edgecnn.convert.source.model import load_source

    dataset, recipe = random_dataset(), seed_recipe(*DEFAULT_VARIANTS)
    source = find_source(seed_source(folder))
    model = load_source(source)
    calibration = choose_calibration(
        dataset.train,
        dataset.test,
        count=CALIBRATION_IMAGES,
        seed=0,
        class_names=dataset.class_names,
    )
    workspace = Workspace(folder / "build")
    workspace.create()

    def ours() -> None:
        with staging(workspace) as staged:
            maker = Maker(
                source=source,
                deployable=deployable_of(
                    model.call, shape=dataset.shape, input_range=model.input_range
                ),
                recipe=recipe,
                staged=staged,
                dataset=dataset,
                calibration=calibration,
                output_kind="probabilities",
                target=None,
            )
            for variant in recipe.convert.variants:
                row = maker.make(variant)
                if row.status != "made":
                    raise RuntimeError(f"{variant}: {row.reason}")

    return ours, _bare(source.path, calibration.pixels, folder)


def _bare(path: Path, images: npt.NDArray[np.uint8], folder: Path) -> Callable[[], None]:
    import keras
    import onnx
    import tensorflow as tf
    import tf2onnx

    no_telemetry()
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    model = keras.saving.load_model(path, compile=False)
    spec = tf.TensorSpec((1, *images.shape[1:]), tf.float32, name="image")

    def one_by_one() -> Iterator[list[npt.NDArray[np.float32]]]:
        for image in images:
            yield [image[np.newaxis].astype(np.float32)]

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
        def __init__(self) -> None:
            self.images = one_by_one()

        def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
            image = next(self.images, None)
            return None if image is None else {"image": image[0]}

    def tflite(change: Callable[[Any], None]) -> None:
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        change(converter)
        (folder / "bare.tflite").write_bytes(converter.convert())

    def optimized(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]

    def half(converter: Any) -> None:
        optimized(converter)
        converter.target_spec.supported_types = [tf.float16]

    def integer(converter: Any) -> None:
        optimized(converter)
        converter.representative_dataset = one_by_one
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8

    def bare() -> None:
        for change in (lambda converter: None, half, optimized, integer):
            tflite(change)
        function = tf.function(lambda image: model(image, training=False), input_signature=[spec])
        fp32, _ = tf2onnx.convert.from_function(function, input_signature=[spec], opset=17)
        onnx.save(fp32, folder / "bare.onnx")
        quantize_static(
            folder / "bare.onnx",
            folder / "bare-int8.onnx",
            Reader(),
            per_channel=True,
            activation_type=QuantType.QUInt8,
        )

    return bare


def main() -> None:
    """Print the ratio, or everything measured with ``--json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=RUNS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgecnn-bench-") as folder:
        results = run(Path(folder), arguments.runs)
    if arguments.json:
        tools = versions("tensorflow", "tf2onnx", "onnx", "onnxruntime")
        print(json.dumps({"machine": machine(), "tools": tools, "results": results}, indent=1))
        return
    for result in results:
        print(
            f"{result['name']}: {result['ratio']:.2f} (goal {result['goal']}), "
            f"{result['ours_ms']:.0f} to {result['bare_ms']:.0f} ms, "
            f"median of {result['runs']} interleaved runs"
        )


if __name__ == "__main__":
    main()
