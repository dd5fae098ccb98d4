from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn_runner.contract import (
    FILTERS,
    FITS,
    INPUT_RANGES,
    RESIZE_RULE,
    Contract,
    InputSpec,
    OutputSpec,
    ResizeRule,
    affine_of,
    is_range,
    mean_std_range,
    parse_contract,
    parse_resize,
    resize_name,
)
from edgecnn_runner.errors import ContractError

# Letters of any script, marks and spaces; no control characters and no lone surrogates.
NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
SCALES = st.floats(1e-9, 1e9)
VERSIONS = st.dictionaries(NAMES, NAMES, max_size=3)
MEANS = st.lists(st.floats(0, 1), min_size=1, max_size=1) | st.lists(
    st.floats(0, 1), min_size=3, max_size=3
)
STDS = st.lists(st.floats(1e-4, 1), min_size=1, max_size=1) | st.lists(
    st.floats(1e-4, 1), min_size=3, max_size=3
)
RANGES = st.sampled_from([*INPUT_RANGES]) | st.builds(mean_std_range, MEANS, STDS)
RESIZES = st.builds(
    lambda fit, thousandths, name: resize_name(
        fit, thousandths / 1000 if fit == "crop" else 1.0, name
    ),
    st.sampled_from(FITS),
    st.integers(1, 1000),
    st.sampled_from([*FILTERS]),
)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    dtypes = st.sampled_from(["uint8", "int8", "float32"])
    return Contract(
        model=draw(NAMES),
        variant=draw(NAMES),
        labels=tuple(draw(st.lists(NAMES, min_size=2, max_size=6, unique=True))),
        input=InputSpec(
            height=draw(st.integers(1, 16384)),
            width=draw(st.integers(1, 16384)),
            channels=draw(st.sampled_from([1, 3])),
            dtype=draw(dtypes),
            range=draw(RANGES),
            layout=draw(st.sampled_from(["NHWC", "NCHW"])),
            scale=draw(SCALES),
            zero_point=draw(st.integers(-128, 255)),
        ),
        output=OutputSpec(
            dtype=draw(dtypes),
            kind=draw(st.sampled_from(["probabilities", "logits"])),
            scale=draw(SCALES),
            zero_point=draw(st.integers(-128, 255)),
        ),
        resize=draw(RESIZES),
        payload_sha256=draw(NAMES),
        source_sha256=draw(NAMES),
        calibration_sha256=draw(st.none() | NAMES),
        min_runtime=draw(VERSIONS),
        created_by=draw(VERSIONS),
        float_layers=draw(VERSIONS),
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)

PLAIN = Contract(
    model="m",
    variant="tflite-int8",
    labels=("a", "b"),
    input=InputSpec(height=2, width=3, channels=3),
    output=OutputSpec(),
)


@given(contracts())
@settings(deadline=None)
def test_survives_its_json(contract: Contract) -> None:
    assert parse_contract(contract.to_json()) == contract
    assert parse_contract(contract.to_json().encode()).to_json() == contract.to_json()


@given(st.sampled_from([*json.loads(PLAIN.to_json())]), JSON)
@settings(deadline=None)
def test_any_value_in_any_field_is_read_or_refused(key: str, value: Any) -> None:
    raw = {**json.loads(PLAIN.to_json()), key: value}
    try:
        contract = parse_contract(json.dumps(raw))
    except ContractError:
        pass
    else:
        written = json.loads(contract.to_json())[key]
        # In the input and the output, what is left out has a default.
        assert key in ("input", "output") or written == value


@given(st.sampled_from(["input", "output"]), st.sampled_from([*vars(PLAIN.input)]), JSON)
@settings(deadline=None)
def test_any_value_in_any_input_or_output_field_is_read_or_refused(
    side: str, key: str, value: Any
) -> None:
    raw = json.loads(PLAIN.to_json())
    raw[side][key] = value
    try:
        contract = parse_contract(json.dumps(raw))
    except ContractError:
        pass
    else:
        # A key of the other side is unknown here, and ignored. One of two lists: NaN is no equal of
        # itself.
        assert [json.loads(contract.to_json())[side].get(key, value)] == [value]


@given(st.binary(max_size=60) | st.text(max_size=60))
@settings(deadline=None)
def test_what_is_no_contract_is_refused(data: bytes | str) -> None:
    with pytest.raises(ContractError):
        parse_contract(data)


