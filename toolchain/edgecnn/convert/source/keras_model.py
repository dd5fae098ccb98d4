"""Reads a Keras model file as Keras itself loads it, and again under float32.

Nothing of the model is rebuilt here: both are loaded by Keras from a file, the second from a copy
of the file whose configuration says float32 everywhere. A layer may keep more than its weights (an
adapted ``Normalization`` does), and only loading restores all of it.

Loading may fail in any way Keras or one of its layers likes; every failure leaves this module as
a ``SourceModelError`` that says what was found.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np

from edgecnn.build.keras_settings import start_keras
from edgecnn.convert.reasons import reason_of
from edgecnn.convert.source.keras_safety import check_self_contained
from edgecnn.convert.source.paths import MOST_CONFIG_BYTES
from edgecnn.convert.source.single_precision import COMPUTES
from edgecnn.errors import EdgeError, SourceModelError, some_of
from edgecnn.files import wrap_os_errors
from edgecnn_runner.files import regular_size

start_keras()  # for those who import this module alone

# Classes of Keras 2 that Keras 3 has under another name, in another module, or not at all.
_OF_KERAS_2: Final = frozenset({
    "CuDNNGRU", "CuDNNLSTM", "Functional", "LocallyConnected1D", "LocallyConnected2D", "Model",
    "Policy", "RandomHeight", "RandomWidth", "Sequential", "SlicingOpLambda",
    "SyncBatchNormalization", "TFOpLambda", "TensorFlowOpLayer", "ThresholdedReLU",
})  # fmt: skip
OPTIMIZED: Final = re.compile(r"(?:.*>)?(?:Quantize|Prune|Cluster)\w*")
"""Names of the layers that TensorFlow's model optimization wraps others in."""


