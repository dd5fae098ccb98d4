"""What ``edgecnn inspect`` knows about a file, and how it is shown."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import external_data_helper, helper
from rich.console import Console

from edgecnn.cli.inspect import render_inspection
from edgecnn.commands.inspect import Inspection, OperatorRow, TensorRow, inspect_file
from edgecnn.errors import ArtifactError, ContractError
from edgecnn_runner.contract import Contract, InputSpec, OutputSpec
from edgecnn_runner.formats.container import append_contract
from graph.onnx_files import end, float_cnn, model, qdq_cnn
from graph.tflite_files import File, Part, Step, float_dense, integer_cnn


def inspect_bytes(folder: Path, data: bytes) -> Inspection:
    path = folder / "model.bin"
    path.write_bytes(data)
    return inspect_file(path)


def with_contract(payload: bytes) -> bytes:
    contract = Contract(
        model="tiny",
        variant="tflite-int8",
        labels=("ant", "bee", "cat", "dog", "eel"),
        input=InputSpec(height=8, width=8, channels=3, dtype="uint8"),
        output=OutputSpec(dtype="uint8", scale=1 / 256),
        payload_sha256=hashlib.sha256(payload).hexdigest(),
        source_sha256="f" * 64,
        calibration_sha256="c" * 64,
        created_by={"edgecnn": "0.1.0"},
    )
    return append_contract(payload, contract, model_format="tflite")


def shown(inspection: Inspection, width: int = 80) -> str:
    console = Console(width=width, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(render_inspection(inspection))
    return capture.get()


def test_tells_what_an_artifact_is(tmp_path: Path) -> None:
    payload = integer_cnn().data()
    data = with_contract(payload)
    found = inspect_bytes(tmp_path, data)
    assert (found.format, found.precision, found.per_channel) == ("tflite", "int8", True)
    assert (found.file_bytes, found.payload_bytes) == (len(data), len(payload))
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.contract is not None
    assert len(found.contract.labels) == 5
    assert found.inputs == (
        TensorRow(name="image", shape=(1, 8, 8, 3), dtype="uint8", scale=1.0, zero_point=0),
    )
    assert found.hints == ()
    assert found.runtimes == {"tflite-runtime 2.14.0": None}


def test_groups_operators_with_the_costliest_first(tmp_path: Path) -> None:
    found = inspect_bytes(tmp_path, integer_cnn().data())
    assert found.operators[:3] == (
        OperatorRow(name="CONV_2D", count=1, versions=(3,), macs=6912),
        OperatorRow(name="FULLY_CONNECTED", count=1, versions=(4,), macs=320),
        OperatorRow(name="QUANTIZE", count=2, versions=(1,), macs=0),
    )


@pytest.mark.parametrize(
    "data",
    [
        integer_cnn().data(),
        with_contract(integer_cnn().data()),
        float_cnn().SerializeToString(),
        qdq_cnn().SerializeToString(),
    ],
    ids=["tflite", "artifact", "onnx", "qdq"],
)
def test_everything_is_json(tmp_path: Path, data: bytes) -> None:
    found = inspect_bytes(tmp_path, data)
    back = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert back["macs"] == found.macs
    assert (back["contract"] is None) == (found.contract is None)
    if found.contract is not None:
        assert back["contract"]["labels"] == ["ant", "bee", "cat", "dog", "eel"]


def test_a_file_made_elsewhere_is_said_to_need_labels(tmp_path: Path) -> None:
    found = inspect_bytes(tmp_path, float_cnn().SerializeToString())
    assert found.hints == (
        "no contract inside: edgecnn run needs --labels and --input-range for this file",
    )


def test_a_file_that_the_runner_refuses_is_said_to_be_one(tmp_path: Path) -> None:
    batch, open_size = float_cnn(), float_cnn()
    batch.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 8
    open_size.graph.input[0].type.tensor_type.shape.dim[1].Clear()
    for made, words in ((batch, "not one image: (8, 8, 8, 3)"), (open_size, "(1, any, 8, 3)")):
        said = hints(tmp_path, made.SerializeToString())
        assert "edgecnn run cannot run it: its input is" in said
        assert words in said
        assert "--labels" not in said


@pytest.mark.parametrize(
    ("name", "said"),
    [("sigmoid-int8.tflite", True), ("sigmoid.tflite", True), ("foreign-int8.tflite", False)],
)
def test_scores_of_a_sigmoid_are_said_to_need_an_option(name: str, said: bool) -> None:
    found = inspect_file(Path(__file__).parent / "runner" / "fixtures" / name)
    assert ("--output-kind" in "\n".join(found.hints)) is said


def test_a_file_without_outputs_is_no_classifier_and_no_crash(tmp_path: Path) -> None:
    made = float_cnn()
    made.graph.input[0].type.tensor_type.ClearField("shape")
    made.graph.ClearField("output")
    assert "0 outputs: an image classifier has one" in hints(tmp_path, made.SerializeToString())


def test_weights_in_other_files_are_said_to_be_there(tmp_path: Path) -> None:
    made = float_cnn()
    kernel = made.graph.initializer[0]
    external_data_helper.set_external_data(kernel, location="m.bin")
    kernel.ClearField("raw_data")
    assert "1 of its weights are in other files" in hints(tmp_path, made.SerializeToString())


def hints(folder: Path, data: bytes) -> str:
    return "\n".join(inspect_bytes(folder, data).hints)


def test_hints_at_open_and_large_batches(tmp_path: Path) -> None:
    file = float_dense()
    file.parts[0].signature = (-1, 3)
    assert "the input's batch size is open" in hints(tmp_path, file.data())
    made = float_cnn()
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 8
    assert "it takes 8 images at a time" in hints(tmp_path, made.SerializeToString())


def test_hints_at_float_ends_of_an_integer_file(tmp_path: Path) -> None:
    file = integer_cnn()
    file.parts[0].dtype, file.parts[0].scales = "float32", []
    assert "int8 inside, but its input is float32" in hints(tmp_path, file.data())


def test_hints_at_operators_a_small_runtime_lacks(tmp_path: Path) -> None:
    parts = [Part("x", (1, 2)), Part("y", (1, 2))]
    flex = File(parts, [Step("CUSTOM", ["x"], ["y"], custom="FlexErf")], ["x"], ["y"])
    assert "Flex delegate, which small runtimes lack: FlexErf" in hints(tmp_path, flex.data())
    made = model(
        [helper.make_node("Erode", ["x"], ["y"], domain="mine")], [end("x", [1])], [end("y", [1])]
    )
    assert "outside the format" in hints(tmp_path, made.SerializeToString())


def test_hints_at_weights_that_are_not_numbers(tmp_path: Path) -> None:
    file = float_dense(np.full((2, 3), np.nan, np.float32))
    assert "NaN or infinity in w" in hints(tmp_path, file.data())


def test_hints_at_several_ends(tmp_path: Path) -> None:
    file = float_dense()
    file.outputs = ["y", "y"]
    assert "2 outputs: an image classifier has one" in hints(tmp_path, file.data())


def test_names_the_real_operators_of_a_partly_integer_file(tmp_path: Path) -> None:
    made = qdq_cnn()
    made.graph.node[11].input[1] = "real"
    made.graph.initializer.append(helper.make_tensor("real", 1, [144, 2], np.ones(288)))
    found = inspect_bytes(tmp_path, made.SerializeToString())
    assert found.precision == "int8-mixed"
    assert found.float_operators == ("MatMul (operator 11)",)
    assert any("with real numbers: MatMul (operator 11)" in hint for hint in found.hints)


def test_a_runtime_that_cannot_load_it_is_shown_with_the_reason(tmp_path: Path) -> None:
    file = float_dense()
    file.steps[0].version = 12
    found = inspect_bytes(tmp_path, file.data())
    reason = found.runtimes["tflite-runtime 2.14.0"]
    assert reason is not None
    assert "FULLY_CONNECTED version 12" in reason
    assert "does not load it" in shown(found)


def test_the_table_names_what_matters_within_80_columns(tmp_path: Path) -> None:
    text = shown(inspect_bytes(tmp_path, with_contract(integer_cnn().data())))
    for words in (
        "int8, weights per channel",
        "7,232",
        "437 (428 int8, 9 int32)",
        "TensorFlow 1.14.0 or newer",
        "1 x 8 x 8 x 3",
        "(value - 0) * 0.00390625",
        "CONV_2D",
        "95.6 %",
        "5: ant, bee, cat, dog, eel",
        "tflite-runtime 2.14.0  loads it",
    ):
        assert words in text
    assert max(map(len, text.splitlines())) <= 80


def test_names_in_a_file_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    file = float_dense()
    evil = "\x1b]0;gotcha\x07[bold red]x[/]\u202e"
    file.parts[0].name, file.inputs = evil, [evil]
    file.steps[0].inputs = [evil, "w", ""]
    found = inspect_bytes(tmp_path, file.data())
    assert found.inputs[0].name == evil
    text = shown(found)
    assert not any(char in text for char in "\x1b\x07\u202e")
    assert "[bold red]x[/]" in text


def test_long_names_and_many_operators_stay_readable(tmp_path: Path) -> None:
    parts = [Part("x" * 500, (1, 2))]
    parts += [Part(f"t{index}", (1, 2)) for index in range(100)]
    names = [part.name for part in parts]
    steps = [
        Step("CUSTOM", [names[index]], [names[index + 1]], custom=f"Mine{index:03}")
        for index in range(100)
    ]
    text = shown(inspect_bytes(tmp_path, File(parts, steps, names[:1], names[-1:]).data()))
    assert "60 more types" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_damaged_contract_is_an_error_of_its_own(tmp_path: Path) -> None:
    data = bytearray(with_contract(integer_cnn().data()))
    data[data.index(b'"labels"')] ^= 1
    with pytest.raises(ContractError):
        inspect_bytes(tmp_path, bytes(data))


def test_a_damaged_model_under_a_contract_is_refused(tmp_path: Path) -> None:
    data = bytearray(with_contract(integer_cnn().data()))
    data[100] ^= 1
    with pytest.raises(ArtifactError, match="damaged"):
        inspect_bytes(tmp_path, bytes(data))


def test_no_runtime_and_no_tensorflow_is_imported(tmp_path: Path) -> None:
    tflite, onnx = tmp_path / "m.tflite", tmp_path / "m.onnx"
    tflite.write_bytes(integer_cnn().data())
    onnx.write_bytes(float_cnn().SerializeToString())
    code = (
        "import sys; from edgecnn.commands.inspect import inspect_file\n"
        "inspect_file(sys.argv[1]); assert 'onnx' not in sys.modules\n"
        "inspect_file(sys.argv[2])\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'tensorflow', 'keras', 'ai_edge_litert', 'onnxruntime', 'flatbuffers', 'tf2onnx'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tflite), str(onnx)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.strip() == "[]", result.stderr
