"""`make sources-table`: one small network in every form that `convert` takes, and every variant.

    python tests/benchmarks/sources.py [SOURCE ...]

The network tells three kinds of pictures apart; each form holds the same weights, and is written by
the library whose form it is. Each variant's scores on test pictures are compared with those of the
form's own framework. A second network, whose channels are too uneven for int8, is repaired.
`sources.json` beside this file gets the results; of some sources alone, theirs. PyTorch's form
needs a Python that has torch: `EDGECNN_TORCH_PYTHON`, else Debian's `/usr/bin/python3`.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

HERE: Final = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from measure import machine, versions  # noqa: E402 - where the tests' own modules are

from convert.brightness import NAMES, SIDE, fitted, own_scores, pictures, saved  # noqa: E402
from convert.keras2 import FOLDER as KERAS2  # noqa: E402
from convert.keras2 import with_keras2  # noqa: E402
from edgecnn.build.reference import read_reference  # noqa: E402
from edgecnn.quiet import captured_log  # noqa: E402
from edgecnn_runner.session import Session  # noqa: E402

OUT: Final = HERE / "sources.json"
VARIANTS: Final = (
    "tflite-fp32", "tflite-fp16", "tflite-int8-dynamic", "tflite-int8", "onnx-fp32", "onnx-fp16",
    "onnx-int8",
)  # fmt: skip
OF_RECIPE: Final = "a recipe's weights"
REPAIRED: Final = ("tflite-int8", "onnx-int8")
EACH: Final = {"train": 60, "test": 60}
"""Pictures of each class."""

Floats = npt.NDArray[np.floating[Any]]

_TORCH_NETWORK: Final = """
import sys, numpy as np, torch
from torch import nn
weights, pixels, out, scores = sys.argv[1:5]
torch.manual_seed(0)
net = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8, eps=1e-3), nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 3),
).eval()
with np.load(weights) as file:
    arrays = [file[name] for name in file.files]
parts = [net[0].weight, net[0].bias, net[2].weight, net[2].bias, net[2].running_mean,
         net[2].running_var, net[4].weight, net[4].bias]
for linear in (net[8], net[10], net[12]):
    parts += [linear.weight, linear.bias]
with torch.no_grad():
    for part, array in zip(parts, arrays, strict=True):
        order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(array.ndim)
        part.copy_(torch.from_numpy(array.transpose(order) if order else array))
    values = (np.load(pixels) / 255.0 - 0.5) / 0.5
    images = torch.from_numpy(values.transpose(0, 3, 1, 2).astype(np.float32))
    np.save(scores, torch.softmax(net(images), 1).numpy())
torch.onnx.export(net, torch.zeros(1, 3, 16, 16), out, opset_version=17)
print(torch.__version__)
"""

_KERAS2_NETWORK: Final = """
import sys, numpy as np, tf_keras
from tf_keras import layers
weights, pixels, folder = sys.argv[1:4]
model = tf_keras.Sequential([
    layers.Input((16, 16, 3)),
    layers.Conv2D(8, 3, padding="same", activation="relu"), layers.BatchNormalization(),
    layers.MaxPooling2D(), layers.Conv2D(16, 3, padding="same", activation="relu"),
    layers.GlobalAveragePooling2D(), layers.Dense(32, activation="relu"),
    layers.Dense(24, activation="relu"), layers.Dense(3, activation="softmax"),
])
with np.load(weights) as file:
    model.set_weights([file[name] for name in file.files])
model.save(f"{folder}/keras2.keras")
model.save(f"{folder}/keras2.h5", include_optimizer=False)
open(f"{folder}/keras2.json", "w").write(model.to_json())
model.save_weights(f"{folder}/keras2.weights.h5")
values = (np.load(pixels) / 127.5 - 1).astype(np.float32)
np.save(f"{folder}/keras2.npy", model.predict(values, verbose=0))
print(tf_keras.__version__)
"""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A source that was written.

    Attributes:
        path: What `convert` is given.
        own: Its own framework's scores of the test pictures, (n, 3), from its own process or call.
        options: What `convert` has to be told.
    """

    path: Path
    own: Callable[[npt.NDArray[np.uint8]], Floats]
    options: tuple[str, ...] = ("--input-range", "-1..1")


def write_data(folder: Path) -> None:
    """Write pictures of three classes, a folder each, and the labels."""
    from PIL import Image

    for seed, (part, each) in enumerate(EACH.items(), 1):
        for index, (pixels, label) in enumerate(zip(*pictures(each, seed), strict=True)):
            place = folder / "images" / part / NAMES[label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place / f"{index:03}.png")
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in NAMES), encoding="utf-8")


