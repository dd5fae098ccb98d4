"""Load a float model and make sure it is an image classifier that can be converted.

Loading third-party formats may fail in any way a library likes; every failure leaves this module
as a ``SourceModelError`` that says what was found and what a convertible model looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import tensorflow as tf

from edgecnn.convert.graph.deployable import frozen_call
from edgecnn.convert.reasons import reason_of
from edgecnn.convert.source.keras_model import last_activation, read_keras_model
from edgecnn.convert.source.normalization import Normalization, normalization_of
from edgecnn.convert.source.paths import Source
from edgecnn.convert.source.saved_model import harmless_saved_model
from edgecnn.errors import EdgeError, SourceModelError, UsageError
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
# Of an image for a model that takes any size, to look at its first operators.
_ANY_SIDE: Final = 224


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceModel:
    """A loaded float model.

    Attributes:
        call: The model as its own framework runs it, in its own precision: a batch, float32
            (n, height, width, channels) in ``input_range``, to scores, float32 (n, classes).
        float32: What is converted: the same model loaded under float32, or ``call`` itself.
        computes: The coarsest type that ``call`` computes in: ``float32``, ``float64``,
            ``float16`` or ``bfloat16``.
        height: None if the model takes any.
        width: None if the model takes any.
        channels: 1 or 3.
        classes: Number of scores, at least 2.
        batch: The one batch size it takes; None for any.
        output_kind: ``probabilities`` if its last activation says so; None if it has to be
            measured.
        input_range: What pixels have to be brought to before ``call``.
        normalization: The arithmetic at its start; None if there is none.
        range_told: Whether the model itself tells its range, by its normalization or its type.
        owner: What keeps the weights alive: a SavedModel's function does not.
    """

    call: Callable[[Any], Any]
    float32: Callable[[Any], Any]
    computes: str
    height: int | None
    width: int | None
    channels: int
    classes: int
    batch: int | None
    output_kind: str | None
    input_range: str
    normalization: Normalization | None = None
    range_told: bool = False
    owner: object = None

    @property
    def normalizes(self) -> bool:
        """Whether the model itself tells that it is fed raw pixels."""
        return self.range_told and self.input_range == _RAW


def load_source(source: Source, *, otherwise: str | None = None) -> SourceModel:
    """Load a source.

    Args:
        source: See ``sources.find_source``.
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
        return _load_keras(source, otherwise)


def _load_keras(source: Source, otherwise: str | None) -> SourceModel:
    loaded = read_keras_model(source.path, source.kind)
    height, width, channels, batch, dtype = _input_of(loaded.model.inputs)
    activation = last_activation(loaded.config)
    classes = _classes_of([_shape_of(output) for output in loaded.model.outputs])
    if activation == "sigmoid":
        raise SourceModelError(
            "the model's last activation is a sigmoid: it answers each label by itself",
            observed="sigmoid",
            expected="a softmax, or logits, over classes of which one is right",
            remedy="convert a single-label classifier",
        )
    call = _fed(lambda images: _single(loaded.model(images, training=False)), dtype)
    float32 = call
    if loaded.float32 is not loaded.model:
        kind = dtype if dtype == "uint8" else "float32"
        float32 = _fed(lambda images: _single(loaded.float32(images, training=False)), kind)
    normalization, computes = _start_of(float32, (height, width, channels))
    input_range, told = _range_of(source, normalization, dtype, otherwise)
    return SourceModel(
        call=call,
        float32=float32,
        # Operators may compute in half precision whatever their layers' policy says.
        computes=computes if loaded.computes == "float32" else loaded.computes,
        height=height,
        width=width,
        channels=channels,
        classes=classes,
        batch=batch,
        output_kind="probabilities" if activation == "softmax" else None,
        input_range=input_range,
        normalization=normalization,
        range_told=told,
    )


def _load_saved_model(source: Source, otherwise: str | None) -> SourceModel:
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
    normalization, computes = _start_of(call, (height, width, channels))
    input_range, told = _range_of(source, normalization, dtype, otherwise)
    return SourceModel(
        call=call,
        float32=call,
        computes=computes,
        height=height,
        width=width,
        channels=channels,
        classes=classes,
        batch=batch,
        output_kind=None,
        input_range=input_range,
        normalization=normalization,
        range_told=told,
        owner=loaded,
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
) -> tuple[Normalization | None, str]:
    """Read from its graph what a model does to an image first, and the type that it computes in."""
    height, width, channels = shape
    size = (height or _ANY_SIDE, width or _ANY_SIDE, channels)
    try:
        frozen = frozen_call(call, shape=size, input_range=_RAW)
    except SourceModelError:
        # It cannot be converted at this size, or at all; the conversion says so, and why.
        return None, "float32"
    return normalization_of(frozen.graph_def, frozen.output), frozen.computes


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


def _range_of(
    source: Source, normalization: Normalization | None, dtype: str, otherwise: str | None
) -> tuple[str, bool]:
    """Settle the input range; return it, and whether the model itself tells it.

    Raises:
        UsageError: If the range that was given cannot be, or none was given and none is told.
    """
    meaning = None if normalization is None else normalization.meaning
    if dtype == "uint8":
        meaning = _RAW
    given = source.input_range
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
        f"{source.path} does not say what range of values it wants",
        observed="no arithmetic on pixels at its start"
        if normalization is None
        else f"it begins with {normalization}, which fits {_fitting(normalization)}",
        expected=f"--input-range {_listed(INPUT_RANGES)}; or --input-mean and --input-std",
        remedy="name the range it was trained on (0..255 if it normalizes further inside)",
    )


def _fits_any(normalization: Normalization) -> bool:
    return any(normalization.fits(name) for name in INPUT_RANGES)


def _fitting(normalization: Normalization) -> str:
    names = [name for name in INPUT_RANGES if normalization.fits(name)]
    return _listed(names) if names else "none of the usual ranges"


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
