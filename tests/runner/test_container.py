from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

import pytest

from edgecnn_runner.errors import ArtifactError, ContractError, EdgeError
from edgecnn_runner.formats.container import append_contract, read_container, split_container
from edgecnn_runner.formats.container_tflite import CONTRACT_ENTRY, LABELS_ENTRY
from runner.fixture_files import FIXTURES, OURS, contract_for, needs_onnx


@pytest.mark.parametrize("name", OURS)
def test_taking_a_file_apart_and_together_gives_its_bytes(name: str) -> None:
    container = read_container(FIXTURES / name)
    assert container.format == name.rpartition(".")[2]
    assert container.contract is not None
    again = append_contract(container.payload, container.contract, model_format=container.format)
    assert again == (FIXTURES / name).read_bytes()


def test_a_foreign_file_has_no_contract_and_is_all_payload() -> None:
    for name in ("foreign-int8.tflite", "foreign-nchw.onnx"):
        container = read_container(FIXTURES / name)
        assert container.contract is None
        assert container.payload == container.data


def test_zip_tools_see_the_contract_and_the_labels() -> None:
    with zipfile.ZipFile(FIXTURES / "rgb-int8.tflite") as archive:
        assert archive.namelist() == [CONTRACT_ENTRY, LABELS_ENTRY]
        assert archive.read(LABELS_ENTRY) == b"class 0\nclass 1\nclass 2\nclass 3\n"


@needs_onnx
def test_onnxruntime_sees_the_contract() -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        FIXTURES / "rgb-int8.onnx", providers=["CPUExecutionProvider"]
    )
    contract = read_container(FIXTURES / "rgb-int8.onnx").contract
    assert contract is not None
    found = session.get_modelmeta().custom_metadata_map["edgecnn_contract"]
    assert found == contract.to_json()


@pytest.mark.parametrize("name", ["rgb-int8.tflite", "rgb-int8.onnx"])
def test_no_flipped_bit_changes_what_is_read(name: str) -> None:
    data = (FIXTURES / name).read_bytes()
    whole = split_container(data, name=name)
    refused = 0
    # All of the contract; of the model, which one digest covers, a sample.
    positions = [*range(0, whole.payload_size, 97), *range(whole.payload_size, len(data))]
    for position in positions:
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        try:
            found = split_container(bytes(changed), name=name)
        except EdgeError:
            refused += 1
        else:
            # Dates and attributes in the archive mean nothing; all that means something is same.
            assert (found.contract, found.payload) == (whole.contract, whole.payload)
    assert refused > 0.8 * len(positions)


@pytest.mark.parametrize("name", ["rgb-int8.tflite", "rgb-int8.onnx"])
def test_a_cut_file_never_keeps_its_contract(name: str) -> None:
    data = (FIXTURES / name).read_bytes()
    for end in range(0, len(data), 7):
        try:
            found = split_container(data[:end], name=name)
        except EdgeError:
            continue
        assert found.contract is None


def test_a_changed_model_is_told_from_its_contract() -> None:
    data = bytearray((FIXTURES / "rgb-int8.tflite").read_bytes())
    data[2000] ^= 1
    with pytest.raises(ArtifactError, match="copy the file again") as caught:
        split_container(bytes(data), name="it")
    assert "sha256" in str(caught.value.observed)


def test_a_contract_is_not_appended_to_another_model() -> None:
    payload = read_container(FIXTURES / "foreign-int8.tflite").payload
    with pytest.raises(ContractError, match="another model"):
        append_contract(payload + b"x", contract_for(payload), model_format="tflite")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"TFL3",
        b"PK\x03\x04" + b"\0" * 40,
        b"<html></html>",
        b"\x89PNG\r\n\x1a\n",
        b"\xff" * 99,
    ],
    ids=["empty", "one byte", "four bytes", "a ZIP", "a web page", "a PNG", "ones"],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    with pytest.raises(ArtifactError) as caught:
        read_container(path)
    assert str(path) in caught.value.problem
    assert f"{len(data)} bytes" in str(caught.value.observed)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.onnx", tmp_path):
        with pytest.raises(ArtifactError, match="check the path"):
            read_container(path)


def test_a_cut_onnx_file_is_told_by_its_size(tmp_path: Path) -> None:
    data = (FIXTURES / "foreign-nchw.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(data[:-100])
    with pytest.raises(ArtifactError, match="damaged or truncated ONNX file") as caught:
        read_container(path)
    observed = str(caught.value.observed)
    assert re.fullmatch(
        rf"a field that ends at byte \d+; the file has {path.stat().st_size} bytes", observed
    )
    path.write_bytes(b"\x08\x08" + b"\x12\x04text")
    with pytest.raises(ArtifactError, match="holds no graph"):
        read_container(path)


def test_a_damaged_archive_is_told_by_what_is_wrong_with_it() -> None:
    data = (FIXTURES / "rgb-int8.tflite").read_bytes()
    at = data.index(b"class 2\n")  # in labels.txt, whose checksum the directory holds
    for changed, why in (
        (data[:at] + b"class 9" + data[at + 7 :], "labels.txt has a wrong checksum"),
        (data[: data.rindex(b"PK\x05\x06")], "its directory is missing"),
    ):
        with pytest.raises(ContractError, match="the archive behind the model in it") as caught:
            split_container(changed, name="it")
        assert caught.value.observed == why


def test_a_file_beyond_the_formats_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.tflite"
    with path.open("wb") as file:
        file.truncate((2 << 30) + 1)
    with pytest.raises(ArtifactError, match="too large"):
        read_container(path)


def test_a_hand_edited_label_is_refused() -> None:
    for name in ("rgb-int8.tflite", "rgb-int8.onnx"):
        data = (FIXTURES / name).read_bytes()
        at = data.index(b'"class 2"')
        with pytest.raises(ContractError):
            split_container(data[:at] + b'"class 9"' + data[at + 9 :], name=name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_regular_file_is_refused_unread(tmp_path: Path) -> None:
    pipe = tmp_path / "model.tflite"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(ArtifactError, match="not a regular file"):
            read_container(path)
