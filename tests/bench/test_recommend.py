"""Known fronts, limits, ties and reasons."""

from __future__ import annotations

import dataclasses
import json

import pytest

from bench.made_up import conditions, device, row, threads_of
from edgecnn.bench.judge.recommend import Candidate, DeviceLimits, Recommendation, recommend
from edgecnn.bench.report.json import recommendation_values
from edgecnn.bench.report.words import headline, loss_sentence, warning_sentences
from edgecnn.errors import RowError

FP32 = row("tflite-fp32", 520_000, accuracy=0.8840, size=6_710_000, memory=52_000_000)
FP16 = row("tflite-fp16", 525_000, accuracy=0.8839, size=3_360_000, memory=52_000_000)
INT8 = row("tflite-int8", 160_000, accuracy=0.8834, size=1_700_000)
ONNX_FP32 = row(
    "onnx-fp32", 530_000, accuracy=0.8840, size=6_720_000, runtime="onnxruntime", memory=70_000_000
)
ONNX_INT8 = row(
    "onnx-int8", 190_000, accuracy=0.8835, size=1_710_000, runtime="onnxruntime", memory=60_000_000
)
ERROR = RowError(error="RuntimeTooOldError", exit_code=14, problem="too old", remedy="upgrade")


def chosen(found: Recommendation) -> str | None:
    return None if found.choice is None else found.choice.name


def named(found: Recommendation, name: str) -> Candidate:
    return next(one for one in found.candidates if one.name == name)


def why(found: Recommendation, name: str) -> str:
    return loss_sentence(found, named(found, name))


def test_the_front_has_what_no_other_row_beats() -> None:
    found = recommend(device(FP32, FP16, INT8, ONNX_FP32, ONNX_INT8))
    # fp32 is the most accurate, fp16 smaller and as fast, int8 fast and small; onnx-int8 is slower,
    # larger and hungrier than int8, but more accurate; onnx-fp32 as fast as fp32, but larger.
    assert [one.name for one in found.front] == [
        "tflite-int8 with litert",
        "onnx-int8 with onnxruntime",
        "tflite-fp32 with litert",
        "tflite-fp16 with litert",
    ]
    assert chosen(found) == "tflite-int8 with litert"
    assert headline(found) == (
        "Ship tflite-int8 with litert, 1 thread: 160 µs, 88.34 % of test images right, a file of "
        "1.70 MB, 40.00 MB of memory."
    )


def test_each_other_row_is_told_why_it_lost_in_numbers() -> None:
    found = recommend(device(FP32, INT8, ONNX_INT8))
    sentence = why(found, "tflite-fp32 with litert")
    assert sentence.startswith(
        "It takes 3.25 times as long as tflite-int8 with litert (95 % interval 3.23 to 3.28), and "
        "is larger (6.71 MB against 1.70 MB), and needs more memory (52.00 MB against 40.00 MB)"
    )
    assert sentence.endswith("; it is 0.06 points more accurate.")
    assert why(found, "onnx-int8 with onnxruntime").startswith("It takes 1.19 times as long as ")


def test_a_row_that_is_better_in_one_thing_alone_is_on_the_front() -> None:
    rows = (
        row("tflite-int8", 100_000, accuracy=0.80, size=900, memory=900),
        row("tflite-fp16", 200_000, accuracy=0.81, size=900, memory=900),
        row("onnx-int8", 200_000, accuracy=0.80, size=800, memory=900, runtime="onnxruntime"),
        row("onnx-fp16", 200_000, accuracy=0.80, size=900, memory=800, runtime="onnxruntime"),
        row("tflite-int16x8", 200_000, accuracy=0.80, size=900, memory=890),
        row("onnx-fp32", 200_000, accuracy=0.80, size=900, memory=900, runtime="onnxruntime"),
    )
    front = {one.name.split()[0] for one in recommend(device(*rows)).front}
    assert front == {"tflite-int8", "tflite-fp16", "onnx-int8", "onnx-fp16"}


def test_noise_does_not_decide() -> None:
    """6 % apart with turns that differ by 10 %: equally fast, so that the smaller file wins."""
    fast = row("tflite-fp32", 100_000, size=4000, noise=0.1, seed=3)
    small = row("tflite-fp16", 106_000, size=2000, noise=0.1, seed=4)
    found = recommend(device(fast, small))
    assert chosen(found) == "tflite-fp16 with litert"
    assert not named(found, "tflite-fp32 with litert").on_front
    sentence = why(found, "tflite-fp32 with litert")
    assert "as fast as tflite-fp16 with litert within noise (0.9" in sentence
    assert sentence.endswith("but is larger (4.0 kB against 2.0 kB).")


