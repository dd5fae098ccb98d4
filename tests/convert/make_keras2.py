"""Makes files of Keras 2 (tf_keras), which Keras 3 and edgecnn then get.

    TF_USE_LEGACY_KERAS=1 PYTHONPATH=tests:.venv-keras2 python tests/convert/make_keras2.py FOLDER

Each model is saved under its name as ``NAME.h5`` and ``NAME.keras``, and as an architecture
``NAME.json`` with its weights in both forms, ``NAME_weights.h5`` and ``NAME.weights.h5``; some also
as the SavedModel ``NAME``. With them goes ``NAME.npz``: its scores in Keras 2 of the pictures that
``write_pictures`` wrote for testing, but for those that are to be refused. Forms that only older
versions wrote are made of these files: ``groups: 1`` and the version of TensorFlow 2.3 in
``depthwise_conv2d.h5``, and no version at all in ``leaky.h5``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf
import tf_keras

from convert.brightness import SIDE, body, fitted, pictures, set_by_hand

layers = tf_keras.layers
SAVED_MODELS = (
    "adapted", "adapted_mixed", "adapted_scalar", "adapted_unit", "bidirectional_gru", "float16",
    "lstm", "mixed_bfloat16", "mixed_float16", "normalized_in_a_row", "preprocessed", "rescaled",
    "sequential", "teachable",
)  # fmt: skip
RANGES: dict[str, Callable[[Any], Any]] = {
    "0..255": lambda pixels: pixels,
    "0..1": lambda pixels: pixels / 255,
    "-1..1": lambda pixels: pixels / 127.5 - 1,
}


def rescaled() -> Any:
    image = layers.Input((SIDE, SIDE, 3))
    values = layers.Rescaling(1 / 127.5, offset=-1)(image)
    return set_by_hand(tf_keras.Model(image, body(layers, values)))


def adapted(scale: float, **given: Any) -> Any:
    """The classifier behind an adapted Normalization, and a convolution that undoes it."""
    layer = layers.Normalization(**given)
    layer.adapt(pictures(20, seed=4)[0].astype(np.float32) * scale / 255)
    mean, variance = map(np.ravel, layer.get_weights()[:2])
    image = layers.Input((SIDE, SIDE, 3))
    undo = layers.Conv2D(3, 1, name="undo")
    model = set_by_hand(tf_keras.Model(image, body(layers, undo(layer(image)))))
    kernel = np.diag(np.broadcast_to(np.sqrt(variance), 3) * 2 / scale)[None, None]
    undo.set_weights([kernel, np.broadcast_to(mean, 3) * 2 / scale - 1])
    return model


def preprocessed() -> Any:
    """As the tutorial of transfer learning has it; the arithmetic becomes TFOpLambda layers."""
    image = layers.Input((SIDE, SIDE, 3))
    values = tf_keras.applications.mobilenet_v2.preprocess_input(image)
    return set_by_hand(tf_keras.Model(image, body(layers, values)))


def teachable() -> Any:
    """In the form of Teachable Machine: Sequentials in a Sequential, depthwise convolutions."""
    image = layers.Input((SIDE, SIDE, 3))
    values = layers.DepthwiseConv2D(1, depthwise_initializer="ones", use_bias=False)(image)
    values = layers.Conv2D(8, 3, activation="relu")(values)
    features = tf_keras.Model(image, layers.GlobalAveragePooling2D()(values))
    last = layers.Dense(3, activation="softmax")
    flat = tf_keras.Model(image, last(features(image)))
    fitted(flat, of=RANGES["-1..1"], library=tf_keras)
    head = tf_keras.Sequential([layers.Input((8,)), last])
    return tf_keras.Sequential([tf_keras.Sequential([features]), head])


def sequential() -> Any:
    """Layers whose configuration Keras 3 reads otherwise."""
    model = tf_keras.Sequential(
        [
            layers.Input((SIDE, SIDE, 3)),
            layers.RandomFlip(seed=1),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(8, 3, strides=2),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return fitted(model, library=tf_keras)


def normalized_in_a_row() -> Any:
    """A Sequential that Keras 3 loads; the statistics have to come along."""
    layer = layers.Normalization()
    layer.adapt(pictures(20, seed=4)[0].astype(np.float32))
    stack = [layer, layers.Conv2D(8, 3, activation="relu"), layers.GlobalAveragePooling2D()]
    last = layers.Dense(3, activation="softmax")
    model = tf_keras.Sequential([layers.Input((SIDE, SIDE, 3)), *stack, last])
    return fitted(model, library=tf_keras)


def by_rows(*stack: Any) -> Any:
    start = [layers.Rescaling(1 / 255), layers.Reshape((SIDE, SIDE * 3))]
    last = layers.Dense(3, activation="softmax")
    model = tf_keras.Sequential([layers.Input((SIDE, SIDE, 3)), *start, *stack, last])
    return fitted(model, library=tf_keras)


def stacked(*stack: Any, first: float = 1 / 127.5, offset: float = -1) -> Any:
    """A Sequential: pixels to -1..1, the layers given, and a softmax that tells the classes."""
    last = layers.Dense(3, activation="softmax")
    start = [layers.Input((SIDE, SIDE, 3)), layers.Rescaling(first, offset=offset)]
    return fitted(tf_keras.Sequential([*start, *stack, last]), library=tf_keras)


def connected(make: Callable[[Any], Any], **last: Any) -> Any:
    """A functional model: pixels to -1..1, what ``make`` does, and a softmax at the end."""
    image = layers.Input((SIDE, SIDE, 3))
    values = make(layers.Rescaling(1 / 127.5, offset=-1)(image))
    scores = layers.Dense(3, activation="softmax", **last)(values)
    return fitted(tf_keras.Model(image, scores), library=tf_keras)


def pooled(*stack: Any) -> Any:
    return stacked(*stack, layers.GlobalAveragePooling2D())


def notebook() -> Any:
    """The network of the notebook of 2019, which its cells build with ``model.add``."""
    regularizer = tf_keras.regularizers.l2(1e-4)
    model = tf_keras.models.Sequential()
    for index, filters in enumerate((8, 8, 16, 16)):
        first = {"input_shape": (SIDE, SIDE, 3)} if index == 0 else {}
        model.add(
            layers.Conv2D(filters, (3, 3), padding="same", kernel_regularizer=regularizer, **first)
        )
        model.add(layers.Activation("elu"))
        model.add(layers.BatchNormalization())
        if index % 2:
            model.add(layers.MaxPooling2D(pool_size=(2, 2)))
            model.add(layers.Dropout(0.2))
    model.add(layers.Flatten())
    model.add(layers.Dense(3, activation="softmax"))
    return fitted(model, of=RANGES["0..1"], library=tf_keras)


def sliced(values: Any) -> Any:
    """Slices and operators written with Python's signs, which become layers of lambdas."""
    values = layers.Conv2D(8, 3)(values)
    left, right = values[:, :, ::2, :4], values[:, :, :7, 4:]
    values = tf.nn.relu(left) * 0.5 + tf.image.resize(right, (14, 7))
    values = tf.concat([values, 1.0 - values], axis=-1)
    return tf.reduce_mean(tf.clip_by_value(values, -3.0, 3.0), axis=[1, 2])


