"""Load a float model and make sure it is an image classifier that can be converted.

Loading third-party formats may fail in any way a library likes; every failure leaves this module
as a ``SourceModelError`` that says what was found and what a convertible model looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from edgecnn.convert.graph.constants import Frozen, producer
from edgecnn.convert.graph.deployable import frozen_call
from edgecnn.convert.reasons import reason_of
from edgecnn.convert.source.heads import Head, head_of, units_of
from edgecnn.convert.source.keras2 import (
    Keras2Model,
    has_keras_2,
    has_optimized_layers,
    install_command,
)
from edgecnn.convert.source.keras_model import (
    KerasModel,
    OfKeras2Error,
    is_of_keras_3,
    last_activation,
    read_architecture,
    read_keras_3_architecture,
    read_keras_model,
    version_to_show,
)
from edgecnn.convert.source.keras_safety import check_self_contained, more_than_data
from edgecnn.convert.source.normalization import Normalization, normalization_of
from edgecnn.convert.source.onnx_model import OnnxSource
from edgecnn.convert.source.paths import Source
from edgecnn.convert.source.pytorch import TORCHVISION
from edgecnn.convert.source.saved_model import harmless_saved_model
from edgecnn.errors import EdgeError, SourceModelError, UsageError, some_of
from edgecnn.log import has_read
from edgecnn.quiet import captured_log
from edgecnn_runner.contract import INPUT_RANGES
from edgecnn_runner.input_options import range_options

_WANTED: Final = (
    "one image input, float32 or uint8 (batch, height, width, 1 or 3 channels), and one output "
    "of scores (batch, classes)"
)
_NOT_A_CLASSIFIER: Final = "convert an image classifier with " + _WANTED
_RAW: Final = "0..255"
_FLOATS: Final = ("float32", "float16", "bfloat16", "float64")
_OF_PYTORCH: Final = f"; torchvision's weights and most of timm's want {TORCHVISION}"
# Of an image for a model that takes any size, to look at its first operators.
_ANY_SIDE: Final = 224
# What may follow the last activation of a graph.
_PASSING: Final = frozenset({"Cast", "Identity", "Reshape", "Squeeze"})


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceModel:
    """A loaded float model.

    Attributes:
        call: The model as its own framework runs it, in its own precision: a batch, float32
            (n, height, width, channels) in ``input_range``, to scores, float32 (n, classes).
        call_is_traceable: Whether TensorFlow can make a graph of ``call``; another process answers
            where it cannot.
        float32: What is converted: the same model in TensorFlow; ``call`` itself where that is.
        frozen: ``float32`` as one graph of raw pixels, not brought to ``input_range``, of the size
            that it takes, or of 224 pixels where it takes any; None where it could not be had.
        loaded_in_float32: Whether ``float32`` was loaded in that precision, where the model
            computes in another.
        computes: The coarsest type that ``call`` computes in: ``float32``, ``float64``,
            ``float16`` or ``bfloat16``.
        height: None if the model takes any.
        width: None if the model takes any.
        channels: 1 or 3.
        head: How its scores are read; ``call`` and ``float32`` answer with one for each class.
        batch: The one batch size it takes; None for any.
        input_range: What pixels have to be brought to before ``call``.
        normalization: The arithmetic at its start; None if there is none.
        range_told: Whether the model itself tells its range, by its normalization or its type.
        keras_2: Version of the Keras 2 that answers for it; None where that is not Keras 2.
        owner: What keeps the weights alive: a SavedModel's function does not.
        onnx: The ONNX network that it is; None for a model of TensorFlow. Then ``float32`` is
            ``call``, and what is converted is made by ``onnx_networks``.
    """

    call: Callable[[Any], Any]
    float32: Callable[[Any], Any]
    computes: str
    height: int | None
    width: int | None
    channels: int
    head: Head
    batch: int | None
    input_range: str
    normalization: Normalization | None = None
    range_told: bool = False
    loaded_in_float32: bool = False
    call_is_traceable: bool = True
    keras_2: str | None = None
    owner: object = None
    onnx: OnnxSource | None = None
    frozen: Frozen | None = None

    def frozen_for(self, shape: tuple[int, int, int]) -> Frozen | None:
        """Return ``frozen`` if it is for images of a shape (height, width, channels)."""
        size = (self.height or _ANY_SIDE, self.width or _ANY_SIDE, self.channels)
        return self.frozen if size == shape else None

    @property
    def classes(self) -> int:
        """Number of scores, at least 2."""
        return self.head.classes

    @property
    def output_kind(self) -> str | None:
        """What its scores are, as its last activation says; None if it has to be measured."""
        return self.head.kind

    @property
    def normalizes(self) -> bool:
        """Whether the model itself tells that it is fed raw pixels."""
        return self.range_told and self.input_range == _RAW


def load_source(source: Source, *, otherwise: str | None = None) -> SourceModel:
    """Load a source.

    Args:
        source: What ``find_source`` found.
        otherwise: The range of a model that does not tell it, where the source names none; None
            to ask for it.

    Returns:
        The model.

    Raises:
        SourceModelError: If it cannot be loaded, holds code, is not an image classifier, or has
            weights that are not numbers.
        UsageError: If an input range is missing, or the model's own arithmetic contradicts it.
    """
    has_read(source.path)
    with captured_log():
        if source.kind == "saved_model":
            return _load_saved_model(source, otherwise)
        if source.kind == "onnx":
            return _load_onnx(source, otherwise)
        if source.kind == "json":
            return _load_architecture(source, otherwise)
        try:
            return _of_keras_3(source, read_keras_model(source.path, source.kind), otherwise)
        except OfKeras2Error as error:
            return _load_keras_2(source, otherwise, error)


def _load_onnx(source: Source, otherwise: str | None) -> SourceModel:
    """Load an ONNX network, which ONNX Runtime answers for."""
    loaded = OnnxSource.load(source.path)
    input_range, told = _range_of(
        source.path, source.input_range, loaded.normalization, loaded.dtype, otherwise, _OF_PYTORCH
    )

    def call(images: Any) -> Any:
        return loaded.scores(np.asarray(images, np.float32))

    return SourceModel(
        call=call,
        float32=call,
        call_is_traceable=False,
        computes=loaded.computes,
        height=loaded.height,
        width=loaded.width,
        channels=loaded.channels,
        head=loaded.head,
        batch=None,  # it takes images apart itself, where it takes one at a time
        input_range=input_range,
        normalization=loaded.normalization,
        range_told=told,
        owner=loaded,
        onnx=loaded,
    )


def _load_architecture(source: Source, otherwise: str | None) -> SourceModel:
    """Load an architecture with its weights: by the Keras that wrote it."""
    config = read_architecture(source.path)
    assert source.weights is not None  # noqa: S101 - find_source refuses one without
    check_self_contained(source.weights)
    if is_of_keras_3(config):
        loaded = read_keras_3_architecture(source.path, config, source.weights)
        return _of_keras_3(source, loaded, otherwise)
    version = version_to_show(config.get("keras_version", ""))
    reason = "an architecture as JSON, with weights in a file of their own"
    return _load_keras_2(source, otherwise, OfKeras2Error(source.path, version, reason, config))


def _load_keras_2(source: Source, otherwise: str | None, why: OfKeras2Error) -> SourceModel:
    """Load a model by Keras 2, in a process that also answers for it.

    Raises:
        SourceModelError: If Keras 2 is not installed, cannot load it, or would run more than its
            layers.
    """
    written = f"Keras {why.version}" if why.version.startswith("2.") else "Keras 2"
    if not has_keras_2():
        raise SourceModelError(
            f"{source.path} is a model of {written}, which Keras {keras.__version__} cannot load",
            observed=why.reason,
            expected="Keras 2 (the package tf-keras) beside this TensorFlow, for such files",
            remedy=f"{install_command(optimized=has_optimized_layers(why.config))}; and convert it "
            "again",
        )
    unsafe = more_than_data(why.config)
    if unsafe is not None:
        raise SourceModelError(
            f"{source.path} does more than compute: Keras 2 would run {unsafe}",
            observed=unsafe,
            expected="layers of Keras that compute",
            remedy="replace it by Keras layers, and save the model again",
        )
    loaded = Keras2Model(source.path, source.kind, source.weights)
    exported = replace(source, path=loaded.folder)
    try:
        model = _load_saved_model(
            exported, otherwise, named=source.path, activation=loaded.activation
        )
    except BaseException:
        loaded.close()
        raise
    return replace(
        model,
        call=lambda images: model.head.scores(
            loaded.scores(np.asarray(images, np.float32)), len(images)
        ),
        call_is_traceable=False,
        keras_2=loaded.version,
        owner=(model.owner, loaded),
    )


def _of_keras_3(source: Source, loaded: KerasModel, otherwise: str | None) -> SourceModel:
    height, width, channels, batch, dtype = _input_of(loaded.model.inputs)
    shapes = [_shape_of(output) for output in loaded.model.outputs]
    units = units_of(shapes)
    activation = last_activation(loaded.config)
    call = _fed(lambda images: _single(loaded.model(images, training=False)), dtype)
    float32 = call
    if loaded.float32 is not loaded.model:
        kind = dtype if dtype == "uint8" else "float32"
        float32 = _fed(lambda images: _single(loaded.float32(images, training=False)), kind)
    normalization, computes, frozen = _start_of(float32, (height, width, channels))
    head = head_of(units, activation or _last_operator(frozen))
    input_range, told = _range_of(source.path, source.input_range, normalization, dtype, otherwise)
    one = head.traced(call, len(shapes[0]))
    return SourceModel(
        call=one,
        float32=one if float32 is call else head.traced(float32, len(shapes[0])),
        # Operators may compute in half precision whatever their layers' policy says.
        computes=computes if loaded.computes == "float32" else loaded.computes,
        height=height,
        width=width,
        channels=channels,
        head=head,
        batch=batch,
        input_range=input_range,
        normalization=normalization,
        range_told=told,
        loaded_in_float32=loaded.float32 is not loaded.model,
        frozen=frozen if one is call else None,
    )


def _load_saved_model(
    source: Source,
    otherwise: str | None,
    *,
    named: Path | None = None,
    activation: str | None = None,
) -> SourceModel:
    """Load a SavedModel; ``named`` and ``activation`` are of the file that it was made of."""
    try:
        with harmless_saved_model(source.path) as folder:
            loaded = tf.saved_model.load(str(folder))
        signatures = dict(loaded.signatures)
    except EdgeError:
        raise
    except Exception as error:
        raise SourceModelError(
            f"TensorFlow cannot load the SavedModel {source.path}",
            observed=reason_of(error),
            expected="a SavedModel as model.export(...) writes it",
            remedy="copy or export it again: model.export('folder')",
        ) from error
    if "serving_default" in signatures:
        signature = signatures["serving_default"]
    elif len(signatures) == 1:
        signature = next(iter(signatures.values()))
    else:
        raise SourceModelError(
            f"the SavedModel {source.path} does not say which function classifies",
            observed=f"signatures {some_of(sorted(signatures)) or 'none'}",
            expected="the signature serving_default, or exactly one",
            remedy="export it again with model.export('folder'), or name one serving_default",
        )
    inputs = signature.structured_input_signature[1]
    outputs = signature.structured_outputs
    height, width, channels, batch, dtype = _input_of(list(inputs.values()))
    shapes = [_shape_of(output) for output in outputs.values()]
    units = units_of(shapes)
    input_name, output_name = next(iter(inputs)), next(iter(outputs))

    call = _fed(lambda images: signature(**{input_name: images})[output_name], dtype)
    normalization, computes, frozen = _start_of(call, (height, width, channels))
    head = head_of(units, activation or _last_operator(frozen))
    if activation is None and head.kind == "probabilities" and units > 1:
        # A graph may end with a softmax over something else than the classes: its sums tell.
        head = replace(head, kind=None)
    input_range, told = _range_of(
        named or source.path, source.input_range, normalization, dtype, otherwise
    )
    scores = head.traced(call, len(shapes[0]))
    return SourceModel(
        call=scores,
        float32=scores,
        computes=computes,
        height=height,
        width=width,
        channels=channels,
        head=head,
        batch=batch,
        input_range=input_range,
        normalization=normalization,
        range_told=told,
        owner=loaded,
        frozen=frozen if scores is call else None,
    )


def _single(answer: Any) -> Any:
    """Return the one tensor of an answer: a model may give it in a dictionary or a list."""
    while isinstance(answer, (Mapping, list, tuple)):
        (answer,) = answer.values() if isinstance(answer, Mapping) else answer
    return answer


def _fed(call: Callable[[Any], Any], dtype: str) -> Callable[[Any], Any]:
    """Return a model's call with float32 images and scores, whatever the model's own types are."""

    def fed(images: Any) -> Any:
        scores = call(images if dtype == "float32" else tf.cast(images, dtype))
        return scores if scores.dtype == tf.float32 else tf.cast(scores, tf.float32)

    return fed


def _start_of(
    call: Callable[[Any], Any], shape: tuple[int | None, int | None, int]
) -> tuple[Normalization | None, str, Frozen | None]:
    """Read from its graph what a model does to an image first, and the type that it computes in.

    Returns:
        Both, and the graph, as ``SourceModel`` has it.
    """
    height, width, channels = shape
    size = (height or _ANY_SIDE, width or _ANY_SIDE, channels)
    try:
        frozen = frozen_call(call, shape=size, input_range=_RAW)
    except SourceModelError:
        # It cannot be converted at this size, or at all; the conversion says so, and why.
        return None, "float32", None
    return normalization_of(frozen.graph_def, frozen.output), frozen.computes, frozen


def _last_operator(frozen: Frozen | None) -> str | None:
    """Return the operator that makes a graph's scores, but for their type and shape."""
    if frozen is None:
        return None
    nodes = {node.name: node for node in frozen.graph_def.node}
    node = nodes.get(producer(frozen.output))
    while node is not None and node.op in _PASSING:
        node = nodes.get(producer(node.input[0]))
    return None if node is None else str(node.op)


