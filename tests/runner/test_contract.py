from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn_runner.contract import INPUT_RANGES, Contract, InputSpec, OutputSpec, parse_contract
from edgecnn_runner.errors import ContractError

# Letters of any script, marks and spaces; no control characters and no lone surrogates.
NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
SCALES = st.floats(1e-9, 1e9)
VERSIONS = st.dictionaries(NAMES, NAMES, max_size=3)


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
            range=draw(st.sampled_from([*INPUT_RANGES])),
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
        # A key of the other side is unknown here, and ignored.
        assert json.loads(contract.to_json())[side].get(key, value) == value


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
