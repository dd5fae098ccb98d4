"""Keras starts with edgecnn's settings, whatever the user's say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from command import edgecnn
from edgecnn.build import keras_settings
from edgecnn.commands.doctor import check_machine
from edgecnn.errors import UsageError

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
@pytest.mark.parametrize("stage", ["convert.source.keras_model", "train.backend"])
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


def test_an_empty_home_of_keras_is_the_current_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", "")
    monkeypatch.chdir(home)
    write(home, json.dumps({"backend": "theano"}))
    assert keras_settings.other_choice() is None
    (home / "keras.json").write_text(json.dumps({"backend": "jax"}))
    assert "jax" in str(keras_settings.other_choice())


@pytest.mark.slow
def test_settings_that_keras_cannot_read_are_named(home: Path) -> None:
    file = write(home, '{"floatx": "float8"}')
    photos = home / "photos"
    for name in ("a", "b"):
        (photos / name).mkdir(parents=True)
        for index in range(12):
            pixels = np.full((8, 8, 3), 20 * index + (name == "b"), np.uint8)
            Image.fromarray(pixels).save(photos / name / f"{index}.png")
    model = home / "model.keras"
    with zipfile.ZipFile(model, "w") as archive:
        archive.writestr("config.json", "{}")  # it is not come to
    labels = home / "labels.txt"
    labels.write_text("a\nb\n")
    project = home / "project"
    assert edgecnn("init", project, "--data", photos).code == 0
    own = ("--data", photos, "--labels", labels, "--input-range", "0..1")
    for command in (("train", project), ("convert", model, *own, "--out", home / "out")):
        done = edgecnn(*command, "--json")
        assert done.code == 2, done.err
        assert str(file) in done.json()["remedy"]
        assert "float8" in done.json()["observed"]


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
    monkeypatch.setattr(
        "edgecnn.commands.doctor._starts", lambda name, *_: SimpleNamespace(name=name)
    )
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    (check,) = [check for check in check_machine() if check.name == "Keras"]
    assert check.state == "note"
    assert "KERAS_BACKEND=torch" in check.found


def test_a_keras_that_runs_on_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    jax = SimpleNamespace(config=SimpleNamespace(backend=lambda: "jax"))
    monkeypatch.setitem(sys.modules, "keras", jax)
    with pytest.raises(UsageError, match="another backend"):
        keras_settings.start_keras()