def test_unknown_keys_are_ignored() -> None:
    raw = json.loads(PLAIN.to_json())
    raw["later"] = raw["input"]["later"] = 1
    assert parse_contract(json.dumps(raw)) == PLAIN


@pytest.mark.parametrize("key", ["labels", "input", "output", "model", "variant", "version"])
def test_a_missing_key_is_refused(key: str) -> None:
    raw = json.loads(PLAIN.to_json())
    del raw[key]
    with pytest.raises(ContractError):
        parse_contract(json.dumps(raw))


def test_a_later_version_is_refused_with_the_fix() -> None:
    raw = {**json.loads(PLAIN.to_json()), "version": 2}
    with pytest.raises(ContractError, match="install the edgecnn-runner"):
        parse_contract(json.dumps(raw))


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ContractError) as caught:
        replace(
            PLAIN,
            labels=("a", ""),
            input=InputSpec(height=0, width=3, channels=2, dtype="int16", range="0..2"),
            output=OutputSpec(kind="guesses", scale=0.0),
        )
    for part in ("height", "channels", "dtype", "range", "kind", "output.scale", "label"):
        assert part in str(caught.value)


@pytest.mark.parametrize("label", ["", "two\nlines", "bell\a", "\x1b[31mred", "\ud800", "\x85"])
def test_labels_that_cannot_be_shown_in_a_line_are_refused(label: str) -> None:
    with pytest.raises(ContractError, match="label"):
        replace(PLAIN, labels=("a", label))


@pytest.mark.parametrize("label", ["cat", "köttur", "猫", "a b", "\u00a0", "🐈"])
def test_labels_of_any_script_are_fine(label: str) -> None:
    assert replace(PLAIN, labels=("a", label)).labels[1] == label


def test_deeply_nested_json_is_refused() -> None:
    with pytest.raises(ContractError, match="not JSON"):
        parse_contract("[" * 100_000)


def test_labels_that_repeat_are_refused() -> None:
    with pytest.raises(ContractError, match="same label: b, c"):
        replace(PLAIN, labels=("a", "b", "c", "c", "b"))


@pytest.mark.parametrize("channels", [True, 1.0, 3.0])
def test_channels_are_whole_numbers(channels: Any) -> None:
    with pytest.raises(ContractError, match=r"input\.channels"):
        replace(PLAIN, input=InputSpec(height=2, width=3, channels=channels))


@pytest.mark.parametrize("version", [True, 1.0])
def test_the_version_is_a_whole_number(version: Any) -> None:
    with pytest.raises(ContractError, match="version"):
        replace(PLAIN, version=version)


def test_layers_in_float_are_in_the_json_only_where_there_are_any() -> None:
    """A file without them is byte for byte what it was before there were such files."""
    assert "float_layers" not in PLAIN.to_json()
    some = replace(PLAIN, float_layers={"Conv_3": "Conv: 3.1 dB of signal to noise"})
    assert parse_contract(some.to_json()).float_layers == some.float_layers
    with pytest.raises(ContractError, match="float_layers is not a table of texts"):
        replace(PLAIN, float_layers={"Conv_3": 3.1})  # type: ignore[dict-item]


def test_a_range_of_mean_and_deviation_feeds_what_torchvision_does() -> None:
    mean, std = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.201)
    text = mean_std_range(mean, std)
    assert text == "mean 0.4914,0.4822,0.4465 std 0.2023,0.1994,0.201"
    scale, offset = affine_of(text)
    for channel in range(3):
        for pixel in (0, 1, 128, 255):
            wanted = (pixel / 255 - mean[channel]) / std[channel]
            assert pixel * scale[channel] + offset[channel] == pytest.approx(wanted, abs=1e-12)


@given(RANGES)
@settings(deadline=None)
def test_every_range_says_what_is_fed(text: str) -> None:
    assert is_range(text)
    scale, offset = affine_of(text)
    assert len(scale) == len(offset)
    assert len(scale) in (1, 3)