def raw_operators(values: Any) -> Any:
    """The arithmetic that TensorFlow 2.0 to 2.3 saved as raw operators."""
    node = tf.compat.v1.NodeDef(name="mul", op="Mul", input=["values", "factor"])
    node.attr["T"].type = tf.float32.as_datatype_enum
    operator = tf_keras.layers.deserialize(
        {
            "class_name": "TensorFlowOpLayer",
            "config": {
                "name": "mul", "trainable": True, "dtype": "float32",
                "node_def": node.SerializeToString().decode(), "constants": {1: 0.5},
            },
        }
    )  # fmt: skip
    return layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(operator(values)))


def squeezed(values: Any) -> Any:
    """A block of squeeze and excitation, by names of layers in a nested model and shared twice."""
    image = layers.Input((None, None, 8))
    scale = layers.GlobalAveragePooling2D(keepdims=True)(image)
    scale = layers.Conv2D(2, 1, activation="swish")(scale)
    scale = layers.Conv2D(8, 1, activation="hard_sigmoid")(scale)
    block = tf_keras.Model(image, layers.Multiply()([image, scale]), name="excite")
    values = layers.Conv2D(8, 3, activation="relu6")(values)
    return layers.GlobalAveragePooling2D()(layers.Add()([block(values), block(values)]))


