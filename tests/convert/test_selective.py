"""Both quantizers, told to leave layers out: what comes out computes as its name says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from keras import layers

from convert.networks import activated, dataset, pixels, plain, residual
from edgecnn.convert.calibration import calibration_of
from edgecnn.convert.graph.deployable import deployable_of
from edgecnn.convert.payload import PayloadMaker
from edgecnn.convert.repair.candidates import Calibrations, OnnxMethods, TfliteMethods
from edgecnn.convert.repair.selective_tflite import RANGES, SelectiveTflite
from edgecnn.convert.to_onnx import Ranges
from edgecnn.convert.to_tflite import to_tflite, with_uint8_ends
from edgecnn.errors import ConversionError
from edgecnn.modelfile import check_integer, read_graph
from edgecnn.modelfile.precision import find_precision

SHAPE = (12, 10, 3)
IMAGES = pixels(12, SHAPE)


def deployable(model: Any) -> Any:
    return deployable_of(model, shape=SHAPE, input_range="0..255")


@pytest.fixture(scope="module")
def selective() -> SelectiveTflite:
    return SelectiveTflite(to_tflite(deployable(residual()), "fp32", None))


def test_leaves_no_layer_out_unless_it_is_told_to(selective: SelectiveTflite) -> None:
    graph = read_graph(with_uint8_ends(selective.quantize(IMAGES)))
    assert find_precision(graph).name == "int8"
    assert find_precision(graph).per_channel
    assert check_integer(graph) == []
    assert [end.dtype for end in (*graph.inputs, *graph.outputs)] == ["uint8", "uint8"]
    assert graph.inputs[0].quantization is not None
    assert graph.inputs[0].quantization.scales == (1.0,), "a pixel is its own integer"


def test_leaves_out_what_it_is_told_and_nothing_else(selective: SelectiveTflite) -> None:
    products = [
        (key, operator.macs)
        for key, operator in zip(selective.keys, selective.graph.operators, strict=True)
        if operator.macs
    ]
    for key, macs in products:
        graph = read_graph(selective.quantize(IMAGES, kept={key}))
        assert find_precision(graph).name == "int8-mixed", key
        assert find_precision(graph).real_macs == macs
        assert [end.dtype for end in (*graph.inputs, *graph.outputs)] == ["float32", "float32"]


def test_a_moving_average_is_narrower_than_the_widest_range(selective: SelectiveTflite) -> None:
    def largest(ranges: str) -> list[float]:
        graph = read_graph(selective.quantize(IMAGES, ranges=ranges))
        return [
            tensor.quantization.scales[0]
            for operator in graph.operators
            if operator.macs
            for tensor in operator.outputs
            if tensor is not None and tensor.quantization is not None
        ]

    widest, average = (largest(ranges) for ranges in RANGES)
    assert len(widest) == len(average) > 3
    assert all(a < w for a, w in zip(average, widest, strict=True))


def test_ends_that_are_not_quantized_are_not_made_uint8(selective: SelectiveTflite) -> None:
    with pytest.raises(ConversionError, match="cannot be made uint8"):
        with_uint8_ends(selective.quantize(IMAGES, kept=selective.keys))


def test_tensors_of_one_name_are_told_apart() -> None:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(
        schema.Model.GetRootAs(to_tflite(deployable(plain()), "fp32", None), 0)
    )
    for tensor in model.subgraphs[0].tensors:
        tensor.name = b"same"
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    alike = SelectiveTflite(bytes(builder.Output()))
    assert len(set(alike.keys)) == len(alike.keys)
    first = next(key for key, op in zip(alike.keys, alike.graph.operators, strict=True) if op.macs)
    graph = read_graph(alike.quantize(IMAGES, kept={first}))
    assert find_precision(graph).real_macs == alike.graph.operators[0].macs


@pytest.fixture(scope="module")
def methods(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    data = dataset(SHAPE)
    first = calibration_of(data, count=9, seed=0)
    payloads = PayloadMaker(deployable(residual()), first.pixels, opset=17, ir_version=8)
    calibrations = Calibrations(data, first)
    folder = tmp_path_factory.mktemp("ranges")
    return {
        "tflite": TfliteMethods(payloads, calibrations),
        "onnx": OnnxMethods(payloads, calibrations, folder),
        "payloads": payloads,
        "folder": folder,
    }


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_every_other_way_gives_a_file_that_is_int8_throughout(
    methods: dict[str, Any], kind: str
) -> None:
    candidates = list(methods[kind].candidates())
    assert len({one.what for one in candidates}) == len(candidates)
    counts = [one.calibration.record["count"] for one in candidates]
    assert counts == [36, *[9] * (len(candidates) - 1)], "the first takes four times as many"
    assert candidates[1].calibration.record["seed"] == 1
    files = []
    for one in candidates:
        payload = methods["payloads"].checked(f"{kind}-int8", one.make(frozenset()))
        assert find_precision(payload.graph).name == "int8", one.what
        files.append(payload.data)
    different = len(set(files))
    assert different >= len(files) - 2, "no way is another under another name"


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_selective_ways_leave_an_activation_out(methods: dict[str, Any], kind: str) -> None:
    layers = methods[kind].layers
    activation = layers.activations[2]
    kept = layers.with_carriers(activation.layers)
    for one in methods[kind].candidates():
        if one.selective:
            payload = methods["payloads"].checked(f"{kind}-int8-mixed", one.make(kept))
            wanted = sum(layers.layers[key].macs for key in kept)
            assert find_precision(payload.graph).real_macs == wanted, one.what


def test_onnx_ranges_are_taken_once_for_all_mixtures(methods: dict[str, Any]) -> None:
    (one,) = [c for c in methods["onnx"].candidates() if c.what.endswith("by entropy")]
    one.make(frozenset())
    (kept_ranges,) = Path(methods["folder"]).glob("*Entropy*.json")
    before = kept_ranges.stat().st_mtime_ns
    one.make(methods["onnx"].layers.activations[2].layers)
    assert kept_ranges.stat().st_mtime_ns == before


@pytest.mark.parametrize(("images", "stride"), [(500, 25), (501, 3), (7, 7), (31, 1)])
def test_histograms_are_taken_of_few_images_at_a_time(images: int, stride: int) -> None:
    assert Ranges(method="Entropy").options(images)["CalibStridedMinMax"] == stride
    assert "CalibStridedMinMax" not in Ranges().options(images)


def test_there_are_no_more_images_than_there_are() -> None:
    data = dataset(SHAPE, train=10)
    whole = calibration_of(data, count=10, seed=0)
    assert Calibrations(data, whole).more() is None
    assert Calibrations(data, whole).others() is None
    part = calibration_of(data, count=5, seed=0)
    assert Calibrations(data, part, only_first=True).more() is None
    assert Calibrations(data, part, only_first=True).others() is None
    more = Calibrations(data, part).more()
    assert more is not None
    assert more.record["count"] == 10


def test_what_a_quantizer_leaves_out_unasked_is_found(tmp_path: Path) -> None:
    """ai-edge-quantizer has no integer leaky ReLU; TensorFlow's converter has one."""
    data = dataset(SHAPE)
    first = calibration_of(data, count=9, seed=0)
    leaky = deployable(activated(layers.LeakyReLU()))
    payloads = PayloadMaker(leaky, first.pixels, opset=17, ir_version=8)
    ways = TfliteMethods(payloads, Calibrations(data, first))
    dense = next(key for key, one in ways.layers.layers.items() if one.macs == 40)
    kept = ways.layers.with_carriers({dense})
    for one in ways.candidates():
        if one.selective:
            graph = payloads.checked("tflite-int8-mixed", one.make(kept)).graph
            found = {ways.layers.layers[key].operator for key in ways.layers.in_float(graph)}
            assert found == {"FULLY_CONNECTED", "SOFTMAX", "LEAKY_RELU"}


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_nothing_else_is_in_float(methods: dict[str, Any], kind: str) -> None:
    layers_of = methods[kind].layers
    for activation in layers_of.activations[1:4]:
        kept = layers_of.with_carriers(activation.layers)
        one = next(way for way in methods[kind].candidates() if way.selective)
        graph = methods["payloads"].checked(f"{kind}-int8-mixed", one.make(kept)).graph
        extra = layers_of.in_float(graph) - kept
        assert all(layers_of.layers[key].macs == 0 for key in extra)
        assert kept - layers_of.in_float(graph) == frozenset()
