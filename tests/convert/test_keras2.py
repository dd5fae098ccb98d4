"""Files of Keras 2: SavedModels come out right; what Keras 3 cannot load has a way that works."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command import edgecnn_here
from convert.brightness import Built, check_refused, convert, write_pictures
from convert.keras2 import with_keras2

pytestmark = pytest.mark.slow  # starts a process, and converts whole networks

CHEAP = ("adapted", "normalized_in_a_row", "mixed_float16", "preprocessed", "teachable")
LONG = (
    "rescaled", "adapted_scalar", "adapted_unit", "adapted_mixed", "mixed_bfloat16", "float16",
    "sequential", "lstm", "bidirectional_gru",
)  # fmt: skip
RANGES = {"adapted_unit": "0..1", "teachable": "-1..1"}
HALF = {"mixed_float16": 2e-2, "adapted_mixed": 2e-2, "float16": 2e-2, "mixed_bfloat16": 1e-1}
# What Keras 3 says of each file that it cannot load, to its end.
REASONS = {
    "teachable.h5": "Functional",
    "sequential.h5": "{'rng_type': ",
    "lstm.h5": "{'time_major': False}",
    "preprocessed.h5": "TFOpLambda",
    "preprocessed.keras": "Functional",
    "mixed_float16.h5": "mixed_float16",
}


def made(folder: Path, names: tuple[str, ...]) -> Path:
    with_keras2(Path(__file__).with_name("make_keras2.py"), folder, *names)
    return write_pictures(folder)


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("keras2"), CHEAP)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("keras2"), LONG)


def options(name: str) -> tuple[str, ...]:
    return ("--input-range", RANGES[name]) if name in RANGES else ()


def check_scores(built: Built, folder: Path, name: str) -> None:
    """Assert that reference and artifact have the scores that Keras 2 gave."""
    assert built.done.code == 0, built.done.err
    # The pictures are numbered; edgecnn has them in the order of their classes' names.
    order = sorted(range(42), key=lambda index: (("night", "dusk", "noon")[index // 14], index))
    with np.load(folder / f"{name}.npz") as stored:
        right: Any = stored["scores"][order]
    bound = HALF.get(name, 1e-4)
    assert (right.argmax(axis=1) == np.repeat([1, 0, 2], 14)).mean() > 0.9
    np.testing.assert_allclose(
        built.reference(), right, rtol=0, atol=bound / (10 if name in HALF else 1)
    )
    np.testing.assert_allclose(built.scores(), right, rtol=0, atol=bound)


@pytest.mark.parametrize("name", CHEAP)
def test_a_saved_model_of_keras_2_is_right(common: Path, name: str) -> None:
    check_scores(convert(common / name, common, *options(name)), common, name)


@pytest.mark.long
@pytest.mark.parametrize("name", LONG)
def test_other_saved_models_of_keras_2_are_right(others: Path, name: str) -> None:
    check_scores(convert(others / name, others, *options(name)), others, name)


def check_file(folder: Path, name: str, suffix: str) -> None:
    """Assert that a file is loaded right, or refused with the reason and a way that works."""
    path = folder / (name + suffix)
    built = convert(path, folder, *options(name))
    if built.done.code == 0:
        check_scores(built, folder, name)
        return
    reason = REASONS.get(path.name)
    check_refused(built, "Keras 2", "SavedModel", *([reason] if reason else []), code=26)
    said = " ".join(built.done.err.split())
    assert "this Keras" not in said  # nobody can save again what this Keras does not load
    assert "Lambda layer" not in said  # TFOpLambda is data
    assert "0000 00:00:" not in said  # no line of TensorFlow's log


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", CHEAP)
def test_a_file_of_keras_2_is_right_or_has_a_way_out(common: Path, name: str, suffix: str) -> None:
    check_file(common, name, suffix)


@pytest.mark.long
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", LONG)
def test_other_files_of_keras_2_too(others: Path, name: str, suffix: str) -> None:
    check_file(others, name, suffix)


@pytest.mark.parametrize(
    "file",
    [
        "preprocessed.h5",
        *(pytest.param(file, marks=pytest.mark.long)
          for file in ("preprocessed.keras", "teachable.h5", "mixed_float16.h5", "adapted.keras")),
    ],
)  # fmt: skip
def test_the_way_out_works(common: Path, tmp_path: Path, file: str) -> None:
    """What the remedy says to type is typed, but for the installation."""
    done = edgecnn_here(
        "convert", common / file, "--data", common / "images", "--labels", common / "labels.txt",
        "--out", tmp_path / "build", "--json",
    )  # fmt: skip
    assert done.code == 26, done.err
    _, install, rest = done.json()["remedy"].partition("pip install tf-keras && ")
    assert install
    export, _, convert_it = rest.partition(" && ")
    python, *arguments = shlex.split(export)
    assert python == "python"
    with_keras2(*arguments, legacy=False, cwd=tmp_path)
    command, verb, folder = shlex.split(convert_it)
    assert (command, verb) == ("edgecnn", "convert")
    name = file.partition(".")[0]
    check_scores(convert(tmp_path / folder, common, *options(name)), common, name)
