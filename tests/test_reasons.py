"""Reasons hold the sentence that helps, and nothing of the logs around it.

The texts are what TensorFlow 2.21, tf2onnx 1.17, Keras 3.15 and onnxruntime 1.32 said.
"""

from __future__ import annotations

import pytest

from edgecnn.convert.reasons import reason_of, sentences

TFLITE_LOG = """\
Please consider providing the trackable_obj argument in the from_concrete_functions. Providing \
without the trackable_obj argument is deprecated and it will use the deprecated conversion path.
I0000 00:00:1796127224.713748   28106 devices.cc:67] Number of eligible GPUs (core count >= 8, \
compute capability >= 0.0): 0
I0000 00:00:1796127224.720621   28106 single_machine.cc:376] Starting new session
W0000 00:00:1796127224.918011   28106 tf_tfl_flatbuffer_helpers.cc:364] Ignored output_format.
loc(fused["FFT2D:", "FFT2D_1"]): error: 'tf.FFT2D' op is neither a custom op nor a flex op
error: failed while converting: 'main':\x20
Some ops are not supported by the native TFLite runtime, you can enable TF kernels fallback using \
TF Select. See instructions: https://www.tensorflow.org/lite/guide/ops_select\x20
TF Select ops: FFT2D
Details:
\ttf.FFT2D(tensor<1x3x12x10xcomplex<f32>>) -> (tensor<1x3x12x10xcomplex<f32>>) : {device = ""}

"""
TFLITE_ERROR = """\
Could not translate MLIR to FlatBuffer.<unknown>:0: error: loc(fused["FFT2D:", "FFT2D_1"]): \
'tf.FFT2D' op is neither a custom op nor a flex op
<unknown>:0: note: loc(fused["FFT2D:", "FFT2D_1"]): see current operation: %4 = "tf.FFT2D"(%3) \
{device = ""} : (tensor<1x3x12x10xcomplex<f32>>) -> tensor<1x3x12x10xcomplex<f32>>
<unknown>:0: note: loc(fused["FFT2D:", "FFT2D_1"]): Error code: ERROR_NEEDS_FLEX_OPS
<unknown>:0: error: failed while converting: 'main':\x20
<unknown>:0: note: see current operation:\x20
"func.func"() <{function_type = (tensor<1x12x10x3xf32>) -> tensor<1x3xf32>, sym_name = "main"}> ({
^bb0(%arg0: tensor<1x12x10x3xf32>):
  %0 = "arith.constant"() <{value = dense<[0, 3, 1, 2]> : tensor<4xi32>}> : () -> tensor<4xi32>
  "func.return"(%7) : (tensor<1x3xf32>) -> ()
}) {tf.entry_function = {control_outputs = "", inputs = "image"}} : () -> ()

"""
TF2ONNX_LOG = """\
I0000 00:00:1796127222.803453   28106 devices.cc:67] Number of eligible GPUs (core count >= 8, \
compute capability >= 0.0): 0
I0000 00:00:1796127222.809791   28106 single_machine.cc:376] Starting new session
Tensorflow op [PartitionedCall/Erfinv_1: Erfinv] is not supported
Unsupported ops: Counter({'Erfinv': 1})
"""
TF2ONNX_ERROR = """\
No Op registered for Erfinv with domain_version of 17

==> Context: Bad node spec for node. Name: Erfinv_1 OpType: Erfinv"""
EAGER = """\
Graph execution error:

Detected at node Relu_1 defined at (most recent call last):
<stack traces unavailable>
Fused conv implementation does not support grouped convolutions for now.
\t [[{{node Relu_1}}]] [Op:__inference_imported_612]"""
KERAS = """\
Exception encountered when calling Dense.call().

\x1b[1mMatrix size-incompatible: In[0]: [1,48], In[1]: [40,5] [Op:MatMul] name: \x1b[0m

Arguments received by Dense.call():
  • inputs=<tf.Tensor: shape=(1, 48), dtype=float32, numpy=array([[0., 1.]])>
  • training=None"""


