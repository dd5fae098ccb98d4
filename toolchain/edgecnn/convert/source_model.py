"""Load a float model and make sure it is an image classifier that can be converted.

Loading third-party formats may fail in any way a library likes; every failure leaves this module
as a ``SourceModelError`` that says what was found and what a convertible model looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import tensorflow as tf

from edgecnn.convert.arithmetic import wants_raw_pixels
from edgecnn.convert.deployable import frozen_call
from edgecnn.convert.keras_model import first_lines, read_keras_model
from edgecnn.convert.preprocessing import last_activation, preprocesses
from edgecnn.convert.side_effects import check_saved_model
from edgecnn.convert.sources import Source
from edgecnn.errors import SourceModelError, UsageError
from edgecnn.quiet import captured_log

__all__ = ["SourceModel", "load_source"]

_WANTED: Final = (
    "one image input, float32 or uint8 (batch, height, width, 1 or 3 channels), and one output "
    "of scores (batch, classes)"
)
_NOT_A_CLASSIFIER: Final = "convert an image classifier with " + _WANTED
_RAW: Final = "0..255"
# Of an image for a model that takes any size, to look at its first operators.
_ANY_SIDE: Final = 224


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceModel:
    """A loaded float model.

    Attributes:
        call: Scores of a batch: float32 (n, height, width, channels) in ``input_range`` to
            float32 (n, classes).
        height: None if the model takes any.
        width: None if the model takes any.
        channels: 1 or 3.
        classes: Number of scores, at least 2.
        batch: The one batch size it takes; None for any.
        output_kind: ``probabilities`` if its last activation says so; None if it has to be
            measured.
        input_range: What pixels have to be brought to before ``call``.
        owner: What keeps the weights alive: a SavedModel's function does not.
    """

    call: Callable[[Any], Any]
    height: int | None
    width: int | None
    channels: int
    classes: int
    batch: int | None
    output_kind: str | None
    input_range: str
    owner: object = None


def load_source(source: Source) -> SourceModel:
    """Load a source.

    Args:
        source: See ``sources.find_source``.

    Returns:
        The model.

    Raises:
        SourceModelError: If it cannot be loaded, holds code, is not an image classifier, or has
            weights that are not numbers.
        UsageError: If an input range is missing, or given to a model that has its own.
    """
    with captured_log():
        if source.kind == "saved_model":
            return _load_saved_model(source)
        return _load_keras(source)


def _load_keras(source: Source) -> SourceModel:
    model, config = read_keras_model(source.path, source.kind)
    height, width, channels, batch, dtype = _input_of(model.inputs)
    activation = last_activation(config)
    classes = _classes_of([_shape_of(output) for output in model.outputs])
    if activation == "sigmoid":
        raise SourceModelError(
            "the model's last activation is a sigmoid: it answers each label by itself",
            observed="sigmoid",
            expected="a softmax, or logits, over classes of which one is right",
            remedy="convert a single-label classifier",
        )
    return SourceModel(
        call=_fed(lambda images: _single(model(images, training=False)), dtype),
        height=height,
        width=width,
        channels=channels,
        classes=classes,
        batch=batch,
        output_kind="probabilities" if activation == "softmax" else None,
        input_range=_range_of(
            source, own="preprocessing layers" if preprocesses(config) else None, dtype=dtype
        ),
    )


def _load_saved_model(source: Source) -> SourceModel:
    check_saved_model(source.path)
    try:
        loaded = tf.saved_model.load(str(source.path))
        signatures = dict(loaded.signatures)
    except Exception as error:
        raise SourceModelError(
            f"TensorFlow cannot load the SavedModel {source.path}",
            observed=first_lines(error),
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
            observed=f"signatures {', '.join(sorted(signatures)) or 'none'}",
            expected="the signature serving_default, or exactly one",
            remedy="export it again with model.export('folder'), or name one serving_default",
        )
    inputs = signature.structured_input_signature[1]
    outputs = signature.structured_outputs
    height, width, channels, batch, dtype = _input_of(list(inputs.values()))
    classes = _classes_of([_shape_of(output) for output in outputs.values()])
    input_name, output_name = next(iter(inputs)), next(iter(outputs))

    call = _fed(lambda images: signature(**{input_name: images})[output_name], dtype)
    own = _normalizes(call, (height or _ANY_SIDE, width or _ANY_SIDE, channels))
    return SourceModel(
        call=call,
        height=height,
        width=width,
        channels=channels,
        classes=classes,
        batch=batch,
        output_kind=None,
        input_range=_range_of(source, own="arithmetic at its start" if own else None, dtype=dtype),
        owner=loaded,
    )


def _single(answer: Any) -> Any:
    """Return the one tensor of an answer: a model may give it in a dictionary or a list."""
    while isinstance(answer, (Mapping, list, tuple)):
        (answer,) = answer.values() if isinstance(answer, Mapping) else answer
    return answer


def _fed(call: Callable[[Any], Any], dtype: str) -> Callable[[Any], Any]:
    """Return a model's call that takes float32 images, whatever the model's own input is."""
    return call if dtype == "float32" else lambda images: call(tf.cast(images, dtype))


def _normalizes(call: Callable[[Any], Any], shape: tuple[int, int, int]) -> bool:
    """Tell from its graph whether a SavedModel, whose layers are gone, normalizes raw pixels."""
    try:
        return wants_raw_pixels(*frozen_call(call, shape=shape, input_range=_RAW))
    except SourceModelError:
        # It cannot be converted at this size, or at all; the conversion says so, and why.
        return False


def _shape_of(end: Any) -> tuple[int | None, ...]:
    shape = end.shape
    if isinstance(shape, tf.TensorShape):
        return () if shape.rank is None else tuple(shape.as_list())
    return tuple(shape)


def _input_of(inputs: list[Any]) -> tuple[int | None, int | None, int, int | None, str]:
    """Return height, width, channels, batch and type of a model's one image input."""
    shapes = [_shape_of(entry) for entry in inputs]
    types = [getattr(entry.dtype, "name", entry.dtype) for entry in inputs]
    observed = ", ".join(f"{kind} {shape}" for kind, shape in zip(types, shapes, strict=True))
    if (
        len(inputs) != 1
        or len(shapes[0]) != 4
        or shapes[0][3] not in (1, 3)
        or types[0] not in ("float32", "uint8")
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


def _classes_of(shapes: list[tuple[int | None, ...]]) -> int:
    classes = shapes[0][1] if len(shapes) == 1 and len(shapes[0]) == 2 else None
    if classes is None or classes < 2:
        raise SourceModelError(
            "the model does not answer with one score per class",
            observed=f"output {', '.join(str(shape) for shape in shapes)}",
            expected="one output (batch, classes) of at least 2 classes",
            remedy=_NOT_A_CLASSIFIER,
        )
    return int(classes)


def _range_of(source: Source, *, own: str | None, dtype: str) -> str:
    """Settle the input range; ``own`` says what normalizes inside the model, if anything."""
    if dtype == "uint8":
        own = own or "an input of bytes"
    if own is not None:
        if source.input_range not in (None, _RAW):
            raise UsageError(
                "the model normalizes its input itself; a second range would do it twice",
                observed=f"--input-range {source.input_range} and {own}",
                expected="no --input-range",
                remedy="leave --input-range out",
            )
        return _RAW
    if source.input_range is None:
        saved = source.kind == "saved_model"
        raise UsageError(
            f"{source.path} does not say what range of values it wants",
            observed="no arithmetic on raw pixels at the start of its graph"
            if saved
            else "no preprocessing layers at its start",
            expected="--input-range 0..255, 0..1, -1..1 or imagenet",
            remedy="name the range it was trained on"
            + (" (0..255 if it normalizes inside)" if saved else ""),
        )
    return source.input_range
