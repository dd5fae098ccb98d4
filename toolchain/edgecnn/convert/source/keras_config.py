"""Reads a Keras model's configuration: whether it holds code, and what its last activation is.

The configuration is the form that Keras itself saves and loads, so nothing here depends on how
layers are wired in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


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
        config: ``model.get_config()`` of a Sequential or Functional model; a nested model at the
            end is looked into.
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