@pytest.mark.parametrize(
    ("mean", "std", "name"),
    [
        ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "imagenet"),
        ((0.5,), (0.5, 0.5, 0.5), "-1..1"),
        ((0,), (1,), "0..1"),
        ((0.0,), (1 / 255,), "0..255"),
        ((0.3, 0.3, 0.3), (0.2,), "mean 0.3 std 0.2"),
        ((0.1, 0.2, 0.3), (0.25,), "mean 0.1,0.2,0.3 std 0.25"),
    ],
)
def test_a_range_has_one_name(mean: tuple[float, ...], std: tuple[float, ...], name: str) -> None:
    """So that files for older runners keep theirs, and digests of equal ranges are equal."""
    assert mean_std_range(mean, std) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0..2",
        "mean 0.5",
        "mean 0.1,0.2 std 0.5",
        "mean 0.1 std 0",
        "mean 0.1 std 0.00001",
        "mean 123.675 std 58.395",
        "mean nan std 0.2",
        "mean 0.1 std inf",
        "mean -0.1 std 0.2",
        "mean 0.10 std 0.2",
        "mean 0.1  std 0.2",
        "mean 0.1 std 0.2\n",
        "mean 0.5 std 0.5",
        "mean 0.485,0.456,0.406 std 0.229,0.224,0.225",
        "mean \u0661 std 0.2",
        None,
        ["0..1"],
    ],
)
def test_what_is_no_range_is_none(text: Any) -> None:
    assert not is_range(text)
    with pytest.raises(ContractError, match=r"input\.range"):
        replace(PLAIN, input=InputSpec(height=2, width=3, channels=3, range=text))


@pytest.mark.parametrize(
    ("mean", "std", "said"),
    [
        ((0.1, 0.2), (0.2,), "mean has 2 numbers"),
        ((), (0.2,), "mean has 0 numbers"),
        ((0.1,), (0.2,) * 4, "std has 4 numbers"),
        ((123.675,), (0.2,), "mean has 123.675"),
        ((0.1,), (0.0,), "std has 0.0"),
        ((float("nan"),), (0.2,), "mean has nan"),
        ((0.1,), (True,), "std has True"),
    ],
)
def test_a_mean_and_a_deviation_that_cannot_be_are_refused(
    mean: tuple[float, ...], std: tuple[float, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        mean_std_range(mean, std)


@given(RESIZES)
@settings(deadline=None)
def test_the_name_of_a_resize_rule_says_it_all(name: str) -> None:
    rule = parse_resize(name)
    assert rule.name == name
    assert resize_name(rule.fit, rule.fraction / 1000, rule.filter) == name


def test_names_of_resize_rules() -> None:
    assert resize_name() == RESIZE_RULE
    assert resize_name("crop", 0.875, "bilinear-antialias") == (
        "centre-crop-0.875-bilinear-antialias-1"
    )
    assert resize_name("stretch", 1, "nearest") == "stretch-nearest-1"
    assert resize_name("pad", 1.0, "bilinear") == "pad-bilinear-1"
    assert parse_resize("centre-crop-0.05-box-average-1") == ResizeRule(
        fit="crop", fraction=50, filter="box"
    )
    assert parse_resize("centre-crop-0.875-nearest-1").options == (
        "--fit crop --crop-fraction 0.875 --resample nearest"
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "centre-crop-box-average-2",
        "centre-crop-box-1",
        "centre-crop-1-box-average-1",
        "centre-crop-0.0-box-average-1",
        "centre-crop-0.50-box-average-1",
        "centre-crop-0.8755-box-average-1",
        "crop-nearest-1",
        "stretch-0.875-nearest-1",
        "pad-bicubic-1",
        "stretch-nearest-1\n",
        None,
        5,
    ],
)
def test_a_resize_rule_that_is_not_known_is_refused(name: Any) -> None:
    with pytest.raises(ContractError, match="resize"):
        replace(PLAIN, resize=name)


@pytest.mark.parametrize(
    ("fit", "fraction", "resample", "said"),
    [
        ("squash", 1.0, "box", "fit is 'squash'"),
        ("crop", 1.0, "bicubic", "resample is 'bicubic'"),
        ("crop", 0.0, "box", "crop_fraction is 0.0"),
        ("crop", 1.5, "box", "crop_fraction is 1.5"),
        ("crop", float("nan"), "box", "crop_fraction is nan"),
        ("crop", 0.0001, "box", "three decimals"),
        ("crop", 0.8755, "box", "three decimals"),
        ("pad", 0.875, "box", "nothing is cropped"),
    ],
)
def test_a_resize_rule_that_cannot_be_is_refused(
    fit: str, fraction: float, resample: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        resize_name(fit, fraction, resample)