def test_a_difference_beyond_noise_does() -> None:
    """The control: the same medians with little noise."""
    fast = row("tflite-fp32", 100_000, size=4000, noise=0.005, seed=3)
    small = row("tflite-fp16", 106_000, size=2000, noise=0.005, seed=4)
    found = recommend(device(fast, small))
    assert chosen(found) == "tflite-fp32 with litert"
    assert named(found, "tflite-fp16 with litert").on_front


def test_what_the_next_bench_would_turn_round_does_not_decide() -> None:
    """1 % apart beyond any noise of this bench, where two benches agree within 3 % only."""
    fast = row("tflite-fp32", 100_000, size=4000, noise=0.0001, seed=1)
    small = row("tflite-fp16", 101_000, size=2000, noise=0.0001, seed=2)
    assert chosen(recommend(device(fast, small))) == "tflite-fp16 with litert"


def test_ties_in_everything_but_accuracy_go_to_the_more_accurate() -> None:
    one = row("tflite-int8", 100_000, accuracy=0.880, seed=1)
    other = row("onnx-int8", 100_000, accuracy=0.885, runtime="onnxruntime", seed=2)
    assert chosen(recommend(device(one, other))) == "onnx-int8 with onnxruntime"


def test_the_fastest_does_not_win_if_it_is_less_accurate_than_verification_allows() -> None:
    tiny = row("tflite-int8", 20_000, accuracy=0.70, model="tiny")
    wren = row("tflite-int8", 200_000, accuracy=0.91, model="wren")
    found = recommend(device(tiny, wren))
    assert chosen(found) == "wren tflite-int8 with litert"
    assert why(found, "tiny tflite-int8 with litert") == (
        "Its accuracy, 70.00 %, is 21.00 points below that of wren tflite-int8 with litert; only "
        "up to 1.00 count as equal."
    )
    assert chosen(recommend(device(tiny, wren), max_drop=0.25)) == "tiny tflite-int8 with litert"
    limits = DeviceLimits(latency_ns=100_000)
    assert chosen(recommend(device(tiny, wren), limits=limits)) == "tiny tflite-int8 with litert"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (DeviceLimits(latency_ns=100_000), "Its latency, 160 µs, is above the limit of 100 µs."),
        (DeviceLimits(size_bytes=1_699_999), "Its size, 1.70 MB, is above the limit of 1.70 MB."),
        (
            DeviceLimits(memory_bytes=30_000_000, size_bytes=100_000),
            "Its peak memory, 40.00 MB, is above the limit of 30.00 MB; its size, 1.70 MB, is "
            "above the limit of 100.0 kB.",
        ),
    ],
)
def test_a_limit_excludes_with_its_number(limits: DeviceLimits, reason: str) -> None:
    found = recommend(device(INT8), limits=limits)
    assert found.choice is None
    assert why(found, "tflite-int8 with litert") == reason
    assert "excludes all" in headline(found)


def test_a_limit_itself_is_allowed() -> None:
    best = INT8.best
    assert best is not None
    median = recommend(device(INT8)).candidates[0].median_ns
    limits = DeviceLimits(latency_ns=median, memory_bytes=40_000_000, size_bytes=1_700_000)
    assert chosen(recommend(device(INT8), limits=limits)) == "tflite-int8 with litert"
    tighter = dataclasses.replace(limits, latency_ns=median - 1)
    assert recommend(device(INT8), limits=tighter).choice is None


def test_unknown_memory_keeps_no_limit_of_memory() -> None:
    unknown = row("tflite-int8", 100_000, memory=None)
    found = recommend(device(unknown), limits=DeviceLimits(memory_bytes=10**9))
    assert found.choice is None
    assert "peak memory is not known, and the limit is 1.00 GB" in why(
        found, found.candidates[0].name
    )
    assert recommend(device(unknown)).choice is not None


def test_the_limits_choose_among_what_keeps_them() -> None:
    found = recommend(device(FP32, INT8, ONNX_INT8), limits=DeviceLimits(size_bytes=1_705_000))
    assert chosen(found) == "tflite-int8 with litert"
    quick_but_large = row("tflite-fp16", 100_000, size=3_000_000)
    found = recommend(device(quick_but_large, INT8), limits=DeviceLimits(size_bytes=2_000_000))
    assert chosen(found) == "tflite-int8 with litert"
    assert why(found, "tflite-fp16 with litert") == (
        "Its size, 3.00 MB, is above the limit of 2.00 MB."
    )