def keras_network(*, spoilt: bool) -> Any:
    """Return the network in Keras 3; ``spoilt`` has channels between its dense layers that differ.

    A ReLU passes a positive factor on, so both answer alike, and int8 cannot hold the second.
    """
    with captured_log():
        import keras
        from keras import layers

    keras.utils.set_random_seed(4)
    model = keras.Sequential(
        [
            layers.Input((SIDE, SIDE, 3)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(32, activation="relu", name="wide"),
            layers.Dense(24, activation="relu", name="narrow"),
            layers.Dense(3, activation="softmax", name="scores"),
        ]
    )
    random = np.random.default_rng(2)
    norm = model.layers[1]
    norm.set_weights([random.uniform(0.5, 1.5, weight.shape) for weight in norm.get_weights()])
    fitted(model, of=lambda pixels: pixels / 127.5 - 1)
    if spoilt:
        scale = np.where(np.arange(32) % 4 == 0, 2000.0, 1.0).astype(np.float32)
        kernel, bias = model.get_layer("wide").get_weights()
        model.get_layer("wide").set_weights([kernel * scale, bias * scale])
        kernel, bias = model.get_layer("narrow").get_weights()
        model.get_layer("narrow").set_weights([kernel / scale[:, np.newaxis], bias])
    return model


def in_range(pixels: npt.NDArray[np.uint8]) -> Floats:
    """Return pixels as the network takes them."""
    return (pixels / 127.5 - 1).astype(np.float32)


def of_keras_3(name: str) -> Callable[[Any, Path], Made]:
    """Return what writes it as a file of Keras 3, or a SavedModel."""

    def write(model: Any, folder: Path) -> Made:
        path = saved(model, folder / name)
        return Made(path=path, own=lambda pixels: own_scores(path, in_range(pixels)))

    return write


def recipe_build(model: Any, folder: Path) -> Made:
    """Write a recipe folder with released weights, as `train` writes and `convert` finds them."""
    recipe = folder / "recipe"
    recipe.mkdir()
    (recipe / "recipe.toml").write_text(
        '[model]\nname = "net"\narchitecture = "tiny_cnn"\n\n[data]\nname = "folder"\n'
        f'path = "{folder / "images"}"\nimage_size = {SIDE}\n\n[calibration]\nimages = 100\n',
        encoding="utf-8",
    )
    with captured_log():
        import keras
        from keras import layers

        image = keras.Input((SIDE, SIDE, 3))
        whole = keras.Model(image, model(layers.Rescaling(1 / 127.5, offset=-1)(image)))
    path = saved(whole, recipe / "net.keras")
    return Made(
        path=recipe, options=(), own=lambda pixels: own_scores(path, pixels.astype(np.float32))
    )


def of_keras_2(name: str) -> Callable[[Any, Path], Made]:
    """Return what writes it as a file of Keras 2, which answers in a process of its own."""

    def write(model: Any, folder: Path) -> Made:
        weights, pixels = folder / "weights.npz", folder / "pixels.npy"
        np.savez(weights, *model.get_weights())
        np.save(pixels, test_pixels(folder))
        with_keras2("-c", _KERAS2_NETWORK, weights, pixels, folder)
        options: tuple[str, ...] = ("--input-range", "-1..1")
        if name.endswith(".json"):
            options += ("--weights", str(folder / "keras2.weights.h5"))
        return Made(
            path=folder / name, own=lambda _: np.load(folder / "keras2.npy"), options=options
        )

    return write


def torch_python() -> str:
    """Return a Python that has torch."""
    return os.environ.get("EDGECNN_TORCH_PYTHON", "/usr/bin/python3")


def onnx_of_torch(model: Any, folder: Path) -> Made:
    """Build the network in PyTorch, with these weights, and export it."""
    weights, pixels, path = folder / "weights.npz", folder / "pixels.npy", folder / "torch.onnx"
    np.savez(weights, *model.get_weights())
    np.save(pixels, test_pixels(folder))
    python, files = torch_python(), (weights, pixels, path, folder / "torch.npy")
    done = subprocess.run(
        [python, "-c", _TORCH_NETWORK, *files], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{python} cannot export the network of PyTorch:\n{done.stderr}")
    options = ("--input-mean", "0.5", "--input-std", "0.5")
    return Made(path=path, own=lambda _: np.load(folder / "torch.npy"), options=options)


def onnx_of_keras(model: Any, folder: Path) -> Made:
    """Write it by tf2onnx, channels last, with the batch left open; ONNX Runtime answers for it."""
    with captured_log():
        import tensorflow as tf
        import tf2onnx

        called = tf.function(lambda images: model(images, training=False), autograph=False)
        image = tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32, name="image")
        proto, _ = tf2onnx.convert.from_function(called, input_signature=[image], opset=13)
    path = folder / "tf2onnx.onnx"
    path.write_bytes(proto.SerializeToString())
    return Made(path=path, own=lambda pixels: by_onnxruntime(path, in_range(pixels)))


def half_onnx(model: Any, folder: Path) -> Made:
    """Write PyTorch's export in float16, its ends too; ONNX Runtime answers for it."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    whole = onnx.load(onnx_of_torch(model, folder).path)
    path = folder / "half.onnx"
    onnx.save(convert_float_to_float16(whole, keep_io_types=False), path)
    own = lambda pixels: by_onnxruntime(path, in_range(pixels).transpose(0, 3, 1, 2))  # noqa: E731
    return Made(path=path, own=own)


def by_onnxruntime(path: Path, values: Floats) -> Floats:
    """Return ONNX Runtime's answers to images, one at a time, as probabilities."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (end,) = session.get_inputs()
    kind = np.float16 if "float16" in end.type else np.float32
    rows = [session.run(None, {end.name: one[np.newaxis].astype(kind)})[0] for one in values]
    scores = np.concatenate(rows).astype(np.float64)
    if np.allclose(scores.sum(axis=1), 1, atol=0.01) and scores.min() >= 0:
        return scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


SOURCES: Final[Mapping[str, Callable[[Any, Path], Made]]] = {
    OF_RECIPE: recipe_build,
    "Keras 3, .keras": of_keras_3("net.keras"),
    "Keras 3, .h5": of_keras_3("net.h5"),
    "SavedModel": of_keras_3("exported"),
    "Keras 2, .keras": of_keras_2("keras2.keras"),
    "Keras 2, JSON and weights": of_keras_2("keras2.json"),
    "ONNX of PyTorch, NCHW": onnx_of_torch,
    "ONNX of tf2onnx, NHWC": onnx_of_keras,
    "ONNX in float16, NCHW": half_onnx,
}


def test_pixels(folder: Path) -> npt.NDArray[np.uint8]:
    """Return the test pictures in the order of their names, class by class."""
    from PIL import Image

    paths = sorted((folder / "images/test").glob("*/*.png"))
    return np.stack([np.asarray(Image.open(path)) for path in paths])


def converted(made: Made, folder: Path, out: Path, *options: str) -> tuple[int, str]:
    """Run `edgecnn convert`; return its exit code and what it said."""
    data = (
        () if not made.options else ("--data", folder / "images", "--labels", folder / "labels.txt")
    )
    command = [sys.executable, "-m", "edgecnn", "convert", made.path, *data, *made.options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(KERAS2), *_python_path()])}
    done = subprocess.run(
        [*map(str, command), "--out", str(out), *options],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    return done.returncode, done.stderr


def _python_path() -> list[str]:
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]