_DEEPEST: Final = 200
"""Levels of lists and tables in a configuration; each model in a model adds about five."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KerasModel:
    """A loaded model.

    Attributes:
        model: As Keras loads it, in its own precision.
        float32: The same model loaded under the policy float32; ``model`` itself where it
            computes in that.
        computes: The coarsest type that a layer of ``model`` computes in: ``float32``,
            ``float64``, ``float16`` or ``bfloat16``.
        config: Its configuration; empty for a model whose class does not tell.
    """

    model: Any
    float32: Any
    computes: str
    config: Mapping[str, Any]


def read_keras_model(path: Path, kind: str, *, named: Path | None = None) -> KerasModel:
    """Load a Keras model.

    Args:
        path: The file.
        kind: ``keras`` or ``h5``.
        named: What to call it in errors, where it was made of another file.

    Returns:
        The model.

    Raises:
        SourceModelError: If it cannot be loaded, holds code, or has weights that are not numbers.
        OfKeras2Error: If Keras 2 has to load it.
    """
    file, path = path, named or path
    text = _config_in_h5(file) if kind == "h5" else _config_in_archive(file)
    saved = _checked_config(path, text)
    check_self_contained(file)
    version = _written_by(file, kind)
    other = other_in_keras_2(saved) if not version or version.startswith("2.") else None
    if other is not None:
        raise OfKeras2Error(
            path,
            version,
            f"{other} computes something else in Keras {keras.__version__}, which would load it",
            saved,
        )
    model = _load(path, file, kind, saved)
    config = _config_of(model)
    if contains_code(config):
        raise _unsafe(path)
    computes = _computes(model)
    float32 = model if computes == "float32" else _under_float32(path, file, kind, saved)
    _check_weights(float32)
    return KerasModel(model=model, float32=float32, computes=computes, config=config)


def _load(path: Path, file: Path, kind: str, config: Any) -> Any:
    """Load a file, which is the one at ``path`` or a copy of it."""
    with wrap_os_errors(Path(tempfile.gettempdir())):
        temporary = tempfile.TemporaryDirectory(prefix="edgecnn-")
    try:
        with temporary as folder:
            named = named_for_keras(file, kind, Path(folder))
            model = keras.saving.load_model(named, compile=False, safe_mode=True)
    except EdgeError:
        raise
    except Exception as error:
        raise _refusal(path, kind, _written_by(file, kind), error, config) from error
    if not hasattr(model, "inputs") or not getattr(model, "inputs", None):
        raise SourceModelError(
            f"{path} holds a model whose inputs are not known",
            observed=f"{type(model).__name__} without inputs",
            expected="a model that knows its inputs",
            remedy="call the model on an image once before saving it, or export it as a SavedModel",
        )
    return model


def _refusal(path: Path, kind: str, version: str, error: Exception, config: Any) -> Exception:
    """Return the error for a file that Keras does not load, with a way out that works.

    "Save it again with this Keras" is none: this Keras cannot load it.
    """
    if "safe_mode" in str(error):
        return _unsafe(path, reason_of(error))
    mine = f"Keras {keras.__version__}"
    saved = f"{path.stem}_saved_model"
    unknown = re.search(r"Could not locate (?:class|function) '([^']+)'", str(error))
    if unknown is not None and (unknown[1] in _OF_KERAS_2 or OPTIMIZED.fullmatch(unknown[1])):
        unknown = None
    # Keras 3 writes its version into every file; some old ones of Keras 2 have none.
    if unknown is None and (version.startswith("2.") or (kind == "h5" and not version)):
        return OfKeras2Error(path, version, reason_of(error), config)
    by = f", written by Keras {version}," if version else ""
    return SourceModelError(
        f"{mine} does not know {unknown[1]}, which {path} holds"
        if unknown
        else f"{mine} cannot load {path}{by}".rstrip(","),
        observed=unknown[0] if unknown else reason_of(error),
        expected="a whole model as model.save(...) writes it, of Keras's own layers",
        remedy="in the program that made the model, where it can be loaded: "
        + exported_by(version, saved),
    )


def exported_by(version: str, folder: str) -> str:
    """Return how a model is exported where it can be loaded, and converted from there.

    ``model.export`` came with TensorFlow 2.13; the other way works with every Keras 2.
    """
    command = "tf.saved_model.save(model, " if version.startswith("2.") else "model.export("
    return f"{command}{folder!r}); then edgecnn convert {shlex.quote(folder)}"


class OfKeras2Error(Exception):
    """A file that Keras 2 has to read.

    Attributes:
        path: The file.
        version: Of the Keras that wrote it; empty where it does not say.
        reason: Why Keras 3 cannot.
        config: What the file holds.
    """

    def __init__(self, path: Path, version: str, reason: str, config: Any) -> None:
        super().__init__(reason)
        self.path, self.version, self.reason, self.config = path, version, reason, config


def _written_by(path: Path, kind: str) -> str:
    """Return the version of the Keras that wrote a file; empty if it does not say."""
    try:
        if kind == "h5":
            import h5py

            with h5py.File(path, "r") as file:
                found = file.attrs.get("keras_version", "")
                found = found.decode() if isinstance(found, bytes) else found
        else:
            with zipfile.ZipFile(path) as archive:
                found = json.loads(archive.read("metadata.json"))["keras_version"]
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile):
        return ""
    return version_to_show(found)


def version_to_show(found: Any) -> str:
    """Return a version that a file names, which comes from outside; empty if it is none."""
    match = re.match(r"[0-9][0-9A-Za-z.+-]{0,20}", str(found))
    return match[0] if match else ""


def _config_in_h5(path: Path) -> str | bytes:
    """Return the configuration in an HDF5 file: a model, not weights alone."""
    import h5py  # it comes with Keras

    try:
        with h5py.File(path, "r") as file:
            config = file.attrs.get("model_config")
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise _damaged(path, error) from error
    if config is None:
        raise SourceModelError(
            f"{path} holds no model",
            observed="an HDF5 file without a model's configuration: weights alone, or other data",
            expected="a file that model.save(...) wrote; or weights with their architecture",
            remedy=_with_architecture(path)
            + "load the weights into their model and save that: model.save('model.keras')",
        )
    return config if isinstance(config, bytes) else str(config)


def _damaged(path: Path, error: Exception) -> SourceModelError:
    return SourceModelError(
        f"{path} is a damaged or truncated HDF5 file ({reason_of(error)})",
        observed=f"{type(error).__name__} while reading it",
        expected="a file that model.save(...) or model.save_weights(...) wrote",
        remedy="copy or save the file again",
    )


def _with_architecture(weights: Path) -> str:
    """Return how to convert weights with the architecture, as one is beside them or to be made."""
    beside = []
    for file in sorted(weights.parent.glob("*.json")):
        with suppress(OSError, ValueError), file.open("rb") as opened:
            if b'"class_name"' in opened.read(400):
                beside.append(file)
    if len(beside) == 1:
        words = ["edgecnn", "convert", str(beside[0]), "--weights", str(weights)]
        return f"with the architecture beside it: {shlex.join(words)}; or "
    return (
        "write the architecture of a Sequential or functional model where it was made, "
        "open('model.json', 'w').write(model.to_json()), and then edgecnn convert model.json "
        f"--weights {shlex.quote(str(weights))}; or "
    )


def named_for_keras(file: Path, kind: str, folder: Path) -> Path:
    """Return a link to a file under a name that tells Keras what is in it.

    Keras goes by the suffix, and users rename files. Weights have two forms, and TensorFlow up to
    2.11 wrote the older one into files that are called ``.weights.h5``, too.

    Args:
        file: The file.
        kind: ``keras``, ``h5``, ``json``, or ``weights``.
        folder: Where the link is made.

    Raises:
        SourceModelError: If weights are no HDF5 file that can be read.
    """
    name = f"model.{kind}"
    if kind == "weights":
        import h5py

        try:
            with h5py.File(file, "r") as opened:
                older = "layer_names" in opened.attrs or "model_weights" in opened
        except (OSError, RuntimeError, ValueError) as error:
            raise _damaged(file, error) from error
        name = "weights.h5" if older else "model.weights.h5"
    with wrap_os_errors(folder):
        (folder / name).symlink_to(file.resolve())
    return folder / name


def read_architecture(path: Path) -> Mapping[str, Any]:
    """Return a model's architecture from a JSON file, as ``model.to_json()`` writes it.

    Raises:
        SourceModelError: If it is none, or holds code.
    """
    try:
        size = regular_size(path)
        if size > MOST_CONFIG_BYTES:
            raise _too_large(path, size)
        text = path.read_bytes()
    except OSError as error:
        raise SourceModelError(
            f"cannot read {path}: {error.strerror or error}",
            observed=type(error).__name__,
            expected="a file that you may read",
            remedy="check the path and its rights",
        ) from error
    config = _checked_config(path, text)
    if not isinstance(config, Mapping) or not isinstance(config.get("config"), (Mapping, list)):
        raise SourceModelError(
            f"{path} holds no architecture of a Keras model",
            observed=f"JSON of the type {type(config).__name__}",
            expected="what model.to_json() gives: class_name and config",
            remedy="write it again: json_file.write(model.to_json())",
        )
    return config


def is_of_keras_3(architecture: Mapping[str, Any]) -> bool:
    """Tell whether Keras 3 wrote an architecture; Keras 2 puts its version into each."""
    return "module" in architecture and "keras_version" not in architecture


def read_keras_3_architecture(
    path: Path, architecture: Mapping[str, Any], weights: Path
) -> KerasModel:
    """Load an architecture that Keras 3 wrote, with its weights.

    Args:
        path: The architecture's file.
        architecture: What ``read_architecture`` read from it.
        weights: The HDF5 file that ``model.save_weights(...)`` wrote.

    Raises:
        SourceModelError: If Keras cannot load it, the weights are those of another model, or
            they are not numbers.
    """
    with (
        wrap_os_errors(Path(tempfile.gettempdir())),
        tempfile.TemporaryDirectory(prefix="edgecnn-") as folder,
    ):
        whole = Path(folder) / "whole.keras"
        named = named_for_keras(weights, "weights", Path(folder))
        try:
            model = keras.models.model_from_json(json.dumps(architecture))
            model.load_weights(named)
            model.save(whole)
        except Exception as error:
            if "safe_mode" in str(error):
                raise _unsafe(path, reason_of(error)) from error
            raise SourceModelError(
                f"Keras {keras.__version__} cannot load {path} with the weights {weights}",
                observed=reason_of(error),
                expected="an architecture as model.to_json() writes it, and its own weights",
                remedy="give the weights that were saved from this architecture; or save the "
                "model as one file, where it was made: model.save('model.keras')",
            ) from error
        return read_keras_model(whole, "keras", named=path)


def _config_in_archive(path: Path) -> bytes:
    """Return the configuration in a .keras archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo("config.json").file_size
            if size > MOST_CONFIG_BYTES:
                raise _too_large(path, size)
            return archive.read("config.json")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise SourceModelError(
            f"{path} is a damaged or truncated archive ({reason_of(error)})",
            observed=f"{type(error).__name__} while reading it",
            expected="a file that model.save(...) wrote",
            remedy="copy or save the file again",
        ) from error


