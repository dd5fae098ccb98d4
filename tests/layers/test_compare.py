"""Real conversions through the real runtimes."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert import networks
from convert.networks import pixels
from edgecnn.build.artifact import read_artifact, write_artifact
from edgecnn.build.workspace import Workspace
from edgecnn.errors import ArtifactError, ContractError, UsageError
from edgecnn.modelfile.layers import MOST_DB, LayerComparison, compare
from edgecnn.quiet import captured_log
from layers.hard_networks import (
    SECOND,
    SHAPE,
    checkers,
    coarse_weights,
    converted,
    one_wide_channel,
    plain_then_checkered,
    sound,
)

with captured_log():
    import keras
    from keras import layers

pytestmark = pytest.mark.slow  # converts whole networks

ALL = (
    "tflite-fp32", "tflite-fp16", "tflite-int8", "tflite-int16x8", "tflite-int8-dynamic",
    "onnx-fp32", "onnx-fp16", "onnx-int8",
)  # fmt: skip
INT8 = ("tflite-fp32", "tflite-int8", "onnx-fp32", "onnx-int8")
NETWORKS: dict[str, Any] = {
    "plain": networks.plain,
    "residual": networks.residual,
    "grouped": networks.grouped,
    "averaging": networks.averaging,
    "normalized": networks.normalized,
    "leaky": lambda: networks.activated(layers.LeakyReLU(0.1)),
    "swish": lambda: networks.activated(layers.Activation("swish")),
    "relu6": lambda: networks.activated(layers.ReLU(6.0)),
}


def compared(workspace: Workspace, variant: str, count: int = 20) -> LayerComparison:
    extension, _, precision = variant.partition("-")
    files = [workspace.folder / f"net-{one}.{extension}" for one in ("fp32", precision)]
    return compare(files[0], files[1], pixels(count, SHAPE, 9))


def second_of(found: LayerComparison, variant: str) -> int:
    begin = SECOND[variant.partition("-")[0]]
    (place,) = [one.position for one in found.layers if one.name.startswith(begin)]
    return place


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return converted(networks.plain(), tmp_path_factory.mktemp("plain"), ALL)


@pytest.fixture(scope="module")
def sound_net(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return converted(sound(), tmp_path_factory.mktemp("sound"), INT8)


@pytest.fixture(scope="module")
def wide_net(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return converted(one_wide_channel(), tmp_path_factory.mktemp("wide"), INT8)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_of_usual_networks_is_matched_in_order(name: str, tmp_path: Path) -> None:
    workspace = converted(NETWORKS[name](), tmp_path, INT8)
    for variant in ("tflite-int8", "onnx-int8"):
        found = compared(workspace, variant, 5)
        assert found.unmatched == ()
        assert [one.position for one in found.layers] == list(range(len(found.layers)))
        assert len(found.layers) >= 4
        for one in found.layers:
            assert all(place < one.position for place in one.inputs)
            # Random weights are sound weights: a wrong pair would be far below.
            assert one.snr_db > 15, one


def test_every_precision_is_compared_and_ranks_as_its_bits_do(net: Workspace) -> None:
    lowest = {}
    for variant in ALL:
        if variant.endswith("fp32"):
            continue
        found = compared(net, variant)
        assert found.unmatched == (), variant
        lowest[variant] = min(one.snr_db for one in found.layers)
        quantized = [one.saturated is not None for one in found.layers]
        # An integer file stores every tensor so, the others store none.
        assert quantized == [variant in ("tflite-int8", "tflite-int16x8", "onnx-int8")] * len(
            quantized
        )
    assert lowest["tflite-fp16"] > 55
    assert lowest["onnx-fp16"] > 55
    assert lowest["tflite-fp16"] > lowest["tflite-int8-dynamic"] > lowest["tflite-int8"]
    assert lowest["tflite-int8"] == pytest.approx(lowest["onnx-int8"], abs=1.5)


@pytest.mark.parametrize("model_format", ["tflite", "onnx"])
def test_a_file_compared_with_itself_has_no_noise(net: Workspace, model_format: str) -> None:
    found = compared(net, f"{model_format}-fp32")
    assert {one.snr_db for one in found.layers} == {MOST_DB}
    assert {one.weights_db for one in found.layers} <= {None, MOST_DB}


def test_what_an_operator_is_and_reads_is_told(net: Workspace) -> None:
    tflite = compared(net, "tflite-int8").layers
    assert [one.operator for one in tflite] == [
        "CONV_2D", "MAX_POOL_2D", "CONV_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX",
    ]  # fmt: skip
    assert [one.inputs for one in tflite] == [(), (0,), (1,), (2,), (3,), (4,)]
    onnx = compared(net, "onnx-int8").layers
    assert [one.operator for one in onnx] == [
        "Transpose", "Conv", "MaxPool", "Conv", "Reshape", "Gemm", "Softmax",
    ]  # fmt: skip
    assert onnx[1].fused == ("Conv_1",)
    assert onnx[1].name == "Relu_1"
    for one in (*tflite, *onnx):
        assert (one.weights_db is not None) == (
            one.operator in ("CONV_2D", "FULLY_CONNECTED", "Conv", "Gemm")
        )


def test_both_branches_of_a_network_lead_to_where_they_meet(tmp_path: Path) -> None:
    workspace = converted(networks.residual(), tmp_path, INT8)
    for variant, kind in (("tflite-int8", "ADD"), ("onnx-int8", "Add")):
        layers_ = compared(workspace, variant, 3).layers
        # TFLite adds the offset of the normalization, too, to the image alone.
        meeting = [one for one in layers_ if one.operator == kind][-1]
        assert len(meeting.inputs) == 2


def test_onnx_numbers_are_those_of_onnxruntimes_own_tool(net: Workspace) -> None:
    from onnxruntime.quantization.qdq_loss_debug import (
        collect_activations,
        compute_activation_error,
        create_activation_matching,
        modify_model_output_intermediate_tensors,
    )

    images = pixels(20, SHAPE, 9)
    activations = {}
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("fp32", "int8"):
            path = Path(folder) / f"{precision}.onnx"
            path.write_bytes((net.folder / f"net-{precision}.onnx").read_bytes())
            augmented = Path(folder) / f"{precision}-all.onnx"
            modify_model_output_intermediate_tensors(path, augmented)
            reader = ({"image": one[np.newaxis].astype(np.float32)} for one in images)
            activations[precision] = collect_activations(str(augmented), reader)
    pairs = create_activation_matching(activations["int8"], activations["fp32"])
    paired = {name: pair for name, pair in pairs.items() if "float" in pair}
    expected = compute_activation_error(paired)
    found = {one.name: one.snr_db for one in compared(net, "onnx-int8").layers}
    assert found.keys() == expected.keys()
    for name, errors in expected.items():
        # It gives some 300 dB to equal tensors.
        assert found[name] == pytest.approx(min(MOST_DB, errors["xmodel_err"]), abs=1e-3)


@pytest.mark.parametrize("variant", ["tflite-int8", "onnx-int8"])
def test_a_wide_channel_shows_where_it_is_and_not_in_the_control(
    variant: str, wide_net: Workspace, sound_net: Workspace
) -> None:
    control, found = compared(sound_net, variant), compared(wide_net, variant)
    place = second_of(found, variant)
    assert min(one.snr_db for one in control.layers) > 25
    assert min(one.channels_db for one in control.layers) > 20
    wide = found.layers[place]
    assert wide.spread > 300
    assert wide.channels_db < 3
    # The whole tensor hides it: its one channel has the energy. The layer behind does not.
    assert wide.snr_db > 25
    assert found.layers[place + 1].snr_db < 6
    assert wide.storage_channels_db is not None
    assert wide.storage_channels_db < 3
    before = [one for one in found.layers if one.position < place]
    assert min(one.channels_db for one in before) > 25


@pytest.mark.parametrize("variant", ["tflite-int8", "onnx-int8"])
def test_coarse_weights_are_told_from_coarse_activations(variant: str, tmp_path: Path) -> None:
    found = compared(converted(coarse_weights(), tmp_path, INT8), variant)
    hard = found.layers[second_of(found, variant)]
    assert hard.snr_db < 6
    assert hard.storage_db is not None
    assert hard.storage_db > 30
    assert hard.weights_db is not None
    assert hard.weights_db < 3
    others = [one.weights_db for one in found.layers if one.weights_db is not None]
    assert sorted(others)[1] > 30


@pytest.mark.parametrize("variant", ["tflite-int8", "onnx-int8"])
def test_values_that_calibration_never_saw_are_cut_off(variant: str, tmp_path: Path) -> None:
    data = plain_then_checkered()
    workspace = converted(checkers(), tmp_path, INT8, data)
    extension = variant.partition("-")[0]
    files = [workspace.folder / f"net-{one}.{extension}" for one in ("fp32", "int8")]
    found = compare(files[0], files[1], data.test.pixels)
    (first,) = [one for one in found.layers if one.name.startswith("Relu_1")]
    assert first.saturated is not None
    assert first.saturated > 0.2
    assert first.clipped is not None
    assert first.clipped > 0.9
    assert first.snr_db < 10


def test_depthwise_weights_have_their_channels_told_apart(tmp_path: Path) -> None:
    """One channel with large weights must not hide the others, whatever the axis."""
    image = layers.Input(SHAPE)
    hidden = layers.Conv2D(8, 3, padding="same", activation="relu")(
        layers.Rescaling(1 / 255)(image)
    )
    hidden = layers.DepthwiseConv2D(3, padding="same", activation="relu", name="deep")(hidden)
    pooled = layers.GlobalAveragePooling2D()(hidden)
    model = networks.randomized(keras.Model(image, layers.Dense(5, activation="softmax")(pooled)))
    workspace = converted(model, tmp_path, INT8)
    for variant in ("tflite-int8", "onnx-int8"):
        found = compared(workspace, variant, 5)
        # Each channel has a scale of its own, so that all keep what eight bits can keep.
        assert all(one.weights_db > 35 for one in found.layers if one.weights_db is not None)


def test_operators_that_were_left_in_float_are_compared_too(
    wide_net: Workspace, tmp_path: Path
) -> None:
    """As a repair leaves them: the wide channel is not stored in eight bits any more."""
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    from edgecnn.convert.to_onnx import CalibrationImages

    source = read_artifact(wide_net.folder / "net-fp32.onnx")
    with captured_log():
        quantize_static(
            onnx.load_from_string(source.payload),
            tmp_path / "mixed.onnx",
            CalibrationImages(pixels(20, SHAPE, 5)),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=["Conv_2", "Relu_2", "Conv_3"],
        )
    payload = (tmp_path / "mixed.onnx").read_bytes()
    contract = read_artifact(wide_net.folder / "net-int8.onnx").contract
    assert contract is not None
    own = dataclasses.replace(contract, payload_sha256=hashlib.sha256(payload).hexdigest())
    write_artifact(tmp_path / "net-mixed.onnx", payload, own)
    images = pixels(20, SHAPE, 9)
    found = compare(wide_net.folder / "net-fp32.onnx", tmp_path / "net-mixed.onnx", images)
    assert found.unmatched == ()
    by_name = {one.name: one for one in found.layers}
    assert by_name["Conv_2"].saturated is by_name["Relu_2"].saturated is None
    assert by_name["Relu_1"].saturated is not None
    # 0 dB where all is quantized; see above.
    assert by_name["Relu_2"].channels_db > 20
    assert by_name["Relu_3"].snr_db > 20


def test_images_are_counted_as_they_are_done(net: Workspace) -> None:
    for model_format in ("tflite", "onnx"):
        done: list[int] = []
        files = [net.folder / f"net-{one}.{model_format}" for one in ("fp32", "int8")]
        compare(files[0], files[1], pixels(7, SHAPE), advance=done.append)
        assert sum(done) == 7


def test_nothing_is_left_beside_the_files(net: Workspace) -> None:
    before = {path.name: path.read_bytes() for path in net.folder.iterdir()}
    compared(net, "onnx-int8", 2)
    assert {path.name: path.read_bytes() for path in net.folder.iterdir()} == before


def test_files_that_do_not_belong_together_are_refused(net: Workspace, tmp_path: Path) -> None:
    images = pixels(2, SHAPE)
    floats = {one: net.folder / f"net-fp32.{one}" for one in ("tflite", "onnx")}
    with pytest.raises(UsageError, match="name the file of tflite-fp32"):
        compare(floats["onnx"], net.folder / "net-int8.tflite", images)
    with pytest.raises(UsageError, match="name the file of onnx-fp32"):
        compare(net.folder / "net-fp16.onnx", net.folder / "net-int8.onnx", images)
    for wrong in (images[:0], images[:, :5]):
        with pytest.raises(UsageError, match="give images of the model's size"):
            compare(floats["tflite"], net.folder / "net-int8.tflite", wrong)
    foreign = tmp_path / "foreign.tflite"
    foreign.write_bytes(read_artifact(floats["tflite"]).payload)
    with pytest.raises(ContractError, match="edgecnn convert SOURCE"):
        compare(floats["tflite"], foreign, images)
    with pytest.raises(ArtifactError):
        compare(floats["tflite"], tmp_path / "missing.tflite", images)
