from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn import train
from edgecnn.build.workspace import Workspace
from edgecnn.data import Dataset
from edgecnn.errors import RecipeError
from edgecnn.recipe.load import Recipe, parse_recipe
from edgecnn.train.architectures import build_network
from edgecnn.train.distillation import load_teacher, with_teacher
from edgecnn.train.saved import save_float32

pytestmark = pytest.mark.slow  # trains or converts whole networks

SHAPE, CLASSES = (8, 8, 1), 2


def network(seed: int, name: str = "tiny_cnn") -> Any:
    return build_network(name, shape=SHAPE, classes=CLASSES, precision="float32", seed=seed)


def recipe(teacher: Path | str, **distillation: Any) -> Recipe:
    return parse_recipe(
        {
            "model": {"name": "student", "architecture": "tiny_cnn"},
            "train": {
                "epochs": 2,
                "batch_size": 16,
                # The labels that validation has are not what is learnt here.
                "select": "last",
                "precision": "float32",
                "dropout": 0.0,
                "optimizer": {"name": "adam", "learning_rate": 0.01},
                "distillation": {"teacher": str(teacher), **distillation},
            },
        },
        source="test",
    )


@pytest.fixture
def teacher_file(tmp_path: Path) -> Path:
    path = tmp_path / "teacher.keras"
    save_float32(network(7), path, shape=SHAPE, classes=CLASSES)
    return path


def softened(scores: Any, temperature: float) -> Any:
    powers = np.asarray(scores, np.float64) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def test_the_training_loss_is_that_of_hinton_and_validation_has_labels_only(
    teacher_file: Path,
) -> None:
    teacher = load_teacher(teacher_file, shape=SHAPE, classes=CLASSES, precision="float32")
    student = with_teacher(network(1), teacher, recipe(teacher_file, weight=0.3, temperature=2.5))
    student.compile(loss="sparse_categorical_crossentropy")
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (6, *SHAPE), dtype=np.uint8)
    labels = generator.integers(0, CLASSES, 6)
    scores = student(pixels)
    hard = -np.log(np.asarray(scores)[range(6), labels]).mean()
    goal, found = softened(teacher(pixels), 2.5), softened(scores, 2.5)
    divergences = (goal * np.log(goal / found)).sum(axis=1)
    divergence = divergences.mean()
    loss = student.compute_loss(pixels, labels, scores, None, True)
    assert float(loss) == pytest.approx(0.7 * hard + 0.3 * 2.5**2 * divergence, rel=1e-4)
    weights = generator.uniform(0.5, 2.0, 6).astype("f4")
    weighted = student.compute_loss(pixels, labels, scores, weights, True)
    hards = -np.log(np.asarray(scores)[range(6), labels])
    expected = weights @ (0.7 * hards + 0.3 * 2.5**2 * divergences) / 6
    assert float(weighted) == pytest.approx(expected, rel=1e-4)
    alone = student.compute_loss(pixels, labels, scores, None, False)
    assert float(alone) == pytest.approx(hard, rel=1e-4)


def test_a_teacher_alone_teaches_its_own_answers_and_stays_as_it_is(
    teacher_file: Path, stripes: Dataset, tmp_path: Path
) -> None:
    before = teacher_file.read_bytes()
    # The labels have no part in it, so the teacher's answers are all there is to learn.
    settings = recipe(teacher_file, weight=1.0, temperature=1.0)
    settings = settings.model_copy(
        update={"train": settings.train.model_copy(update={"epochs": 30})}
    )
    result = train.run(
        settings, Workspace(tmp_path / "build"), stripes, recipe_source="recipe.toml"
    )
    assert teacher_file.read_bytes() == before
    assert result.parameters == network(0).count_params()
    teacher = load_teacher(teacher_file, shape=SHAPE, classes=CLASSES, precision="float32")
    with np.load(tmp_path / "build" / "reference.npz") as stored:
        scores = stored["scores"]
    answers = np.asarray(teacher(stripes.test.pixels))
    untaught = np.asarray(network(0)(stripes.test.pixels))
    assert np.abs(scores - answers).mean() < 0.5 * np.abs(untaught - answers).mean()


def test_the_key_follows_what_is_in_the_teacher_not_where_it_lies(
    teacher_file: Path, stripes: Dataset, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "copy.keras"
    elsewhere.write_bytes(teacher_file.read_bytes())
    keys = [train.key(recipe(path), stripes) for path in (teacher_file, elsewhere)]
    assert keys[0] == keys[1]
    save_float32(network(8), elsewhere, shape=SHAPE, classes=CLASSES)
    assert train.key(recipe(elsewhere), stripes) != keys[0]
    elsewhere.unlink()
    assert train.key(recipe(elsewhere), stripes) not in keys


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "an existing .keras file"),
        (lambda path: path.write_bytes(b"no archive"), "not readable"),
        (lambda path: path.write_bytes(path.read_bytes()[:500]), "not readable"),
    ],
)
def test_a_teacher_that_is_none_is_a_recipe_error(
    teacher_file: Path, stripes: Dataset, tmp_path: Path, damage: Any, message: str
) -> None:
    damage(teacher_file)
    with pytest.raises(RecipeError, match=message) as caught:
        train.run(
            recipe(teacher_file), Workspace(tmp_path / "build"), stripes, recipe_source="recipe"
        )
    assert caught.value.remedy


def test_a_teacher_with_a_flipped_byte_or_other_layers_is_a_recipe_error(
    teacher_file: Path, tmp_path: Path
) -> None:
    from edgecnn.train.backend import keras

    data = bytearray(teacher_file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    flipped = tmp_path / "flipped.keras"
    flipped.write_bytes(data)
    inputs = keras.Input(SHAPE)
    outputs = keras.layers.Dense(CLASSES, "softmax")(keras.layers.Flatten()(inputs))
    other = tmp_path / "other.keras"
    unbuilt = tmp_path / "unbuilt.keras"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own, when it saves
        keras.Model(inputs, outputs, name="tiny_cnn").save(other)
        keras.Sequential([keras.layers.Dense(CLASSES)]).save(unbuilt)
    for path in (flipped, other, unbuilt):
        with pytest.raises(RecipeError, match="not readable"):
            load_teacher(path, shape=SHAPE, classes=CLASSES, precision="float32")


def test_a_teacher_for_other_images_is_refused_with_both_shapes(tmp_path: Path) -> None:
    path = tmp_path / "other.keras"
    other = build_network("tiny_cnn", shape=(8, 8, 3), classes=4, precision="float32", seed=0)
    save_float32(other, path, shape=(8, 8, 3), classes=4)
    with pytest.raises(RecipeError, match="not for these images") as caught:
        load_teacher(path, shape=SHAPE, classes=CLASSES, precision="float32")
    assert "(8, 8, 3)" in str(caught.value.observed)
    assert "2 classes" in str(caught.value.expected)