@pytest.mark.parametrize(
    ("excluded", "reason"),
    [
        (row("onnx-int8", 50_000, verdict="FAIL"), "it failed verification"),
        (row("onnx-int8", 50_000, verdict="INCONCLUSIVE"), "its verification was inconclusive"),
        (row("onnx-int8", 50_000, verdict="ERROR"), "it could not be verified"),
        (row("onnx-int8", 50_000, verdict=None), "not verified"),
        (row("onnx-int8", 50_000, accuracy=None), "its accuracy is not known"),
        (row("onnx-int8", None), "not measured"),
        (row("onnx-int8", None, error=ERROR), "not measured: too old"),
    ],
)
def test_only_what_passed_and_was_measured_is_recommended(excluded, reason) -> None:  # type: ignore[no-untyped-def]
    found = recommend(device(excluded, INT8))
    assert chosen(found) == "tflite-int8 with litert"
    assert [(one.row, one.reason) for one in found.left_out] == [(0, reason)]
    alone = recommend(device(excluded))
    assert alone.choice is None
    assert "no artifact that was measured here and passed" in headline(alone)


def test_an_invalid_measurement_recommends_nothing() -> None:
    found = recommend(device(INT8, conditions=conditions("it was throttled.")))
    assert found.choice is None
    assert headline(found) == (
        "Nothing is recommended. The measurement is invalid: it was throttled."
    )


def test_a_device_without_figures_recommends_nothing() -> None:
    found = recommend(device(error=ERROR, machine={}, conditions=None))
    assert headline(found) == "Nothing is recommended. There are no figures: too old."


def test_what_is_slower_than_float32_is_called_out() -> None:
    slow = row("onnx-int8", 900_000, runtime="onnxruntime")
    found = recommend(device(FP32, INT8, ONNX_FP32, slow))
    assert [(one.name, one.reference) for one in found.slower] == [
        ("onnx-int8 with onnxruntime", "onnx-fp32 with onnxruntime")
    ]
    assert warning_sentences(found) == (
        "onnx-int8 with onnxruntime is slower than float32 on this device: it takes 1.70 times as "
        "long as onnx-fp32 with onnxruntime (95 % interval 1.68 to 1.71).",
    )


def test_what_is_faster_than_its_own_float32_but_not_than_the_fastest_is_called_out() -> None:
    old_fp32 = row("tflite-fp32", 1_581_000, runtime="tflite-runtime")
    old_int8 = row("tflite-int8", 724_000, runtime="tflite-runtime")
    found = recommend(device(FP32, INT8, old_fp32, old_int8))
    assert [(one.name, one.reference) for one in found.slower] == [
        ("tflite-int8 with tflite-runtime", "tflite-fp32 with litert")
    ]


def test_it_is_called_out_also_if_it_failed_verification() -> None:
    slow = row("tflite-int16x8", 9_000_000, verdict="FAIL")
    found = recommend(device(FP32, slow))
    assert [one.name for one in found.slower] == ["tflite-int16x8 with litert"]


def test_as_fast_as_float32_is_not_slower() -> None:
    assert recommend(device(FP32, FP16, ONNX_FP32, INT8)).slower == ()


def test_a_tail_above_the_limit_is_a_warning() -> None:
    turns = tuple((100_000,) * 8 + (300_000,) * 2 for _ in range(20))
    tailed = row("tflite-int8", None, by_threads=[threads_of(1, turns=1, runs=1, seed=0)])
    best = dataclasses.replace(tailed.by_threads[0], turns=turns)
    found = recommend(
        device(dataclasses.replace(tailed, by_threads=(best,))),
        limits=DeviceLimits(latency_ns=200_000),
    )
    assert found.choice is not None
    assert warning_sentences(found) == (
        "One in ten runs of tflite-int8 with litert takes 300 µs or longer; the limit of 200 µs is "
        "kept by its median.",
    )


def test_too_few_turns_are_said_and_a_large_difference_still_counts() -> None:
    fast, slow = (
        row(name, None, size=size, by_threads=[threads_of(median, turns=3)])
        for name, median, size in (("tflite-int8", 100_000, 2000), ("tflite-fp32", 300_000, 1000))
    )
    found = recommend(device(fast, slow))
    assert chosen(found) == "tflite-int8 with litert"
    assert "(too few turns for an interval)" in why(found, "tflite-fp32 with litert")
    assert any("fewer than 5 turns" in one for one in warning_sentences(found))


def test_rows_count_with_their_chosen_number_of_threads() -> None:
    both = [threads_of(100_000, threads=1), threads_of(50_000, threads=4)]
    many = row("tflite-int8", None, by_threads=both, chosen=4)
    choice = recommend(device(many)).choice
    assert choice is not None
    assert (choice.threads, choice.median_ns) == (4, 50_000)
    assert headline(recommend(device(many))).startswith("Ship tflite-int8 with litert, 4 threads:")


def test_json_has_the_choice_and_every_reason_in_words() -> None:
    found = recommendation_values(recommend(device(FP32, INT8, row("onnx-int8", None))))
    values = json.loads(json.dumps(found, allow_nan=False))
    assert values["chosen"] == 1
    assert values["headline"].startswith("Ship tflite-int8")
    assert [one["why_not"] is None for one in values["candidates"]] == [False, True]
    assert values["left_out"][0]["reason"] == "not measured"
