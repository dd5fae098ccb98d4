from __future__ import annotations

import pytest

from edgecnn_runner.contract import RESIZE_RULE
from edgecnn_runner.errors import UsageError
from edgecnn_runner.input_options import NOTHING_SAID, Preprocessing, range_options


@pytest.mark.parametrize(
    ("options", "input_range", "resize"),
    [
        ({}, None, None),
        ({"input_range": "-1..1"}, "-1..1", None),
        ({"input_range": "mean 0.3 std 0.2"}, "mean 0.3 std 0.2", None),
        ({"input_mean": "0.3", "input_std": "0.2"}, "mean 0.3 std 0.2", None),
        ({"input_mean": "0", "input_std": "1"}, "0..1", None),
        ({"input_mean": ".5,.5,.5", "input_std": "0.50"}, "-1..1", None),
        (
            {"input_mean": "0.485, 0.456, 0.406", "input_std": "0.229,0.224,0.225"},
            "imagenet",
            None,
        ),
        (
            {"input_mean": "0.4914,0.4822,0.4465", "input_std": "0.2470,0.2435,0.2616"},
            "mean 0.4914,0.4822,0.4465 std 0.247,0.2435,0.2616",
            None,
        ),
        ({"fit": "crop"}, None, RESIZE_RULE),
        ({"fit": "stretch"}, None, "stretch-box-average-1"),
        ({"fit": "pad", "resample": "nearest"}, None, "pad-nearest-1"),
        ({"resample": "bilinear"}, None, "centre-crop-bilinear-1"),
        ({"crop_fraction": "0.875"}, None, "centre-crop-0.875-box-average-1"),
        ({"crop_fraction": "87.5%"}, None, "centre-crop-0.875-box-average-1"),
        ({"crop_fraction": "90 %"}, None, "centre-crop-0.9-box-average-1"),
        ({"crop_fraction": "1"}, None, RESIZE_RULE),
        ({"crop_fraction": "100%"}, None, RESIZE_RULE),
        (
            {"fit": "crop", "crop_fraction": ".9", "resample": "bilinear-antialias"},
            None,
            "centre-crop-0.9-bilinear-antialias-1",
        ),
    ],
)
def test_options_come_to_the_texts_of_a_contract(
    options: dict[str, str], input_range: str | None, resize: str | None
) -> None:
    told = Preprocessing.of_options(**options)
    assert (told.input_range, told.resize) == (input_range, resize)
    assert told.given == tuple(
        option
        for option in (
            "--input-range",
            "--input-mean",
            "--input-std",
            "--fit",
            "--crop-fraction",
            "--resample",
        )
        if option[2:].replace("-", "_") in options
    )


@pytest.mark.parametrize("input_range", ["-1..1", "mean 0.1,0.2,0.3 std 0.25", "mean 0.3 std 1.0"])
def test_a_range_names_the_options_that_ask_for_it(input_range: str) -> None:
    words = range_options(input_range).split()
    options = {
        option[2:].replace("-", "_"): value
        for option, value in zip(words[::2], words[1::2], strict=True)
    }
    assert Preprocessing.of_options(**options).input_range == input_range


def test_which_parts_of_a_rule_were_named() -> None:
    told = Preprocessing.of_options(crop_fraction="0.5", resample="nearest", input_range="0..1")
    assert told.rule_parts == ("fraction", "filter")
    assert NOTHING_SAID.rule_parts == ()
    assert Preprocessing.of_options() == NOTHING_SAID


@pytest.mark.parametrize(
    ("options", "said", "remedy"),
    [
        ({"input_range": "0..2"}, "not a range", "trained on"),
        ({"input_mean": "0.5"}, "without --input-std", "give --input-std"),
        ({"input_std": "0.5"}, "without --input-mean", "give --input-mean"),
        (
            {"input_range": "0..1", "input_mean": "0", "input_std": "1"},
            "two input ranges",
            "leave --input-range out",
        ),
        (
            {"input_mean": "123.675,116.28,103.53", "input_std": "58.395,57.12,57.375"},
            "123.675 looks like one of 0..255: 0.485",
            "--input-mean 0.485,0.456,0.406 --input-std 0.229,0.224,0.225",
        ),
        # Caffe's: a mean of bytes, and nothing divided by.
        (
            {"input_mean": "103.939,116.779,123.68", "input_std": "1"},
            "123.68 looks like one of 0..255",
            "--input-std 0.00392157",
        ),
        ({"input_mean": "1000", "input_std": "1"}, "as torchvision writes them", "0..1"),
        ({"input_mean": "-103", "input_std": "57"}, "as torchvision writes them", "0..1"),
        ({"input_mean": "0.1,0.2", "input_std": "0.2"}, "2 numbers", "0.485,0.456,0.406"),
        ({"input_mean": "0.1", "input_std": "0"}, "std has 0.0", "0.229,0.224,0.225"),
        ({"input_mean": "nan", "input_std": "0.2"}, "mean has nan", "0.485"),
        ({"input_mean": "", "input_std": "0.2"}, "not one number", "point"),
        ({"input_mean": "[0.1]", "input_std": "0.2"}, "not one number", "no brackets"),
        ({"input_mean": "0,485", "input_std": "0.2"}, "as torchvision writes them", "0..1"),
        ({"fit": "squash"}, "--fit is not one", "nearest"),
        ({"resample": "bicubic"}, "--resample is not one", "nearest"),
        ({"crop_fraction": "87.5"}, "87.5 looks like per cent: 0.875", "divided by"),
        ({"crop_fraction": "256"}, "not a share", "divided by"),
        ({"crop_fraction": "0"}, "not a share", "divided by"),
        ({"crop_fraction": "0,875"}, "not a share", "divided by"),
        ({"crop_fraction": "nan"}, "not a share", "divided by"),
        ({"crop_fraction": "0.96552"}, "three decimals", "--crop-fraction 0.965"),
        ({"crop_fraction": "0.0001"}, "three decimals", "--crop-fraction 0.001"),
        ({"crop_fraction": "0.9", "fit": "pad"}, "keeps all of it", "leave one"),
        ({"crop_fraction": "1", "fit": "stretch"}, "keeps all of it", "leave one"),
    ],
)
def test_a_mistake_says_what_was_meant(options: dict[str, str], said: str, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        Preprocessing.of_options(**options)
    assert said in caught.value.problem
    assert remedy in caught.value.remedy
    assert None not in (caught.value.observed, caught.value.expected)


@pytest.mark.parametrize(
    "options",
    [
        {"input_mean": "123.675,116.28,103.53", "input_std": "58.395,57.12,57.375"},
        {"input_mean": "127.5", "input_std": "127.5"},
        {"input_mean": "0.5", "input_std": "64"},
    ],
)
def test_the_remedy_for_numbers_of_bytes_works(options: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        Preprocessing.of_options(**options)
    mean, values, std, deviations = caught.value.remedy.partition(": ")[2].split()
    assert (mean, std) == ("--input-mean", "--input-std")
    told = Preprocessing.of_options(input_mean=values, input_std=deviations)
    assert told.input_range is not None