def _shape_of(end: Any) -> tuple[int | None, ...]:
    shape = end.shape
    if isinstance(shape, tf.TensorShape):
        return () if shape.rank is None else tuple(shape.as_list())
    return tuple(shape)


def _input_of(inputs: list[Any]) -> tuple[int | None, int | None, int, int | None, str]:
    """Return height, width, channels, batch and type of a model's one image input."""
    shapes = [_shape_of(entry) for entry in inputs]
    types = [getattr(entry.dtype, "name", entry.dtype) for entry in inputs]
    observed = some_of(f"{kind} {shape}" for kind, shape in zip(types, shapes, strict=True))
    if (
        len(inputs) != 1
        or len(shapes[0]) != 4
        or shapes[0][3] not in (1, 3)
        or types[0] not in (*_FLOATS, "uint8")
    ):
        raise SourceModelError(
            "the model does not take one NHWC image",
            observed=f"input {observed}" if inputs else "no input",
            expected=_WANTED,
            remedy=_NOT_A_CLASSIFIER,
        )
    batch, height, width, channels = shapes[0]
    assert channels is not None  # noqa: S101 - 1 or 3, as was just seen
    if batch not in (None, 1):
        raise SourceModelError(
            "the model takes images in batches of a fixed number",
            observed=f"input {observed}",
            expected="a batch of any size, or of 1",
            remedy="save it with an input of any batch size",
        )
    return height, width, channels, batch, types[0]