def attentive(values: Any) -> Any:
    values = layers.Reshape((16, 16 * 3))(values)
    values = layers.LayerNormalization()(layers.Dense(8)(values))
    values = layers.MultiHeadAttention(2, 4)(values, values)
    return layers.GlobalAveragePooling1D()(values)


def over_axes(values: Any) -> Any:
    steep = tf_keras.initializers.RandomNormal(stddev=3.0)
    values = layers.Softmax(axis=[1, 2])(layers.Conv2D(4, 3, kernel_initializer=steep)(values))
    return layers.Rescaling(100.0)(layers.Flatten()(layers.AveragePooling2D(2)(values)))


def application(make: Any, *, first: float = 1 / 127.5, offset: float = -1, **given: Any) -> Any:
    """A network of keras.applications below a head of its own, as the tutorials have it."""
    base = make(input_shape=(32, 32, 3), include_top=False, weights=None, **given)
    # Statistics of one batch of pictures: with those that Keras begins with, all answers are alike.
    averaged = [one for one in base.layers if isinstance(one, layers.BatchNormalization)]
    kept = [layer.momentum for layer in averaged]
    for layer in averaged:
        layer.momentum = 0.0
    pixels = pictures(10, seed=4)[0].repeat(2, axis=1).repeat(2, axis=2).astype(np.float32)
    base(pixels * first + offset, training=True)
    for layer, momentum in zip(averaged, kept, strict=True):
        layer.momentum = momentum
    base.trainable = False
    image = layers.Input((SIDE, SIDE, 3))
    values = layers.RandomFlip("horizontal")(image)
    values = layers.Rescaling(first, offset=offset)(layers.RandomRotation(0.1)(values))
    values = base(layers.UpSampling2D(2)(values), training=False)
    values = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(values))
    scores = layers.Dense(3, activation="softmax")(values)
    return fitted(tf_keras.Model(image, scores), library=tf_keras)


def compiled() -> Any:
    """Trained with a loss and a metric of its own, which are not needed to classify."""

    def own_loss(wanted: Any, found: Any) -> Any:
        return tf.reduce_mean(tf.square(wanted - found))

    class OwnMetric(tf_keras.metrics.MeanSquaredError):  # type: ignore[misc]
        pass

    model = pooled(layers.Conv2D(8, 3, activation="relu"))
    model.compile(tf_keras.optimizers.legacy.Adam(1e-9), own_loss, [OwnMetric()])
    pixels, labels = pictures(4, seed=4)
    model.fit(pixels.astype(np.float32), np.eye(3)[labels], verbose=0)
    return model


