"""A program that loads a model with Keras 2, exports it, and answers for it; not for import.

    python keras2_program.py FOLDER

It speaks in lines of JSON: what it is told comes on standard input, what it answers goes to the
descriptor that standard output was at the start, since libraries print. The first line names the
model's file, the file with its weights or null, and a folder to export to; the answer says what
the model is like, or why it could not be loaded. Each further line names a ``.npy`` file of images
and one to write scores to. The end of the input ends it. FOLDER is a temporary one that all this
lies in: where the process that started this one has gone, by whatever signal, this one removes it.

It imports nothing of edgecnn, which would start Keras 3.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def load(file: Path, weights: Path | None) -> Any:
    """Load a model; of an architecture alone, with its weights.

    Args:
        file: An ``.h5`` or ``.keras`` file, or an architecture as JSON.
        weights: An HDF5 file of weights; for an architecture alone.
    """
    import tf_keras

    with quantized_layers():
        if weights is None:
            return tf_keras.models.load_model(file, compile=False)
        model = tf_keras.models.model_from_json(file.read_text(encoding="utf-8"))
    model.load_weights(weights)
    return model


def quantized_layers() -> Any:
    """Return a scope that knows the layers of TensorFlow's model optimization, where it is there.

    They are those of quantization-aware training, of pruning and of clustering.
    """
    import contextlib

    try:
        import tensorflow_model_optimization as tfmot
    except ImportError:
        return contextlib.nullcontext()
    scopes = contextlib.ExitStack()
    scopes.enter_context(tfmot.quantization.keras.quantize_scope())
    scopes.enter_context(tfmot.sparsity.keras.prune_scope())
    scopes.enter_context(tfmot.clustering.keras.cluster_scope())
    return scopes


def activation_of(model: Any) -> str | None:
    """Return the name of the activation that a model ends with; None if that cannot be told."""
    layer = model
    while getattr(layer, "layers", None):
        outputs = getattr(layer, "output_layers", None) or layer.layers[-1:]
        layer = outputs[0] if outputs[0] is not layer else layer.layers[-1]
    # What trains for int8 or pruning wraps a layer, and its activation.
    layer = getattr(layer, "layer", layer)
    name = type(layer).__name__
    if name in ("Softmax", "Sigmoid"):
        return name.lower()
    activation = getattr(layer, "activation", None)
    return getattr(getattr(activation, "activation", activation), "__name__", None)


def export(model: Any, folder: str) -> Any:
    """Write a model as a SavedModel, and return its function of a batch in inference.

    ``model.export`` leaves open whether it trains: layers that flip and turn images for a training
    then do so in the SavedModel, too.

    Raises:
        ValueError: If its inputs are not known.
    """
    import tensorflow as tf
    import tf_keras

    if not getattr(model, "inputs", None):
        raise ValueError(
            "the model's inputs are not known: it was saved before it saw an image, or its class "
            "does not say them"
        )
    (image, *others) = model.inputs
    if others:
        raise ValueError(f"the model has {len(model.inputs)} inputs, and an image is one")
    function = tf.function(
        lambda images: model(images, training=False),
        input_signature=[tf.TensorSpec(image.shape, image.dtype, name="images")],
    )
    function.get_concrete_function()
    archive = tf_keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", function)
    archive.write_out(folder)
    return function


def main() -> None:
    """Serve one model until the input ends."""
    temporary = sys.argv[1]
    threading.Thread(target=end_without_parent, args=(os.getppid(), temporary), daemon=True).start()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**words: Any) -> None:
        answers.write(json.dumps(words) + "\n")
        answers.flush()

    try:
        first = sys.stdin.readline()
        if first:
            serve(json.loads(first), answer)
    except BrokenPipeError:
        os.dup2(2, answers.fileno())  # else Python would fail once more, at its end
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def end_without_parent(parent: int, temporary: str) -> None:
    """Wait until a process has gone, and end with it: also in the midst of loading a model."""
    while os.getppid() == parent:
        time.sleep(0.2)
    shutil.rmtree(temporary, ignore_errors=True)
    os._exit(1)


def serve(asked: Mapping[str, Any], answer: Callable[..., None]) -> None:
    """Load the model that the first line names, and answer the lines behind it."""
    try:
        import tensorflow as tf
        import tf_keras
    except Exception as error:  # noqa: BLE001 - one that does not fit TensorFlow fails in any way
        answer(error=f"{type(error).__name__}: {error}", importing=True)
        return
    try:
        weights = None if asked["weights"] is None else Path(asked["weights"])
        model = load(Path(asked["file"]), weights)
        ask = export(model, asked["folder"])
        answer(activation=activation_of(model), keras=tf_keras.__version__)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - Keras raises what it likes; the other side says it
        answer(error=f"{type(error).__name__}: {error}")
        return
    for line in sys.stdin:
        request = json.loads(line)
        try:
            images = np.load(request["images"], allow_pickle=False)
            found = ask(tf.cast(images, model.inputs[0].dtype))
            while isinstance(found, (dict, list, tuple)):
                (found,) = found.values() if isinstance(found, dict) else found
            np.save(request["scores"], np.asarray(found, np.float32), allow_pickle=False)
            answer()
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 - likewise
            answer(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
