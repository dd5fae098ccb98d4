"""Read a Keras model file: data only, whole, in float32, with weights that are numbers.

Loading may fail in any way Keras or one of its layers likes; every failure leaves this module as
a ``SourceModelError`` that says what was found.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edgecnn.convert.preprocessing import contains_code
from edgecnn.errors import SourceModelError

__all__ = ["first_lines", "read_keras_model"]


def read_keras_model(path: Path, kind: str) -> tuple[Any, Mapping[str, Any]]:
    """Load a Keras model.

    Args:
        path: The file.
        kind: ``keras`` or ``h5``.

    Returns:
        The model, in float32, and its configuration; that is empty for a model whose class does
        not tell.

    Raises:
        SourceModelError: If it cannot be loaded, holds code, or has weights that are not numbers.
    """
    if kind == "h5":
        _check_h5(path)
    else:
        _check_archive(path)
    model = _in_float32(_load(path))
    config = _config_of(model)
    if contains_code(config):
        raise _unsafe(path)
    _check_weights(model)
    return model, config


def _load(path: Path) -> Any:
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        if "lambda" in str(error).lower():
            raise _unsafe(path) from error
        raise SourceModelError(
            f"Keras cannot load {path}",
            observed=first_lines(error),
            expected="a whole model as model.save(...) writes it, of Keras's own layers",
            remedy="save it again with this Keras, or export it as a SavedModel: model.export(...)",
        ) from error
    if not hasattr(model, "inputs") or not getattr(model, "inputs", None):
        raise SourceModelError(
            f"{path} holds a model whose inputs are not known",
            observed=f"{type(model).__name__} without inputs",
            expected="a model that knows its inputs",
            remedy="call the model on an image once before saving it, or export it as a SavedModel",
        )
    return model


def _check_h5(path: Path) -> None:
    """Look into an HDF5 file before Keras does: a model, not weights alone, and no code in it."""
    import h5py  # it comes with Keras

    try:
        with h5py.File(path, "r") as file:
            config = file.attrs.get("model_config")
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise SourceModelError(
            f"{path} is a damaged or truncated HDF5 file ({first_lines(error)})",
            observed=f"{type(error).__name__} while reading it",
            expected="a file that model.save(...) wrote",
            remedy="copy or save the file again",
        ) from error
    if config is None:
        raise SourceModelError(
            f"{path} holds no model",
            observed="an HDF5 file without a model's configuration: weights alone, or other data",
            expected="a file that model.save(...) wrote",
            remedy="load the weights into their model and save that: model.save('model.keras')",
        )
    _check_config(path, config if isinstance(config, bytes) else str(config))


def _check_archive(path: Path) -> None:
    """Look into a .keras archive before Keras does: no code in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            config = archive.read("config.json")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise SourceModelError(
            f"{path} is a damaged or truncated archive ({first_lines(error)})",
            observed=f"{type(error).__name__} while reading it",
            expected="a file that model.save(...) wrote",
            remedy="copy or save the file again",
        ) from error
    _check_config(path, config)


def _check_config(path: Path, text: str | bytes) -> None:
    """Refuse a configuration with code in it, whatever way its JSON is written."""
    try:
        unsafe = contains_code(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise SourceModelError(
            f"the configuration of the model in {path} is damaged ({first_lines(error)})",
            observed=f"{len(text):,} characters that are no JSON",
            expected="the configuration that model.save(...) wrote",
            remedy="copy or save the file again",
        ) from error
    if unsafe:
        raise _unsafe(path)


def _unsafe(path: Path) -> SourceModelError:
    return SourceModelError(
        f"{path} holds a Lambda layer: Python code that loading it would run",
        observed="a layer of the class Lambda in its configuration",
        expected="layers that are data",
        remedy="replace the Lambda by Keras layers (Rescaling, keras.ops), or export the model as "
        "a SavedModel: model.export(...)",
    )


def _config_of(model: Any) -> Mapping[str, Any]:
    try:
        config = model.get_config()
    except (NotImplementedError, TypeError, ValueError, AttributeError):
        return {}  # a subclassed model: nothing can be seen
    return config if isinstance(config, Mapping) else {}


def _in_float32(model: Any) -> Any:
    """Return the model itself, or a float32 copy of one saved under another policy.

    A model trained under mixed_bfloat16 keeps that policy when saved, and does not convert.
    """
    if all(layer.compute_dtype == "float32" for layer in model._flatten_layers()):
        return model
    try:
        copy = type(model).from_config(_with_float32(model.get_config()))
        copy.set_weights([np.asarray(weight, np.float32) for weight in model.get_weights()])
    except Exception as error:
        raise SourceModelError(
            "the model computes in another precision than float32 and cannot be rebuilt",
            observed=first_lines(error),
            expected="a float32 model",
            remedy="build it under the policy float32, copy the weights, and save that",
        ) from error
    return copy


def _with_float32(config: Any) -> Any:
    if isinstance(config, Mapping):
        if config.get("class_name") == "DTypePolicy":
            return "float32"
        return {
            key: "float32"
            if key == "dtype" and isinstance(value, str) and "float" in value
            else _with_float32(value)
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_with_float32(item) for item in config)
    return config


def _check_weights(model: Any) -> None:
    bad = [
        variable.path
        for variable in model.weights
        if np.issubdtype(np.asarray(variable).dtype, np.floating)
        and not np.isfinite(np.asarray(variable)).all()
    ]
    if bad:
        raise SourceModelError(
            "the model has weights that are not numbers",
            observed=f"NaN or infinity in {', '.join(bad[:5])}"
            + (f" and {len(bad) - 5} more" if len(bad) > 5 else ""),
            expected="finite weights",
            remedy="train again with a lower learning rate, or take an earlier checkpoint",
        )


def first_lines(error: Exception) -> str:
    """Return an error's text on one line, cut to a length a terminal can show."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:300] or type(error).__name__
