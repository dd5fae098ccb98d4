"""Makes a float model and files of it as others make them, without edgecnn.

    python make_foreign.py FOLDER

The pictures show a digit in red and another one, which does not count, in blue; so the order of
the colours matters. The network is trained on pixels in 0..1 and ends in logits. All files hold
the same weights; they differ in ends, range, layout and order.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.datasets import load_digits
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

NAMES = ("null", "eins", "zwei", "drei", "vier", "fuenf", "sechs", "sieben", "acht", "neun")
ORDER = (3, 7, 0, 9, 1, 4, 8, 2, 6, 5)
"""Output k of the reordered file is class ORDER[k]."""
TRAIN = 1000
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Array = np.ndarray[Any, Any]


def pictures() -> tuple[Array, Array]:
    """Return all pictures (1797, 16, 16, 3), uint8, and their labels."""
    digits = load_digits()
    rng = np.random.default_rng(5)
    red = np.round(digits.images * 255 / 16).astype(np.uint8)
    blue = red[rng.permutation(len(red))]
    green = rng.integers(0, 60, red.shape, dtype=np.uint8)
    small = np.stack([red, green, blue], axis=-1)
    return small.repeat(2, axis=1).repeat(2, axis=2), digits.target.astype(np.int64)


def trained(pixels: Array, labels: Array) -> Any:
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Conv2D(16, 4, strides=2, padding="valid", activation="relu", name="one"),
            keras.layers.Conv2D(32, 3, padding="valid", activation="relu", name="two"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, name="logits"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(2e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit((pixels / 255).astype("f4"), labels, epochs=25, batch_size=32, verbose=0)
    return model


def tflite(call: Any, images: Array | None = None, ends: Any = tf.float32) -> bytes:
    """Convert a function of one image; with images in its range, to int8 throughout."""
    spec = tf.TensorSpec((1, 16, 16, 3), tf.float32)
    function = tf.function(call, input_signature=[spec]).get_concrete_function()
    frozen = convert_variables_to_constants_v2(function)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    if images is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = ends
    done: bytes = converter.convert()
    return done


def onnx_file(model: Any, *, layout: str, softmax: bool, raw: bool = False) -> bytes:
    """The same network by hand, with an open batch; ``raw`` takes bytes and scales inside."""
    weights = {
        "w1": model.get_layer("one").get_weights()[0].transpose(3, 2, 0, 1),
        "b1": model.get_layer("one").get_weights()[1],
        "w2": model.get_layer("two").get_weights()[0].transpose(3, 2, 0, 1),
        "b2": model.get_layer("two").get_weights()[1],
        "wd": model.get_layer("logits").get_weights()[0],
        "bd": model.get_layer("logits").get_weights()[1],
        "scale": np.array(1 / 255, "f4"),
    }
    nodes = []
    image = "image"
    if raw:
        nodes += [
            helper.make_node("Cast", [image], ["real"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["real", "scale"], ["unit"]),
        ]
        image = "unit"
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", [image], ["nchw"], perm=[0, 3, 1, 2]))
        image = "nchw"
    nodes += [
        helper.make_node("Conv", [image, "w1", "b1"], ["a"], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2", "b2"], ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Transpose", ["d"], ["e"], perm=[0, 2, 3, 1]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("Gemm", ["f", "wd", "bd"], ["logits"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["scores"], axis=-1))
    shape: list[str | int | None] = ["N", 16, 16, 3] if layout == "NHWC" else ["N", 3, 16, 16]
    kind = TensorProto.UINT8 if raw else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", kind, shape)],
        [
            helper.make_tensor_value_info(
                "scores" if softmax else "logits", TensorProto.FLOAT, ["N", 10]
            )
        ],
        [numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    data: bytes = made.SerializeToString()
    return data


def main(folder: Path) -> None:
    pixels, labels = pictures()
    for index in range(TRAIN, len(pixels)):
        place = folder / "images" / NAMES[labels[index]]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[index]).save(place / f"{index}.png")
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in NAMES))
    (folder / "reordered.txt").write_text("".join(f"{NAMES[one]}\n" for one in ORDER))
    model = trained(pixels[:TRAIN], labels[:TRAIN])
    scores = keras.Sequential([model, keras.layers.Softmax()])
    scores.build((None, 16, 16, 3))
    inside = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Rescaling(1 / 255), model])
    model.save(folder / "own.keras")
    model.save(folder / "own.h5")
    model.export(folder / "own_saved_model", verbose=False)
    inside.save(folder / "inside.keras")

    unit = (pixels[:200] / 255).astype("f4")
    signed = unit * 2 - 1
    normal = ((unit - MEAN) / STD).astype("f4")

    def put(name: str, data: bytes) -> None:
        (folder / name).write_bytes(data)

    put("logits.tflite", tflite(model))
    put("softmax.tflite", tflite(scores))
    put("int8.tflite", tflite(scores, unit, tf.int8))
    put("uint8-logits.tflite", tflite(model, unit, tf.uint8))
    put("float-ends-int8.tflite", tflite(model, unit))
    put("signed.tflite", tflite(lambda x: scores(x * 0.5 + 0.5)))
    put("signed-int8.tflite", tflite(lambda x: model(x * 0.5 + 0.5), signed, tf.int8))
    put("imagenet.tflite", tflite(lambda x: model(x * STD + MEAN)))
    put("imagenet-uint8.tflite", tflite(lambda x: scores(x * STD + MEAN), normal, tf.uint8))
    put("raw.tflite", tflite(lambda x: scores(x / 255)))
    put("raw-uint8.tflite", tflite(lambda x: scores(x / 255), unit * 255, tf.uint8))
    put("bgr.tflite", tflite(lambda x: scores(x[..., ::-1])))
    put("reordered.tflite", tflite(lambda x: tf.gather(scores(x), ORDER, axis=1)))
    noise = np.random.default_rng(8)
    noisy = keras.models.clone_model(model)
    noisy.set_weights(
        [one + one.std() * noise.normal(size=one.shape) for one in model.get_weights()]
    )
    put("noisy.tflite", tflite(noisy))
    put("sigmoid.tflite", tflite(lambda x: tf.sigmoid(model(x) / 4)))
    put("nchw.onnx", onnx_file(model, layout="NCHW", softmax=False))
    put("nhwc.onnx", onnx_file(model, layout="NHWC", softmax=True))
    put("bytes.onnx", onnx_file(model, layout="NCHW", softmax=True, raw=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
