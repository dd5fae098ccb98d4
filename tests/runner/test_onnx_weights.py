"""Weights outside the file: a runtime would read whatever lies in the current folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgecnn_runner.classifier import Classifier
from edgecnn_runner.contract import InputSpec, OutputSpec
from edgecnn_runner.errors import ArtifactError
from edgecnn_runner.foreign import foreign_contract, open_foreign
from edgecnn_runner.formats.container import append_contract
from edgecnn_runner.formats.onnx_weights import MESSAGES, check_weights_inside
from edgecnn_runner.formats.protobuf import encode_field
from edgecnn_runner.runtimes.backend_onnx import OnnxBackend
from edgecnn_runner.runtimes.probe import probe
from edgecnn_runner.session import Session
from runner.fixture_files import FIXTURES, RGB_LABELS, contract_for, needs_onnx

REMEDY = r"store it as one file: onnx\.save"
EXTERNAL = ["external.onnx", "external-nested.onnx"]
"""An initializer, and a Constant in the branches of an If, in ``weights.bin``."""

# An EXTERNAL data_location, and an entry of external_data: location = w.bin.
LOCATION = b"\x70\x01"
ENTRY = encode_field(13, encode_field(1, b"location") + encode_field(2, b"w.bin"))

# Where ONNX can keep a tensor: the numbers of the fields that lead there.
PLACES = {
    "initializer": (7, 5),
    "sparse initializer, values": (7, 15, 1),
    "sparse initializer, indices": (7, 15, 2),
    "Constant": (7, 1, 5, 5),
    "list of tensors": (7, 1, 5, 10),
    "sparse Constant": (7, 1, 5, 22, 1),
    "list of sparse tensors": (7, 1, 5, 23, 2),
    "initializer of a subgraph": (7, 1, 5, 6, 5),
    "Constant of a subgraph's subgraph": (7, 1, 5, 6, 1, 5, 6, 1, 5, 5),
    "list of subgraphs": (7, 1, 5, 11, 5),
    "Constant of a function": (25, 7, 5, 5),
    "default of a function's attribute": (25, 11, 5),
    "initialization of a training": (20, 1, 5),
    "algorithm of a training": (20, 2, 1, 5, 5),
}


def at(place: tuple[int, ...], body: bytes) -> bytes:
    """A model with a tensor at a place."""
    for number in reversed(place):
        body = encode_field(number, body)
    return b"\x08\x08" + body


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two folders with other weights in each, and one without any."""
    made = [tmp_path / name for name in ("one", "two", "none")]
    for seed, folder in enumerate(made):
        folder.mkdir()
        if folder.name != "none":
            weights = np.random.default_rng(seed).normal(size=(12, 4)).astype("<f4")
            (folder / "weights.bin").write_bytes(weights.tobytes())
    return made


