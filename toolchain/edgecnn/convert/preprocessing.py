"""Does a Keras model bring pixels to its own range?

Told from the model's configuration, the form Keras itself saves and loads, so that nothing here
depends on how layers are wired in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["contains_code", "last_activation", "preprocesses"]

_NORMALIZING: Final = {"Rescaling", "Normalization"}
# ``x / 255.0`` in a functional model, and keras.applications' preprocess_input, become these.
_ARITHMETIC: Final = {"Add", "Divide", "Multiply", "Subtract", "TrueDivide"}
# Layers that a picture passes unchanged in value (or, when not training, at all).
_PASSING: Final = {
    "ActivityRegularization", "CenterCrop", "Cropping2D", "Dropout", "GaussianDropout",
    "GaussianNoise", "Identity", "InputLayer", "RandomBrightness", "RandomContrast", "RandomCrop",
    "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom", "Resizing",
    "SpatialDropout2D", "ZeroPadding2D",
}  # fmt: skip


def preprocesses(config: Mapping[str, Any]) -> bool:
    """Tell whether the first thing a model does to an image is to normalize it.

    Args:
        config: ``model.get_config()`` of a Sequential or Functional model; nested models are
            looked into.

    Returns:
        True if a normalizing layer, or arithmetic with constants, comes before any other layer.
    """
    return _first_real_layer(config) == "normalizes"


def contains_code(config: Any) -> bool:
    """Tell whether a configuration holds a Lambda layer, which is code and not data."""
    if isinstance(config, Mapping):
        if config.get("class_name") in ("Lambda", "__lambda__"):
            return True
        return any(contains_code(value) for value in config.values())
    if isinstance(config, (list, tuple)):
        return any(contains_code(value) for value in config)
    return False


def last_activation(config: Mapping[str, Any]) -> str | None:
    """Return what a model's last layer ends with: ``softmax``, ``sigmoid``, ...; None if unknown.

    Args:
        config: As for ``preprocesses``.
    """
    layers = [layer for layer in config.get("layers", ()) if isinstance(layer, Mapping)]
    if not layers:
        return None
    last = layers[-1]
    outputs = list(_histories(config.get("output_layers")))
    if len(outputs) == 1:
        last = next((layer for layer in layers if layer.get("name") == outputs[0]), last)
    inner = last.get("config", {})
    name = str(last.get("class_name"))
    if "layers" in inner:
        return last_activation(inner)
    if name in ("Softmax", "Sigmoid"):
        return name.lower()
    activation = inner.get("activation")
    if isinstance(activation, Mapping):
        activation = activation.get("config", activation.get("class_name"))
    return activation if isinstance(activation, str) else None


def _first_real_layer(config: Mapping[str, Any]) -> str | None:
    """Return ``normalizes`` or ``other`` for the first layer that is not passing; None if none."""
    layers = [layer for layer in config.get("layers", ()) if isinstance(layer, Mapping)]
    functional = any(layer.get("inbound_nodes") for layer in layers)
    passed: set[str] = set()
    for layer in layers:
        inner = layer.get("config", {})
        if not isinstance(inner, Mapping):
            return "other"
        name, kind = str(layer.get("name", inner.get("name"))), str(layer.get("class_name"))
        inbound = set(_histories(layer.get("inbound_nodes")))
        if functional and inbound and not inbound <= passed:
            continue  # behind a layer that was looked at
        if "layers" in inner:
            verdict = _first_real_layer(inner)
        elif kind in _NORMALIZING or (functional and kind in _ARITHMETIC):
            verdict = "normalizes"
        else:
            verdict = None if kind in _PASSING else "other"
        if verdict is not None:
            return verdict
        passed.add(name)
    return None


def _histories(value: Any) -> Iterator[str]:
    """Yield the names of the layers that tensors in a configuration come from."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            yield str(value["config"]["keras_history"][0])
        else:
            for item in value.values():
                yield from _histories(item)
    elif isinstance(value, (list, tuple)):
        # ``["conv2d", 0, 0]``: the older form of the same reference.
        if len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int):
            yield value[0]
        else:
            for item in value:
                yield from _histories(item)
