"""Keras starts with edgecnn's settings, whatever the user's say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgecnn import keras_settings
from edgecnn.errors import UsageError
from edgecnn.health import check_machine

IMPORT = "import edgecnn.{stage} as k; print(k.keras.config.backend(), k.keras.config.floatx(), \
k.keras.config.image_data_format(), k.keras.config.epsilon())"
OURS = "tensorflow float32 channels_last 1e-07"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the user's own, without any setting."""
    for name in ("KERAS_BACKEND", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write(home: Path, text: str) -> Path:
    file = home / ".keras" / "keras.json"
    file.parent.mkdir()
    file.write_text(text)
    return file


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["convert.keras_model", "train.backend"])
def test_a_users_settings_are_not_followed(home: Path, stage: str) -> None:
    settings = {"backend": "theano", "floatx": "float16", "epsilon": 0.5}
    file = write(home, json.dumps({**settings, "image_data_format": "channels_first"}))
    variables = {"KERAS_BACKEND": "jax", "TF_USE_LEGACY_KERAS": "1", "KERAS_MAX_EPOCHS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT.format(stage=stage)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == OURS
    assert json.loads(file.read_text())["backend"] == "theano"  # it is the user's


@pytest.mark.slow
def test_settings_that_keras_cannot_read_are_named(home: Path) -> None:
    file = write(home, '{"floatx": "float8"}')
    code = (
        "from edgecnn.errors import UsageError\n"
        "try:\n    import edgecnn.convert.keras_model\n"
        "except UsageError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert str(file) in done.stdout
    assert "float8" in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, None),
        ('{"backend": "tensorflow"}', None),
        ("{}", None),
        ('{"backend": "theano"}', "theano"),
        ("{", "not readable"),
        ("[]", "not readable"),
    ],
)
def test_another_choice_in_the_file_is_seen(home: Path, text: str | None, said: str | None) -> None:
    if text is not None:
        write(home, text)
    found = keras_settings.other_choice()
    assert (found is None) if said is None else (found is not None and said in found)


def test_the_variable_goes_before_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, '{"backend": "theano"}')
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert keras_settings.other_choice() == "KERAS_BACKEND=torch"
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert keras_settings.other_choice() is None


def test_doctor_says_so(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgecnn.health._starts", lambda name, *_: SimpleNamespace(name=name))
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    (check,) = [check for check in check_machine() if check.name == "Keras"]
    assert check.state == "note"
    assert "KERAS_BACKEND=torch" in check.found


def test_a_keras_that_runs_on_another_backend_is_refused() -> None:
    jax = SimpleNamespace(config=SimpleNamespace(backend=lambda: "jax"))
    with pytest.raises(UsageError, match="another backend"):
        keras_settings.settle(jax)
