"""Conversion of a large network: seconds and peak memory, beside the bare converter calls.

The network is ResNet-50V2 at 224 x 224 pixels, 94 MB of weights, with random weights whose answers
are spread. Each way runs in a process of its own, in turn. Ours is ``edgecnn convert`` of one
variant or of all: loading, tracing, comparing, converting, checking, writing, golden vectors. The
model's scores on the test images and the trials of other ways to feed it are no part of a
conversion: their seconds stand beside. Bare: the model loaded, and each converter called on it as
its own documentation shows, with the same calibration images.

Goals: all variants in at most 1.15 of the bare calls' time and at most 4 GB, each TFLite variant in
at most 1.2 of the bare call's memory. Times are seconds of the processor, user and system, so that
other work on the machine changes them little. It takes half an hour; ``make bench`` leaves it out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from measure import machine, versions
from PIL import Image

from edgecnn.quiet import captured_log
from edgecnn.recipe.load import VARIANTS

TIME_GOAL: Final = 1.15
TFLITE_MEMORY_GOAL: Final = 1.2
MEMORY_GOAL: Final = 4.0
"""GB of 1e9 bytes, all variants in one process."""
SIDE: Final = 224
CLASSES: Final = 10
PICTURES: Final = 5
"""Of each class; a fifth is for the test, and a tenth of the others for validation."""
RUNS: Final = 3


def main() -> None:
    """Print the ratios, or everything measured with ``--json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--variant", action="append", help="these alone; default: all")
    parser.add_argument("--child", nargs=3, metavar=("WAY", "VARIANTS", "FOLDER"))
    arguments = parser.parse_args()
    if arguments.child:
        way, variants, folder = arguments.child
        print(json.dumps(_CHILDREN[way](variants.split(","), Path(folder))))
        return
    variants = arguments.variant or [*VARIANTS]
    with tempfile.TemporaryDirectory(prefix="edgecnn-bench-") as place:
        results = run(Path(place), variants, arguments.runs)
    if arguments.json:
        tools = versions("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy")
        print(json.dumps({"machine": machine(), "tools": tools, "results": results}, indent=1))
        return
    for result in results:
        print(_line(result))


def run(folder: Path, variants: Sequence[str], runs: int = RUNS) -> list[dict[str, Any]]:
    """Measure all variants together, and each by itself, ``runs`` times in turn.

    Args:
        folder: For the model, the pictures and the builds.
        variants: Names of variants.
        runs: How often; medians are reported.

    Returns:
        One result for all together, then one for each variant; with the raw samples.
    """
    subprocess.run(_command("model", "-", folder), check=True, stdout=subprocess.DEVNULL)
    asked = [",".join(variants), *(variants if len(variants) > 1 else ())]
    samples: dict[str, dict[str, list[dict[str, Any]]]] = {
        one: {"ours": [], "bare": []} for one in asked
    }
    for number in range(runs):
        for one in asked:
            for way in ("ours", "bare") if number % 2 else ("bare", "ours"):
                samples[one][way].append(_measured(way, one, folder))
    return [_result(one, samples[one]) for one in asked]


def _command(way: str, variants: str, folder: Path) -> list[str]:
    return [sys.executable, __file__, "--child", way, variants, str(folder)]