def _range_of(
    path: Path,
    given: str | None,
    normalization: Normalization | None,
    dtype: str,
    otherwise: str | None,
    hint: str = "",
) -> tuple[str, bool]:
    """Settle the input range; return it, and whether the model itself tells it.

    Raises:
        UsageError: If the range that was given cannot be, or none was given and none is told.
    """
    meaning = None if normalization is None else normalization.meaning
    if dtype == "uint8":
        meaning = _RAW
    if dtype == "uint8" and given not in (None, _RAW):
        raise UsageError(
            "the model takes bytes, and a range makes other numbers of them",
            observed=f"{range_options(given)}, and an input of the type uint8",
            expected="--input-range 0..255, or none",
            remedy="leave --input-range out",
        )
    if given is not None:
        # Where no range fits, as with images that are normalized twice, the values contradict none
        # in favour of another; what was said is all that is known then.
        if (
            normalization is not None
            and normalization.contradicts(given)
            and _fits_any(normalization)
        ):
            raise UsageError(
                "the range does not fit what the model does to an image first",
                observed=f"{range_options(given)}, and a model that begins with {normalization}: "
                f"the layers behind it would be fed {normalization.result(given)}",
                expected=_fitting(normalization),
                remedy=f"--input-range {meaning}, or leave it out"
                if meaning
                else "name the range that the model was trained on",
            )
        return given, meaning == given
    if meaning is not None:
        return meaning, True
    if otherwise is not None and (normalization is None or normalization.fits(otherwise)):
        return otherwise, False
    raise UsageError(
        f"{path} does not say what range of values it wants",
        observed="no arithmetic on pixels at its start"
        if normalization is None
        else f"it begins with {normalization}, which fits {_fitting(normalization)}",
        expected=f"--input-range {_listed(INPUT_RANGES)}; or --input-mean and --input-std",
        remedy="name the range it was trained on (0..255 if it normalizes further inside)" + hint,
    )


def _fits_any(normalization: Normalization) -> bool:
    return any(normalization.fits(name) for name in INPUT_RANGES)


def _fitting(normalization: Normalization) -> str:
    names = [name for name in INPUT_RANGES if normalization.fits(name)]
    return _listed(names) if names else "none of the usual ranges"


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