def late_shape() -> Any:
    """A Sequential without an input, whose shape is known from the images it first saw."""
    known = pooled(layers.Conv2D(8, 3, activation="relu"))
    model = tf_keras.Sequential(
        [
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(8, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.predict(pictures(1, seed=4)[0].astype(np.float32), verbose=0)
    model.set_weights(known.get_weights())
    return model


class Doubling(tf_keras.layers.Layer):  # type: ignore[misc]
    """A layer of a user's own."""

    def call(self, values: Any) -> Any:
        return values * 2


def doubled(values: Any) -> Any:
    """An activation of a user's own."""
    return values * 2


def channels_first() -> Any:
    image = layers.Input((3, SIDE, SIDE))
    values = layers.Conv2D(8, 3, data_format="channels_first")(image)
    values = layers.GlobalAveragePooling2D(data_format="channels_first")(values)
    return tf_keras.Model(image, layers.Dense(3, activation="softmax")(values))


def vocabulary() -> Any:
    """A model with a layer that reads a file of words where it is loaded."""
    text = layers.Input((1,), dtype=tf.string)
    place = layers.StringLookup(vocabulary=["night", "dusk"])(text)
    return tf_keras.Model(text, layers.Dense(3)(tf.cast(place, tf.float32)))


def quantized_in_part() -> Any:
    """One layer trained for int8, the others as they were."""
    import tensorflow_model_optimization as tfmot

    quantized = tfmot.quantization.keras
    marked = pooled(quantized.quantize_annotate_layer(layers.Conv2D(8, 3, activation="relu")))
    model = quantized.quantize_apply(marked)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.optimizer.learning_rate = 1e-4
    pixels, labels = pictures(20, seed=4)
    model.fit(pixels.astype(np.float32), labels, epochs=10, verbose=0)
    return model


def pruned() -> Any:
    """Saved as it was trained for pruning, its wrappers not taken off."""
    import tensorflow_model_optimization as tfmot

    image = layers.Input((SIDE, SIDE, 3))
    values = layers.Conv2D(8, 3, activation="relu")(image)
    scores = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(values))
    flat = fitted(tf_keras.Model(image, scores), of=RANGES["-1..1"], library=tf_keras)
    return tfmot.sparsity.keras.prune_low_magnitude(flat)


def quantization_aware() -> Any:
    """Trained by the lines of TensorFlow's tutorial, for one step that calibrates it."""
    import tensorflow_model_optimization as tfmot

    image = layers.Input((SIDE, SIDE, 3))
    values = layers.Conv2D(8, 3, use_bias=False)(image)
    values = layers.ReLU()(layers.BatchNormalization()(values))
    values = layers.DepthwiseConv2D(3, activation="relu")(values)
    scores = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(values))
    flat = tf_keras.Model(image, scores)
    model = tfmot.quantization.keras.quantize_model(
        fitted(flat, of=RANGES["-1..1"], library=tf_keras)
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    pixels, labels = pictures(20, seed=4)
    model.optimizer.learning_rate = 1e-4
    model.fit(RANGES["-1..1"](pixels.astype(np.float32)), labels, epochs=10, verbose=0)
    return model


# Name: the policy it is made under, the range it wants, and what makes it.
MODELS: dict[str, tuple[str, str, Callable[[], Any]]] = {
    "rescaled": ("float32", "0..255", rescaled),
    "adapted": ("float32", "0..255", lambda: adapted(255)),
    "adapted_scalar": ("float32", "0..255", lambda: adapted(255, axis=None)),
    "adapted_unit": ("float32", "0..1", lambda: adapted(1)),
    "adapted_mixed": ("mixed_float16", "0..255", lambda: adapted(255)),
    "normalized_in_a_row": ("float32", "0..255", normalized_in_a_row),
    "mixed_float16": ("mixed_float16", "0..255", rescaled),
    "mixed_bfloat16": ("mixed_bfloat16", "0..255", rescaled),
    "float16": ("float16", "0..255", rescaled),
    "preprocessed": ("float32", "0..255", preprocessed),
    "teachable": ("float32", "-1..1", teachable),
    "sequential": ("float32", "0..255", sequential),
    "lstm": ("float32", "0..255", lambda: by_rows(layers.LSTM(8))),
    "bidirectional_gru": (
        "float32",
        "0..255",
        lambda: by_rows(layers.Bidirectional(layers.GRU(4))),
    ),
    "notebook": ("float32", "0..1", notebook),
    "sliced": ("float32", "0..255", lambda: connected(sliced)),
    "raw_operators": ("float32", "0..255", lambda: connected(raw_operators)),
    "squeezed": ("float32", "0..255", lambda: connected(squeezed)),
    "attentive": ("float32", "0..255", lambda: connected(attentive)),
    "softmax_over_axes": ("float32", "0..255", lambda: connected(over_axes)),
    "mobilenet": (
        "float32",
        "0..255",
        lambda: application(tf_keras.applications.MobileNetV2, alpha=0.35),
    ),
    "mobilenet_mixed": (
        "mixed_float16",
        "0..255",
        lambda: application(tf_keras.applications.MobileNetV2, alpha=0.35),
    ),
    "mobilenet_v3": (
        "float32",
        "0..255",
        lambda: application(
            tf_keras.applications.MobileNetV3Small,
            alpha=0.35,
            minimalistic=True,
            include_preprocessing=False,
        ),
    ),
    "mobilenet_v1": (
        "float32",
        "0..255",
        lambda: application(tf_keras.applications.MobileNet, alpha=0.25),
    ),
    "mobilenet_v3_whole": (
        "float32",
        "0..255",
        lambda: application(
            tf_keras.applications.MobileNetV3Large,
            first=1,
            offset=0,
            alpha=0.35,
            minimalistic=True,
        ),
    ),
    "efficientnet": (
        "float32",
        "0..255",
        lambda: application(tf_keras.applications.EfficientNetB0, first=1, offset=0),
    ),
    "separable": (
        "float32",
        "0..255",
        lambda: pooled(layers.SeparableConv2D(8, 3, depth_multiplier=2, activation="selu")),
    ),
    "depthwise_conv2d": (
        "float32",
        "0..255",
        lambda: pooled(
            layers.Conv2D(6, 3),
            layers.DepthwiseConv2D(3, strides=2, padding="same", activation="relu"),
        ),
    ),
    "transposed": (
        "float32",
        "0..255",
        lambda: pooled(layers.Conv2DTranspose(8, 3, strides=2, padding="same"), layers.ReLU(6)),
    ),
    "prelu": (
        "float32",
        "0..255",
        lambda: pooled(layers.Conv2D(8, 3), layers.PReLU("uniform", shared_axes=[1, 2])),
    ),
    "leaky": (
        "float32",
        "0..255",
        lambda: pooled(
            layers.Conv2D(8, 3),
            layers.LeakyReLU(0.2),
            layers.ThresholdedReLU(0.01),
            layers.ZeroPadding2D(((1, 0), (0, 1))),
            layers.Cropping2D(1),
        ),
    ),
    "layer_normalization": (
        "float32",
        "0..255",
        lambda: pooled(
            layers.Conv2D(8, 3),
            layers.LayerNormalization(axis=[1, 2, 3]),
            layers.Activation("gelu"),
            layers.UnitNormalization(axis=-1),
        ),
    ),
    "group_normalization": (
        "float32",
        "0..255",
        lambda: pooled(
            layers.Conv2D(8, 3),
            layers.GroupNormalization(4),
            layers.Activation("softsign"),
        ),
    ),
    "grouped": (
        "float32",
        "0..255",
        lambda: pooled(layers.Conv2D(6, 3), layers.Conv2D(8, 3, groups=2, activation="tanh")),
    ),
    "dilated": (
        "float32",
        "0..255",
        lambda: pooled(layers.Conv2D(8, 3, dilation_rate=2, activation="softplus")),
    ),
    "hard_sigmoid": (
        "float32",
        "0..255",
        lambda: pooled(layers.Conv2D(8, 3, activation="hard_sigmoid")),
    ),
    "locally_connected": (
        "float32",
        "0..255",
        lambda: stacked(
            layers.MaxPooling2D(4),
            layers.LocallyConnected2D(4, 2, activation="relu"),
            layers.Flatten(),
        ),
    ),
    "time_distributed": (
        "float32",
        "0..255",
        lambda: stacked(
            layers.TimeDistributed(layers.Dense(4, activation="relu")),
            layers.Permute((3, 1, 2)),
            layers.Flatten(),
        ),
    ),
    "augmented": (
        "float32",
        "0..255",
        lambda: pooled(
            tf_keras.Sequential(
                [
                    layers.RandomFlip(),
                    layers.RandomRotation(0.2),
                    layers.RandomZoom(0.1),
                    layers.RandomContrast(0.1),
                    layers.RandomTranslation(0.1, 0.1),
                ]
            ),
            layers.GaussianNoise(0.1),
            layers.Conv2D(8, 3, activation="relu"),
            layers.SpatialDropout2D(0.1),
        ),
    ),
    "resized": (
        "float32",
        "0..255",
        lambda: pooled(
            layers.Resizing(24, 24),
            layers.CenterCrop(20, 20),
            layers.Conv2D(8, 3),
            layers.UpSampling2D(2, interpolation="bilinear"),
            layers.Activation("relu"),
        ),
    ),
    "simple_rnn": ("float32", "0..255", lambda: by_rows(layers.SimpleRNN(8))),
    "hard_lstm": (
        "float32",
        "0..255",
        lambda: by_rows(layers.LSTM(8, recurrent_activation="hard_sigmoid")),
    ),
    "float64": ("float64", "0..255", rescaled),
    "compiled": ("float32", "0..255", compiled),
    "late_shape": ("float32", "0..255", late_shape),
    "seeded": (
        "float32",
        "0..255",
        lambda: pooled(
            layers.Conv2D(8, 3),
            layers.Dropout(0.3, seed=7),
            layers.GaussianDropout(0.1),
            layers.AlphaDropout(0.1),
            layers.BatchNormalization(fused=False),
            layers.ELU(0.7),
            layers.ActivityRegularization(l1=0.1),
        ),
    ),
    "keepdims": (
        "float32",
        "0..255",
        lambda: stacked(
            layers.Conv2D(8, 3, kernel_constraint="max_norm", kernel_regularizer="l1_l2"),
            layers.GlobalMaxPooling2D(keepdims=True),
            layers.Conv2D(6, 1),
            layers.Flatten(),
        ),
    ),
    "quantization_aware": ("float32", "-1..1", quantization_aware),
    "quantized_in_part": ("float32", "0..255", quantized_in_part),
    "pruned": ("float32", "-1..1", pruned),
}
REFUSED: dict[str, Callable[[], Any]] = {
    "with_lambda": lambda: pooled(layers.Lambda(lambda values: values * 2), layers.Conv2D(8, 3)),
    "custom_layer": lambda: pooled(Doubling(), layers.Conv2D(8, 3)),
    "custom_activation": lambda: pooled(layers.Conv2D(8, 3, activation=doubled)),
    "channels_first": channels_first,
    "vocabulary": vocabulary,
}
"""Models that edgecnn has to refuse; they have no scores."""  # fmt: skip


def aged(file: Path) -> None:
    """Give an HDF5 file the marks of TensorFlow 2.3: ``groups: 1`` everywhere, and its version."""

    def older(config: Any) -> Any:
        if isinstance(config, list):
            return [older(item) for item in config]
        if not isinstance(config, dict):
            return config
        config = {key: older(value) for key, value in config.items()}
        if config.get("class_name") == "DepthwiseConv2D":
            config["config"].update(groups=1)
        # Older versions had neither.
        for key in ("module", "registered_name", "build_config"):
            config.pop(key, None)
        return config

    with h5py.File(file, "r+") as opened:
        config = json.loads(opened.attrs["model_config"])
        opened.attrs["model_config"] = json.dumps(older(config)).encode()
        opened.attrs["keras_version"] = b"2.4.0"


def without_version(file: Path) -> None:
    with h5py.File(file, "r+") as opened:
        for name in ("keras_version", "backend"):
            del opened.attrs[name]
            del opened["model_weights"].attrs[name]


def save(model: Any, folder: Path, name: str) -> None:
    model.save(folder / f"{name}.h5")
    model.save(folder / f"{name}.keras")
    if name in SAVED_MODELS:
        model.save(folder / name, save_format="tf")
    (folder / f"{name}.json").write_text(model.to_json())
    model.save_weights(folder / f"{name}_weights.h5")
    model.save_weights(folder / f"{name}.weights.h5")
    if name == "depthwise_conv2d":
        aged(folder / f"{name}.h5")
    if name == "leaky":
        without_version(folder / f"{name}.h5")


def main(folder: Path, names: list[str]) -> None:
    pixels = pictures(14, seed=2)[0].astype(np.float32)
    for name in names or (*MODELS, *REFUSED):
        tf_keras.utils.set_random_seed(3)
        if name in REFUSED:
            save(REFUSED[name](), folder, name)
            continue
        policy, wanted, make = MODELS[name]
        tf_keras.mixed_precision.set_global_policy(policy)
        model = make()
        tf_keras.mixed_precision.set_global_policy("float32")
        save(model, folder, name)
        scores = tf.cast(model(RANGES[wanted](pixels), training=False), tf.float32).numpy()
        np.savez(folder / f"{name}.npz", scores=scores)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