def _measured(way: str, variants: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        _command(way, variants, folder), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{way} {variants} failed:\n{done.stderr}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _result(variants: str, samples: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    found: dict[str, Any] = {"variants": variants.split(",")}
    for way, runs in samples.items():
        for name in ("cpu_s", "wall_s", "peak_gb"):
            found[f"{way}_{name}"] = statistics.median(one[name] for one in runs)
    found["time_ratio"] = found["ours_cpu_s"] / found["bare_cpu_s"]
    found["memory_ratio"] = found["ours_peak_gb"] / found["bare_peak_gb"]
    tflite = variants.startswith("tflite") and "," not in variants
    found["met"] = {
        **({} if "," not in variants else {"time": found["time_ratio"] <= TIME_GOAL}),
        **({"tflite_memory": found["memory_ratio"] <= TFLITE_MEMORY_GOAL} if tflite else {}),
        "memory": found["ours_peak_gb"] <= MEMORY_GOAL,
    }
    return {**found, "samples": samples}


def _line(result: dict[str, Any]) -> str:
    names = result["variants"]
    title = names[0] if len(names) == 1 else f"all {len(names)} variants"
    missed = [name for name, met in result["met"].items() if not met]
    stages = result["samples"]["ours"][-1]["stages_cpu_s"]
    apart = ", ".join(f"{name} {stages.get(name, 0):.1f} s" for name in ("reference", "trials"))
    return (
        f"{title:<20} time {result['time_ratio']:.2f} ({result['ours_cpu_s']:.1f} to "
        f"{result['bare_cpu_s']:.1f} s; {apart}), memory {result['memory_ratio']:.2f} "
        f"({result['ours_peak_gb']:.2f} to {result['bare_peak_gb']:.2f} GB)"
        + (f"  MISSED: {', '.join(missed)}" if missed else "")
    )


def _child_model(variants: Sequence[str], folder: Path) -> dict[str, Any]:
    """Write the model, the pictures and the labels."""
    del variants
    import keras

    random = np.random.default_rng(0)
    names = [f"class{index}" for index in range(CLASSES)]
    made = []
    for index, name in enumerate(names):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(PICTURES):
            made.append(picture(index, random))
            Image.fromarray(made[-1]).save(folder / "images" / name / f"{number}.png")
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in names))
    keras.utils.set_random_seed(0)
    network = keras.applications.ResNet50V2(
        weights=None, input_shape=(SIDE, SIDE, 3), classes=CLASSES, classifier_activation=None
    )
    some = np.stack(made[::PICTURES]).astype(np.float32) / 127.5 - 1
    settle(network, some)
    # Logits of one spread, so that every class is some picture's.
    scores = network(some, training=False).numpy()
    dense = network.layers[-1]
    kernel, bias = (value.numpy() for value in dense.weights)
    spread = 3 / scores.std(axis=0)
    dense.kernel.assign(kernel * spread)
    dense.bias.assign((bias - scores.mean(axis=0)) * spread)
    keras.Sequential([network, keras.layers.Softmax()]).save(folder / "model.keras")
    return {}