def compared(file: Path, pixels: npt.NDArray[np.uint8], own: Floats) -> dict[str, Any]:
    """Compare a file's scores with those of the source's own framework."""
    with Session.open(file) as session:
        found = session.predict(pixels).astype(np.float64)
    return {
        "agreement": float((found.argmax(axis=1) == own.argmax(axis=1)).mean()),
        "difference": float(np.abs(found - own).max()),
    }


def results_of(source: str) -> dict[str, Any]:
    """Write a source, convert it to every variant, repair its spoilt twin, and compare."""
    with tempfile.TemporaryDirectory(prefix="edgecnn-sources-") as name:
        folder = Path(name)
        write_data(folder)
        found: dict[str, Any] = {}
        for spoilt in (False, True):
            place = folder / ("spoilt" if spoilt else "plain")
            place.mkdir()
            for entry in ("images", "labels.txt"):
                (place / entry).symlink_to(folder / entry)
            made = SOURCES[source](keras_network(spoilt=spoilt), place)
            wanted = REPAIRED if spoilt else VARIANTS
            options = [word for variant in wanted for word in ("--variant", variant)]
            out = folder / f"build-{place.name}"
            started = time.monotonic()
            # The network is computed from other pictures; edgecnn knows that of its own alone.
            unseen = () if source == OF_RECIPE else ("--unseen-data",)
            repair = ("--repair", *unseen) if spoilt else ()
            code, said = converted(made, place, out, *options, *repair, "--as-is")
            seconds = time.monotonic() - started
            if not (out / "manifest.json").is_file():
                sys.exit(f"{source} was not converted, exit code {code}:\n{said}")
            rows = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["variants"]
            reference = read_reference(out / "reference.npz")
            pixels, own = test_pixels(place), made.own(test_pixels(place))
            # The reference is in the order of the class names, as the pictures are here.
            result: dict[str, Any] = {
                "seconds": seconds,
                "reference": {"difference": float(np.abs(reference.scores - own).max())},
                "variants": {},
            }
            for row in rows:
                told = {key: row[key] for key in ("status", "reason") if row.get(key)}
                if row["file"] is not None:
                    told |= compared(out / row["file"], pixels, own)
                result["variants"][row["variant"]] = told
            found["repaired" if spoilt else "plain"] = result
        return found


def main(wanted: list[str]) -> None:
    """Measure, and write the record."""
    unknown = sorted(set(wanted) - set(SOURCES))
    if unknown:
        sys.exit(f"no such source: {', '.join(unknown)}; there are: {'; '.join(SOURCES)}")
    found = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {"sources": {}}
    found |= {
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "machine": machine(),
        "tools": versions(
            "keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert"
        ),
        "images": len(NAMES) * EACH["test"],
    }
    for source in wanted or SOURCES:
        found["sources"][source] = results_of(source)
        found["sources"] = {
            name: found["sources"][name] for name in SOURCES if name in found["sources"]
        }
        OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(source, json.dumps(found["sources"][source], indent=1), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
