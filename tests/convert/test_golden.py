from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from convert.networks import dataset, plain
from edgecnn.build.workspace import Workspace
from edgecnn.convert import find_source, run
from edgecnn.convert.golden import GOLDEN_COUNT, choose_golden
from edgecnn.data.patterns import patterns
from edgecnn.quiet import captured_log
from edgecnn.recipe.load import parse_recipe
from edgecnn_runner.golden import MIN_MARGIN
from edgecnn_runner.session import Session

SHAPE = (12, 10, 3)
Pixels = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One float artifact."""
    folder = tmp_path_factory.mktemp("golden")
    with captured_log():
        plain().save(folder / "net.keras")
    raw = {"model": {"name": "net"}, "convert": {"variants": ["tflite-fp32"]}}
    workspace = Workspace(folder / "build")
    run(find_source(folder / "net.keras"), parse_recipe(raw, source="test"), workspace, dataset())
    return workspace.path("net-fp32.tflite")


@pytest.mark.parametrize("shape", [(12, 10, 3), (8, 8, 1), (5, 31, 3), (1, 1, 1)])
def test_patterns_depend_on_the_seed_alone(shape: tuple[int, int, int]) -> None:
    first = patterns(10, shape=shape, seed=3)
    assert first.shape == (10, *shape)
    np.testing.assert_array_equal(first, patterns(10, shape=shape, seed=3))
    assert (first != patterns(10, shape=shape, seed=4)).any()
    np.testing.assert_array_equal(first[:5], patterns(5, shape=shape, seed=3))


def test_patterns_differ_from_each_other() -> None:
    pictures = patterns(50, shape=SHAPE, seed=0)
    assert len({picture.tobytes() for picture in pictures}) == 50
    assert pictures.std(axis=(1, 2, 3)).min() > 2


def test_vectors_are_clear_agreed_on_and_spread_over_classes(artifact: Path) -> None:
    def score(images: Pixels) -> Scores:
        with Session.open(artifact) as session:
            return session.predict(images)

    golden, _ = choose_golden(score, {"tflite-fp32": artifact}, shape=SHAPE)
    assert len(golden.images) == GOLDEN_COUNT
    ordered = np.sort(golden.reference, axis=1)
    assert (ordered[:, -1] - ordered[:, -2] >= MIN_MARGIN).all()
    everything = score(patterns(1500, shape=SHAPE, seed=20))
    ordered = np.sort(everything, axis=1)
    possible = set(everything[ordered[:, -1] - ordered[:, -2] >= MIN_MARGIN].argmax(axis=1))
    assert set(golden.reference.argmax(axis=1)) == possible


def test_vectors_an_artifact_disagrees_on_are_left_out(artifact: Path) -> None:
    def against(images: Pixels) -> Scores:
        with Session.open(artifact) as session:
            return session.predict(images)[:, ::-1]

    golden, _ = choose_golden(against, {"tflite-fp32": artifact}, shape=SHAPE)
    # Reversed scores agree only where the middle class wins.
    assert set(golden.reference.argmax(axis=1)) <= {2}


def test_a_model_that_is_sure_of_nothing_gives_no_vectors(artifact: Path) -> None:
    golden, _ = choose_golden(
        lambda images: np.full((len(images), 5), 0.2, np.float32),
        {"tflite-fp32": artifact},
        shape=SHAPE,
    )
    assert len(golden.images) == 0
    assert golden.images.shape == (0, *SHAPE)
    assert golden.sources


def test_of_large_pictures_fewer_are_looked_at_and_only_until_there_are_enough(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    asked: list[int] = []
    predict = Session.predict

    def counted(session: Session, images: Pixels) -> Scores:
        asked.append(len(images))
        return predict(session, images)

    def score(images: Pixels) -> Scores:
        sizes.append(len(images))
        with Session.open(artifact) as session:
            return session.predict(images)

    def unsure(images: Pixels) -> Scores:
        sizes.append(len(images))
        return np.full((len(images), 5), 0.2, np.float32)

    assert len(choose_golden(unsure, {"tflite-fp32": artifact}, shape=SHAPE)[0].images) == 0
    assert sizes == [1500]
    sizes.clear()
    monkeypatch.setattr("edgecnn.convert.golden._LARGE", 359)
    assert len(choose_golden(unsure, {"tflite-fp32": artifact}, shape=SHAPE)[0].images) == 0
    assert sizes == [64] * 7
    sizes.clear()
    found, _ = choose_golden(score, {"tflite-fp32": artifact}, shape=SHAPE)
    assert len(found.images) == GOLDEN_COUNT
    assert len(set(found.reference.argmax(axis=1))) > 2
    assert 448 < sum(sizes) < 1500  # this network is sure of few

    def sure(images: Pixels) -> Scores:
        with Session.open(artifact) as session:
            powers = predict(session, images) ** 8
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    # The artifact is asked about little more than is needed, unless it disagrees.
    monkeypatch.setattr(Session, "predict", counted)
    choose_golden(sure, {"tflite-fp32": artifact}, shape=SHAPE)
    assert asked == [GOLDEN_COUNT + 4]
    asked.clear()
    choose_golden(lambda images: sure(images)[:, ::-1], {"tflite-fp32": artifact}, shape=SHAPE)
    assert asked == [GOLDEN_COUNT + 4, 4 * GOLDEN_COUNT - (GOLDEN_COUNT + 4)]


def test_an_artifact_that_does_not_run_is_named_and_has_no_say(
    artifact: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(artifact.read_bytes()[:-100])
    files = {"tflite-fp32": artifact, "tflite-fp16": broken}

    def score(images: Pixels) -> Scores:
        with Session.open(artifact) as session:
            return session.predict(images)

    golden, failures = choose_golden(score, files, shape=SHAPE)
    assert set(failures) == {"tflite-fp16"}
    assert set(golden.scores) == {"tflite-fp32"}
    assert len(golden.images) > 0
