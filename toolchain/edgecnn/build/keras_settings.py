"""Settles how Keras starts, whatever the user's environment and ``keras.json`` say.

The toolchain needs TensorFlow's backend, float32 and the channels last. A user's other choice is
for other programs, and is neither changed nor followed. Only ``start_keras`` imports Keras.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Final

from edgecnn.errors import UsageError

BACKEND: Final = "tensorflow"
_VARIABLE: Final = "KERAS_BACKEND"


def choose_backend() -> None:
    """Set the backend for this process, before Keras or TensorFlow is imported.

    Keras reads the variable once, when it is imported; it goes before ``keras.json``. TensorFlow
    takes Keras 2 for its own ``tf.keras`` where ``TF_USE_LEGACY_KERAS`` asks for it.
    """
    os.environ[_VARIABLE] = BACKEND
    os.environ["TF_USE_LEGACY_KERAS"] = "0"


def start_keras() -> None:
    """Import Keras, and with it TensorFlow, with the settings that edgecnn needs.

    Whatever imports one of them calls this first: with some settings the import itself stops.

    Raises:
        UsageError: If Keras or TensorFlow stops with the user's settings, or another part of this
            program imported Keras with another backend.
    """
    choose_backend()
    try:
        import keras  # noqa: TID251 - for the two stages that may use it
    except (AssertionError, AttributeError, OSError, TypeError, ValueError) as error:
        # TensorFlow's own old copy of Keras reads the same file, and asserts.
        raise _unusable(error) from error
    _settle(keras)


def _settle(keras: Any) -> None:
    if keras.config.backend() != BACKEND:
        raise UsageError(
            "Keras was started with another backend than TensorFlow",
            observed=f"the backend {keras.config.backend()}, chosen before edgecnn was imported",
            expected=f"the backend {BACKEND}",
            remedy=f"set {_VARIABLE}={BACKEND} before this program imports Keras, or import "
            "edgecnn first",
        )
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    for name in ("set_max_epochs", "set_max_steps_per_epoch"):
        # They cut trainings short where the environment says so; not in every version.
        getattr(keras.config, name, lambda _: None)(None)


def _unusable(error: Exception) -> UsageError:
    file = _settings_file()
    told = f"{type(error).__name__}: {error}".removesuffix(": ")
    with contextlib.suppress(OSError, UnicodeDecodeError):
        told += f"; {file} holds {file.read_text(encoding='utf-8')[:200]}"
    return UsageError(
        "Keras cannot be imported with the settings that it finds",
        observed=told,
        expected=f"settings in {file}, and variables that begin with KERAS_, that Keras accepts",
        remedy=f"mend or rename {file}: mv {file} {file}.old",
    )


def other_choice() -> str | None:
    """Say where the environment or ``keras.json`` chooses another backend; None if neither does."""
    named = os.environ.get(_VARIABLE)
    if named:
        return None if named == BACKEND else f"{_VARIABLE}={named}"
    file = _settings_file()
    try:
        backend = json.loads(file.read_text(encoding="utf-8")).get("backend", BACKEND)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError):
        return f"{file} is not readable as settings of Keras"
    return None if backend == BACKEND else f'"backend": "{backend}" in {file}'


def _settings_file() -> Path:
    """Return where Keras looks for its settings, by its own rule (keras/src/backend/config.py)."""
    home = os.environ.get("KERAS_HOME")
    if home is not None:  # empty is the current folder
        return Path(home) / "keras.json"
    base = os.path.expanduser("~")  # noqa: PTH111 - it gives "~" where there is no home
    return Path(base if os.access(base, os.W_OK) else "/tmp") / ".keras" / "keras.json"  # noqa: S108