@needs_onnx
@pytest.mark.parametrize("name", EXTERNAL)
def test_a_runtime_alone_answers_by_where_it_is_run(
    name: str, folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    answers: list[npt.NDArray[Any]] = []
    for folder in folders[:2]:
        monkeypatch.chdir(folder)
        session = onnxruntime.InferenceSession(
            (FIXTURES / name).read_bytes(), providers=["CPUExecutionProvider"]
        )
        answers += session.run(None, {"image": np.ones((1, 2, 2, 3), np.float32)})
    assert np.abs(answers[0] - answers[1]).max() > 0.1


@needs_onnx
@pytest.mark.parametrize("name", EXTERNAL)
def test_a_foreign_file_is_refused_from_every_folder(
    name: str, folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in folders:
        monkeypatch.chdir(folder)
        with pytest.raises(ArtifactError, match=REMEDY) as caught:
            Classifier(FIXTURES / name, labels=RGB_LABELS, input_range="0..1")
        assert caught.value.observed == "tensor 'w' in 'weights.bin'"


@needs_onnx
def test_a_foreign_file_is_refused_by_every_entrance(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folders[0])
    path = FIXTURES / "external.onnx"
    contract = foreign_contract(FIXTURES / "foreign-nchw.onnx", RGB_LABELS, "0..1")
    for call in (
        lambda: foreign_contract(path, RGB_LABELS, "0..1"),
        lambda: Session.open(path, contract=contract),
        lambda: probe(path, path.read_bytes(), "onnxruntime"),
    ):
        with pytest.raises(ArtifactError, match=REMEDY):
            call()


@needs_onnx
@pytest.mark.parametrize("name", EXTERNAL)
def test_a_file_with_a_contract_is_refused_from_every_folder(
    name: str, folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = (FIXTURES / name).read_bytes()
    contract = contract_for(
        payload, input=InputSpec(height=2, width=2, channels=3), output=OutputSpec()
    )
    path = tmp_path / name
    path.write_bytes(append_contract(payload, contract, model_format="onnx"))
    for folder in folders:
        monkeypatch.chdir(folder)
        with pytest.raises(ArtifactError, match=REMEDY):
            Session.open(path)


@needs_onnx
def test_the_remedy_makes_a_file_that_runs(folders: list[Path], tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    source = folders[0] / "external.onnx"
    source.write_bytes((FIXTURES / "external.onnx").read_bytes())
    whole = tmp_path / "whole.onnx"
    onnx.save(onnx.load(source), whole, save_as_external_data=False)
    with open_foreign(whole, labels=RGB_LABELS, input_range="0..1") as session:
        assert session.scores(np.zeros((2, 2, 3), np.uint8)).shape == (4,)


def test_the_runtime_is_not_even_imported() -> None:
    # Here, too, where it is not installed.
    with pytest.raises(ArtifactError, match=REMEDY):
        OnnxBackend((FIXTURES / "external.onnx").read_bytes(), threads=1, min_runtime={})


@pytest.mark.parametrize("tensor", [LOCATION, ENTRY], ids=["location", "entry"])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_tensor_elsewhere_is_found_wherever_it_is_named(
    place: tuple[int, ...], tensor: bytes
) -> None:
    with pytest.raises(ArtifactError, match=REMEDY):
        check_weights_inside(at(place, tensor))
    inside = b"\x70\x00" + encode_field(9, LOCATION + ENTRY)  # as values, they mean nothing
    check_weights_inside(at(place, inside))


@pytest.mark.parametrize(
    "location",
    [
        b"\x70\x81\x80\x00",
        b"\xf0\x80\x00\x01",
        b"\x70\x81\x80\x80\x80\x10",
        LOCATION + b"\x70\x00",
        b"\x70\x02",
    ],
    ids=["padded value", "padded number", "more than 32 bits", "said twice", "unknown"],
)
def test_unusual_spellings_of_the_location_are_found(location: bytes) -> None:
    with pytest.raises(ArtifactError, match=REMEDY):
        check_weights_inside(at((7, 5), location))


def test_every_field_that_can_lead_to_a_tensor_is_followed() -> None:
    onnx = pytest.importorskip("onnx")
    pending = ["ModelProto"]
    found: dict[str, dict[int, str]] = {"TensorProto": {}}
    while pending:
        name = pending.pop()
        if name not in found:
            inner = {
                field.number: field.message_type.name
                for field in getattr(onnx, name).DESCRIPTOR.fields
                if field.message_type and hasattr(onnx, field.message_type.name)
            }
            found[name] = inner
            pending += inner.values()
    # Those that lead to none, and then those that lead only to such.
    while empty := {name for name, inner in found.items() if not inner} - {"TensorProto"}:
        found = {
            name: {number: to for number, to in inner.items() if to not in empty}
            for name, inner in found.items()
            if name not in empty
        }
    del found["TensorProto"]
    assert found == MESSAGES


def test_names_are_shown_without_what_a_terminal_would_obey() -> None:
    entry = encode_field(13, encode_field(1, b"location") + encode_field(2, b"\x1b[2J\xff" * 99))
    with pytest.raises(ArtifactError) as caught:
        check_weights_inside(at((7, 5), encode_field(8, b"a\nb") + entry))
    observed = str(caught.value.observed)
    assert observed.isprintable()
    assert observed.isascii()
    assert len(observed) < 300


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.onnx")), ids=lambda path: path.name)
def test_files_that_are_whole_pass(path: Path) -> None:
    if path.name not in EXTERNAL:
        check_weights_inside(path.read_bytes())


@pytest.mark.parametrize(
    "damaged", [at((7, 5), b"\x70"), at((7, 1), b"\x2a\x7f"), at((25, 7), b"\x0b"), b"\x3a\x03abc"]
)
def test_what_cannot_be_followed_is_refused(damaged: bytes) -> None:
    with pytest.raises(ArtifactError, match="copy the file again"):
        check_weights_inside(damaged)


def test_deep_nesting_ends_in_an_answer() -> None:
    deep = (7, *(1, 5, 6) * 3_000, 5)
    with pytest.raises(ArtifactError, match=REMEDY):
        check_weights_inside(at(deep, LOCATION))
