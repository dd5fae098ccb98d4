from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn_runner.errors import ImageError
from edgecnn_runner.session import Session
from edgecnn_runner.timing import Timing, measure, percentile
from runner.fixture_files import images, path_of


def timing(*samples: int) -> Timing:
    return Timing(samples_ns=samples, warmup=1, first_ns=9, load_ns=8)


def test_measures_as_many_calls_as_asked_for() -> None:
    with Session.open(path_of("rgb-int8.tflite")) as session:
        found = measure(session, images("rgb")[0], warmup=3, runs=20)
        assert found.load_ns == session.load_ns
    assert len(found.samples_ns) == 20
    assert all(sample > 0 for sample in found.samples_ns)
    assert found.first_ns > 0
    assert json.loads(json.dumps(found.to_dict()))["samples_ns"] == list(found.samples_ns)


def test_figures_are_those_of_the_samples() -> None:
    assert timing(5, 1, 4, 2, 100).summary() == {
        "n": 5,
        "min_ns": 1,
        "median_ns": 4,
        "p90_ns": 100,
        "p99_ns": 100,
        "mad_ns": 2,
    }


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50), st.integers(1, 100))
@settings(deadline=None)
def test_percentile_is_the_smallest_sample_that_enough_do_not_exceed(
    samples: list[int], percent: int
) -> None:
    found = percentile(sorted(samples), percent)
    assert found in samples
    assert sum(sample <= found for sample in samples) * 100 >= percent * len(samples)
    assert sum(sample < found for sample in samples) * 100 < percent * len(samples)


@pytest.mark.parametrize(("warmup", "runs"), [(0, 5), (5, 0)])
def test_no_calls_are_no_measurement(warmup: int, runs: int) -> None:
    with (
        Session.open(path_of("rgb-int8.tflite")) as session,
        pytest.raises(ValueError, match="at least 1"),
    ):
        measure(session, images("rgb")[0], warmup=warmup, runs=runs)


def test_an_image_of_another_size_is_refused() -> None:
    with Session.open(path_of("rgb-int8.tflite")) as session, pytest.raises(ImageError):
        measure(session, images("grey")[0])