@pytest.mark.parametrize(
    ("error", "log", "said"),
    [
        (
            TFLITE_ERROR,
            TFLITE_LOG,
            "'tf.FFT2D' op is neither a custom op nor a flex op; TF Select ops: FFT2D",
        ),
        (TFLITE_ERROR, "", "'tf.FFT2D' op is neither a custom op nor a flex op"),
        (
            TF2ONNX_ERROR,
            TF2ONNX_LOG,
            "Tensorflow op [PartitionedCall/Erfinv_1: Erfinv] is not supported; "
            "No Op registered for Erfinv with domain_version of 17",
        ),
        (EAGER, "", "Fused conv implementation does not support grouped convolutions for now"),
        (
            "Quantization to 16x8-bit not yet supported for op: 'SIN'.\n",
            TFLITE_LOG.partition("loc(")[0],
            "Quantization to 16x8-bit not yet supported for op: 'SIN'",
        ),
    ],
    ids=["tflite", "tflite without log", "tf2onnx", "eager", "quantizer"],
)
def test_the_sentence_that_helps_is_all_that_is_left(error: str, log: str, said: str) -> None:
    assert reason_of(RuntimeError(error), log) == said


def test_a_layers_error_ends_before_its_arguments() -> None:
    assert sentences(KERAS) == [
        "Exception encountered when calling Dense.call().",
        "Matrix size-incompatible: In[0]: [1,48], In[1]: [40,5]",
    ]


def test_an_error_that_was_logged_is_kept_without_its_prefix() -> None:
    log = (
        "2026-05-01 10:11:12.131415: E tensorflow/core/framework/node.cc:12] no such kernel\n"
        "E0000 00:00:1796127222.803453   28106 kernel.cc:67] out of memory\n"
        "2026-05-01 10:11:12.131415: I tensorflow/core/common_runtime/a.cc:12] hello\n"
        "ERROR:tf2onnx.tfonnx:rewriter failed\n"
        "WARNING:absl:Importing a function with ops with unsaved custom gradients\n"
        "2026-05-01 10:11:12,345 - ERROR - Failed to convert node 'x'\n"
    )
    assert sentences(log) == [
        "no such kernel", "out of memory", "rewriter failed", "Failed to convert node 'x'",
    ]  # fmt: skip


def test_nothing_said_is_the_exceptions_class() -> None:
    assert reason_of(ValueError()) == "ValueError"
    assert reason_of(ValueError(), TFLITE_LOG.partition("loc(")[0]) == "ValueError"


def test_a_bare_key_is_told_with_its_class() -> None:
    assert reason_of(KeyError("new_shape__69")) == "KeyError: 'new_shape__69'"


def test_addresses_and_control_characters_are_gone() -> None:
    text = "cannot call <keras.Layer object at 0x7f5ad029c0d0> \x1b[31mnow\x07\x1b[0m"
    assert sentences(text) == ["cannot call <keras.Layer object> now"]


def test_long_reasons_are_not_cut_and_dumps_are() -> None:
    names = [f"operator number {index} of the network is not supported" for index in range(20)]
    assert reason_of(ValueError("\n".join(names))) == "; ".join(names)
    assert len(reason_of(ValueError("x y " * 5000))) <= 500
    many = reason_of(ValueError("\n".join(f"line {index} " + "x y" * 50 for index in range(999))))
    assert len(many) < 2600
    assert many.endswith("lines more")


def test_keras_names_the_reason_behind_a_configuration_that_is_left_out() -> None:
    error = TypeError(
        "Error when deserializing class 'DepthwiseConv2D' using config={'name': 'dw', 'groups': 1}."
        "\n\nException encountered: Unrecognized keyword arguments passed to DepthwiseConv2D: "
        "{'groups': 1}"
    )
    assert reason_of(error) == (
        "Error when deserializing class 'DepthwiseConv2D'; Exception encountered: Unrecognized "
        "keyword arguments passed to DepthwiseConv2D: {'groups': 1}"
    )