def _checked_config(path: Path, text: str | bytes) -> Any:
    """Return a configuration before Keras sees it; refuse one with code in it."""
    try:
        config = json.loads(text)
        if _is_deep(config):
            raise ValueError(f"it is nested in more than {_DEEPEST} levels")
        unsafe = contains_code(config)
    except (ValueError, RecursionError) as error:
        raise SourceModelError(
            f"the configuration of the model in {path} is damaged ({reason_of(error)})",
            observed=f"{len(text):,} characters that are no JSON of a model",
            expected="the configuration that model.save(...) wrote",
            remedy="copy or save the file again",
        ) from error
    if unsafe:
        raise _unsafe(path)
    return config


def _is_deep(config: Any) -> bool:
    """Tell whether a configuration is nested deeper than Python can follow safely."""
    level = [config]
    for _ in range(_DEEPEST):
        level = [
            value
            for item in level
            if isinstance(item, (dict, list))
            for value in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def _too_large(path: Path, size: int) -> SourceModelError:
    return SourceModelError(
        f"the configuration of the model in {path} is too large",
        observed=f"{size:,} bytes",
        expected=f"at most {MOST_CONFIG_BYTES:,}",
        remedy="check that it is the file that Keras wrote; the largest networks need some 10 MB",
    )


def _unsafe(path: Path, reason: str | None = None) -> SourceModelError:
    return SourceModelError(
        f"{path} holds a Lambda layer: Python code that loading it would run"
        if reason is None
        else f"{path} holds Python code that loading it would run",
        observed=reason or "a layer of the class Lambda in its configuration",
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


def _computes(model: Any) -> str:
    found = {layer.compute_dtype for layer in model._flatten_layers()}
    return next((name for name in COMPUTES if name in found), "float32")


def _under_float32(path: Path, file: Path, kind: str, config: Any) -> Any:
    """Load a model under the policy float32, from a copy of its file.

    Raises:
        SourceModelError: If a layer keeps another precision all the same.
    """
    text = json.dumps(_with_float32(config))
    with (
        wrap_os_errors(Path(tempfile.gettempdir())),
        tempfile.TemporaryDirectory(prefix="edgecnn-") as folder,
    ):
        copy = Path(folder) / f"float32.{kind}"
        if kind == "h5":
            import h5py

            shutil.copyfile(file, copy)
            with h5py.File(copy, "r+") as copied:
                copied.attrs["model_config"] = text
        else:
            with zipfile.ZipFile(file) as source, zipfile.ZipFile(copy, "w") as target:
                for entry in source.infolist():
                    if entry.filename == "config.json":
                        target.writestr(entry.filename, text)
                        continue
                    with source.open(entry) as old, target.open(entry.filename, "w") as new:
                        shutil.copyfileobj(old, new)
        model = _load(path, copy, kind, config)
    kept = _computes(model)
    if kept != "float32":
        raise SourceModelError(
            "the model computes in another precision than float32 and cannot be loaded in it",
            observed=f"layers that compute in {kept} whatever their policy says",
            expected="layers that follow their policy",
            remedy="build it under the policy float32, load its weights into that "
            "(model.load_weights), and save it",
        )
    return model


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
            observed=f"NaN or infinity in {some_of(bad)}",
            expected="finite weights",
            remedy="train again with a lower learning rate, or take an earlier checkpoint",
        )


# The configuration is the form that Keras itself saves and loads, so nothing here depends on how
# layers are wired in memory.


def contains_code(config: Any) -> bool:
    """Tell whether a configuration holds a Lambda layer, which is code and not data."""
    if isinstance(config, Mapping):
        if config.get("class_name") in ("Lambda", "__lambda__"):
            return True
        return any(contains_code(value) for value in config.values())
    if isinstance(config, (list, tuple)):
        return any(contains_code(value) for value in config)
    return False


def other_in_keras_2(config: Any) -> str | None:
    """Return what a configuration names that Keras 2 computes otherwise; None if there is nothing.

    Keras 3 loads both of these without a word. The hard sigmoid is ``clip(0.2 x + 0.5, 0, 1)`` in
    Keras 2 and ``relu6(x + 3) / 6`` in Keras 3; scores behind a softmax over several axes differed
    by 0.98 (files of tf_keras 2.21; of some sixty other layers and activations none differed).

    Args:
        config: As the file holds it.
    """
    if isinstance(config, Mapping):
        inner = config.get("config")
        if config.get("class_name") == "Softmax" and isinstance(inner, Mapping):
            axis = inner.get("axis")
            if isinstance(axis, (list, tuple)) and len(axis) > 1:
                return "a Softmax over several axes"
        for key, value in config.items():
            if value == "hard_sigmoid" and key in (
                "activation", "recurrent_activation", "class_name", "config",
            ):  # fmt: skip
                return "the activation hard_sigmoid"
            found = other_in_keras_2(value)
            if found is not None:
                return found
    if isinstance(config, (list, tuple)):
        return next(filter(None, map(other_in_keras_2, config)), None)
    return None


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