def picture(kind: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return stripes of a class's own direction and width, in chance colours, with noise."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    turn = np.pi * kind / CLASSES
    waves = np.sin(
        (np.cos(turn) * rows + np.sin(turn) * columns) / (3 + kind) + random.uniform(0, 6)
    )
    colours = random.uniform(0, 255, (2, 3))
    mixed = colours[0] + (waves[..., np.newaxis] + 1) / 2 * (colours[1] - colours[0])
    noisy = mixed + random.normal(0, 8, (SIDE, SIDE, 3))
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def settle(network: Any, images: npt.NDArray[np.float32]) -> None:
    """Give a network's batch normalization the averages of some images, as training would."""
    normalizing = [layer for layer in network.layers if hasattr(layer, "moving_mean")]
    momenta = [layer.momentum for layer in normalizing]
    for layer in normalizing:
        layer.momentum = 0.0
    network(images, training=True)
    for layer, momentum in zip(normalizing, momenta, strict=True):
        layer.momentum = momentum


class _Laps:
    """Seconds of the processor and the peak of memory, by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.peaks: dict[str, float] = {}
        self._since = time.process_time()

    def ended(self, stage: str) -> None:
        now = time.process_time()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self.peaks[stage] = _peak_gb()
        self._since = now


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _child_ours(variants: Sequence[str], folder: Path) -> dict[str, Any]:
    """Convert as the command does."""
    from edgecnn.build.keras_settings import start_keras
    from edgecnn.commands import convert as command
    from edgecnn.convert import stage
    from edgecnn_runner.input_options import Preprocessing

    with captured_log():
        start_keras()
    import tensorflow as tf  # noqa: F401 - its import is no part of either way
    import tf2onnx  # noqa: F401

    laps = _Laps()
    stage.Laps = lambda **_: laps  # type: ignore[assignment,attr-defined]
    wall, cpu = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory(dir=folder) as out:
        result = command.convert(
            command.ConvertRequest(
                source=folder / "model.keras",
                out=Path(out),
                variants=tuple(variants),
                data=str(folder / "images"),
                labels=folder / "labels.txt",
                preprocessing=Preprocessing.of_options(input_range="-1..1"),
                as_is=True,
            )
        )
        missing = result.conversion.exit_error()
        if missing is not None:
            raise missing
    seconds = time.process_time() - cpu
    apart = sum(laps.seconds.get(name, 0.0) for name in ("reference", "trials"))
    return {
        "cpu_s": seconds - apart,
        "wall_s": time.monotonic() - wall,
        "peak_gb": _peak_gb(),
        "stages_cpu_s": laps.seconds,
        "peak_after_gb": laps.peaks,
    }


def _child_bare(variants: Sequence[str], folder: Path) -> dict[str, Any]:
    """Call each converter as its own documentation shows."""
    with captured_log(), contextlib.redirect_stdout(io.StringIO()):
        import keras
        import tensorflow as tf
        import tf2onnx

        from edgecnn.data.calibration import choose_calibration
        from edgecnn.data.load import load_dataset
        from edgecnn.recipe.load import Data

        laps = _Laps()
        wall, cpu = time.monotonic(), time.process_time()
        section = Data(name="folder", path=folder / "images", image_size=(SIDE, SIDE))
        data = load_dataset(section)
        images = choose_calibration(
            data.train, data.test, count=None, seed=0, class_names=data.class_names
        ).pixels
        model = keras.saving.load_model(folder / "model.keras", compile=False)
        laps.ended("load")
        spec = tf.TensorSpec((1, SIDE, SIDE, 3), tf.float32, name="image")

        def one_by_one() -> Iterator[list[npt.NDArray[np.float32]]]:
            for image in images:
                yield [image[np.newaxis].astype(np.float32) / 127.5 - 1]

        for variant in variants:
            kind, _, precision = variant.partition("-")
            if kind == "tflite":
                data_bytes = _bare_tflite(model, precision, one_by_one)
                (folder / "bare.tflite").write_bytes(data_bytes)
                del data_bytes
            else:
                _bare_onnx(model, precision, one_by_one, spec, folder, tf2onnx)
            laps.ended(variant)
    return {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.monotonic() - wall,
        "peak_gb": _peak_gb(),
        "stages_cpu_s": laps.seconds,
        "peak_after_gb": laps.peaks,
    }


def _bare_tflite(model: Any, precision: str, one_by_one: Any) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if precision != "fp32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    if precision in ("int8", "int16x8"):
        converter.representative_dataset = one_by_one
    if precision == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    if precision == "int16x8":
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    return bytes(converter.convert())


def _bare_onnx(
    model: Any, precision: str, one_by_one: Any, spec: Any, folder: Path, tf2onnx: Any
) -> None:
    """Make the float model once, and the others of its file."""
    import onnx
    import tensorflow as tf

    from edgecnn_runner.runtimes.telemetry import no_telemetry

    no_telemetry()
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.transformers.float16 import convert_float_to_float16

    path = folder / "bare.onnx"
    if not path.exists() or precision == "fp32":
        function = tf.function(lambda image: model(image, training=False), input_signature=[spec])
        float_model, _ = tf2onnx.convert.from_function(function, input_signature=[spec], opset=17)
        onnx.save(float_model, path)
    if precision == "fp16":
        half = convert_float_to_float16(onnx.load(path), keep_io_types=True)
        onnx.save(half, folder / "bare-fp16.onnx")
    if precision == "int8":

        class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
            def __init__(self) -> None:
                self.images = one_by_one()

            def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
                image = next(self.images, None)
                return None if image is None else {"image": image[0]}

        quantize_static(
            path,
            folder / "bare-int8.onnx",
            Reader(),
            per_channel=True,
            activation_type=QuantType.QUInt8,
        )


_CHILDREN: Final = {"model": _child_model, "ours": _child_ours, "bare": _child_bare}


if __name__ == "__main__":
    main()
