"""Model files that edgecnn did not make: labels and range from the user, the rest from the file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edgecnn_runner.contract import (
    BINARY_KINDS,
    FILTERS,
    FITS,
    FLOATS,
    INPUT_RANGES,
    LAYOUTS,
    OUTPUT_KINDS,
    RESIZE_RULE,
    Contract,
    InputSpec,
    OutputSpec,
    is_range,
    is_resize,
    repeated,
)
from edgecnn_runner.errors import ArtifactError, ContractError, LabelsError, UsageError, some_of
from edgecnn_runner.fitting import class_count, two_contracts
from edgecnn_runner.formats.container import Container, read_container
from edgecnn_runner.input_options import RANGES_EXPECTED, check_channels
from edgecnn_runner.runtimes.choice import TensorInfo, choose_runtime
from edgecnn_runner.runtimes.probe import Description, probe
from edgecnn_runner.session import Session

_SEVERAL: Final = tuple(kind for kind in OUTPUT_KINDS if kind not in BINARY_KINDS)


def foreign_contract(
    path: str | Path,
    labels: Sequence[str],
    input_range: str,
    output_kind: str | None = None,
    *,
    layout: str | None = None,
    resize: str | None = None,
    runtime: str | None = None,
) -> Contract:
    """Make the contract of a foreign file, by running it once in another process.

    Args:
        path: A ``.tflite`` or ``.onnx`` file without a contract.
        labels: Class names in output order.
        input_range: What pixels 0..255 are as the model's real input, for example ``-1..1``.
        output_kind: One of ``contract.OUTPUT_KINDS``; None tells by the answers to a few images:
            each positive with a sum of 1, or not all within 0..1; of one number, which is of the
            second of two classes, all within 0..1 or not.
        layout: ``NHWC`` or ``NCHW``; None tells by the shape, where only one of them is possible.
        resize: Name of the resize rule; None for ``RESIZE_RULE``.
        runtime: Which runtime to ask; None for the best installed.

    Returns:
        A contract without digests.

    Raises:
        ArtifactError: If the file is damaged, not a classifier, wants input that no
            ``input_range`` describes, or gives scores whose kind cannot be told.
        UsageError: If ``input_range``, ``output_kind``, ``layout`` or ``resize`` does not exist, or
            the range is one of colours and the model takes greyscale.
        ContractError: If it carries a contract, if the layout does not fit, or if a shape of two
            possible layouts comes without one.
        LabelsError: If there are more or fewer labels than outputs, or two are equal.
        RuntimeMissingError: If no runtime for it is installed.
        RuntimeTooOldError: If the runtime is older than the file.
    """
    _check_names(input_range, output_kind, layout, resize)
    path = Path(path)
    container = read_container(path)
    _need_both(container, labels, input_range, path)
    description = probe(path, container.data, choose_runtime(container.format, runtime))
    return _contract(container, description, path, labels, input_range, output_kind, layout, resize)


def contract_of_foreign(
    path: str | Path,
    *,
    labels: Sequence[str] | None,
    input_range: str | None,
    output_kind: str | None = None,
    layout: str | None = None,
    resize: str | None = None,
) -> Contract:
    """Make the contract of a foreign file; as ``foreign_contract``, where something may be missing.

    Args:
        path: A ``.tflite`` or ``.onnx`` file.
        labels: Class names in output order; None where nobody gave them.
        input_range: What pixels 0..255 are as the model's real input; None likewise.
        output_kind: One of ``contract.OUTPUT_KINDS``; None to tell by a trial run.
        layout: ``NHWC`` or ``NCHW``; None to tell by the shape.
        resize: Name of the resize rule; None for ``RESIZE_RULE``.

    Raises:
        EdgeError: As ``foreign_contract``; ``ContractError`` if labels or range are missing.
    """
    _check_names(input_range, output_kind, layout, resize)
    wanted = _need_both(read_container(path), labels, input_range, Path(path))
    return foreign_contract(path, *wanted, output_kind, layout=layout, resize=resize)


def open_foreign(
    path: str | Path,
    *,
    labels: Sequence[str] | None,
    input_range: str | None,
    output_kind: str | None = None,
    layout: str | None = None,
    resize: str | None = None,
    threads: int = 1,
    runtime: str | None = None,
) -> Session:
    """Open a foreign file; like ``foreign_contract`` and ``Session.open``, with one trial run.

    Args:
        path: A ``.tflite`` or ``.onnx`` file without a contract.
        labels: Class names in output order.
        input_range: What pixels 0..255 are as the model's real input, for example ``-1..1``.
        output_kind: One of ``contract.OUTPUT_KINDS``; None to tell by the trial run.
        layout: ``NHWC`` or ``NCHW``; None to tell by the shape.
        resize: Name of the resize rule; None for ``RESIZE_RULE``.
        threads: At least 1.
        runtime: None for the best installed.

    Returns:
        The session.

    Raises:
        EdgeError: As those two; ``ContractError`` if labels or range are missing.
    """
    _check_names(input_range, output_kind, layout, resize)
    path = Path(path)
    container = read_container(path)
    wanted = _need_both(container, labels, input_range, path)
    name = choose_runtime(container.format, runtime)
    description = probe(path, container.data, name)
    return Session(
        path,
        container,
        _contract(container, description, path, *wanted, output_kind, layout, resize),
        threads=threads,
        runtime_name=name,
        started_ns=time.perf_counter_ns(),
    )


def _check_names(
    input_range: str | None, output_kind: str | None, layout: str | None, resize: str | None
) -> None:
    """Refuse names that do not exist, whatever the file says."""
    ranges = " or ".join([*INPUT_RANGES, "mean A[,B,C] std A[,B,C] (contract.mean_std_range)"])
    rules = f"{'|'.join(FITS)} with {'|'.join(FILTERS)}, as contract.resize_name writes them"
    for what, name, known, expected in (
        ("input range", input_range, is_range, ranges),
        ("output kind", output_kind, OUTPUT_KINDS.__contains__, " or ".join(OUTPUT_KINDS)),
        ("layout", layout, LAYOUTS.__contains__, " or ".join(LAYOUTS)),
        ("resize rule", resize, is_resize, rules),
    ):
        if name is not None and not known(name):
            raise UsageError(
                f"no such {what}",
                observed=name,
                expected=expected,
                remedy="name the one the model was trained with",
            )


def _need_both(
    container: Container, labels: Sequence[str] | None, input_range: str | None, path: Path
) -> tuple[Sequence[str], str]:
    if container.contract is not None:
        raise two_contracts(str(path))
    if labels is None or input_range is None:
        raise ContractError(
            f"{path} carries no contract; it needs labels and an input range",
            observed=f"labels: {'none' if labels is None else len(labels)}, "
            f"input range: {input_range or 'none'}",
            expected=f"labels, and a range: {RANGES_EXPECTED}",
            remedy="name both: --labels FILE --input-range 0..1, for example",
        )
    return labels, input_range


def _contract(
    container: Container,
    description: Description,
    path: Path,
    labels: Sequence[str],
    input_range: str,
    output_kind: str | None,
    layout: str | None,
    resize: str | None,
) -> Contract:
    outputs = class_count(description.output.shape)
    if (output_kind in BINARY_KINDS) != (outputs == 1) and output_kind is not None:
        raise UsageError(
            f"the model in {path} does not answer so",
            observed=f"--output-kind {output_kind}, and {outputs} outputs",
            expected=" or ".join(BINARY_KINDS) + " for one output, " + " or ".join(_SEVERAL)
            + " for several",
            remedy="leave --output-kind out",
        )  # fmt: skip
    classes = 2 if outputs == 1 else outputs
    if classes != len(labels):
        raise LabelsError(
            f"the labels do not fit the model in {path}",
            observed=f"{len(labels)} labels",
            expected="2: its one output is of the second of two classes"
            if outputs == 1
            else f"{classes}, one for each output",
            remedy="give the labels the model was trained with, one a line, in output order",
        )
    twice = repeated(labels)
    if twice:
        raise LabelsError(
            f"the labels for {path} name a class twice",
            observed=some_of(twice),
            expected="names that are all different",
            remedy="tell them apart: crane (bird), crane (machine)",
        )
    return Contract(
        model=path.stem,
        variant=f"{container.format}-foreign",
        labels=tuple(labels),
        input=_input_spec(description.input, input_range, layout, path),
        output=_output_spec(description, output_kind, path),
        resize=RESIZE_RULE if resize is None else resize,
    )


def _layout_of(shape: tuple[int, ...], given: str | None, path: Path) -> str:
    """Return the layout that a shape has, or that was given where it may have either."""
    possible = [name for name, axis in (("NHWC", 3), ("NCHW", 1)) if shape[axis] in (1, 3)]
    if given is None and len(possible) == 1:
        return possible[0]
    seen = ", ".join(map(str, shape))
    if given is not None:
        if given in possible:
            return given
        raise ContractError(
            f"{path} does not take images as {given}",
            observed=f"input shape ({seen})",
            expected="1 or 3 channels at the end (NHWC) or before the height (NCHW)",
            remedy=f"name --layout {possible[0]}, or leave it out",
        )
    raise ContractError(
        f"{path} does not say where the channels of its input are",
        observed=f"input shape ({seen}), which may be either",
        expected="NHWC (height, width, channels) or NCHW (channels, height, width)",
        remedy="say which: --layout NHWC or --layout NCHW (in Python: layout=...)",
    )


def _input_spec(tensor: TensorInfo, input_range: str, layout: str | None, path: Path) -> InputSpec:
    layout = _layout_of(tensor.shape, layout, path)
    height, width, channels = (
        tensor.shape[1:] if layout == "NHWC" else (*tensor.shape[2:], tensor.shape[1])
    )
    check_channels(path, input_range, channels)
    scale = tensor.scale
    if tensor.dtype not in FLOATS and scale == 0:
        # Integers without a scale stand for themselves, so only raw bytes make sense.
        if tensor.dtype != "uint8" or input_range != "0..255":
            raise ArtifactError(
                f"{path} does not say what its integer input stands for",
                observed=f"{tensor.dtype} without scale, input range {input_range}",
                expected="a quantized or float input, or raw bytes (uint8) with range 0..255",
                remedy="name --input-range 0..255 if it takes raw bytes; else convert it again on "
                "the workstation, with a float or a quantized input",
            )
        scale = 1.0
    return InputSpec(
        height=height,
        width=width,
        channels=channels,
        dtype=tensor.dtype,
        range=input_range,
        layout=layout,
        scale=scale or 1.0,
        zero_point=tensor.zero_point,
    )


def _output_spec(description: Description, kind: str | None, path: Path) -> OutputSpec:
    tensor = description.output
    scale = 1.0
    if tensor.dtype in FLOATS:
        step = 0.0
    elif tensor.scale > 0:
        step = scale = tensor.scale
    else:
        raise ArtifactError(
            f"{path} does not say what its integer scores stand for",
            observed=f"{tensor.dtype} without scale",
            expected="a quantized or float output",
            remedy="convert the model again on the workstation, with a float output",
        )
    return OutputSpec(
        dtype=tensor.dtype,
        kind=kind or _told_kind(description, step, path),
        scale=scale,
        zero_point=0 if tensor.dtype in FLOATS else tensor.zero_point,
    )


def _told_kind(description: Description, step: float, path: Path) -> str:
    if not description.samples and class_count(description.output.shape) == 1:
        return "binary-logit"
    return tell_kind(description.samples, step, name=str(path))


# Scores that are all within 0..1 and do not sum to 1 are neither for certain: a model of several
# labels at once, with a Sigmoid at its end, answers so, and a softmax over that would be neither
# its answer nor a probability. They are not guessed at.

_SLACK: Final = 1e-3  # what float16 inside the model may add up to
_LEVELS: Final = (127, 128, 255, 256)
"""Steps from 0 to 1 of 8-bit scores. A model that was quantized by onnxruntime, for one, rounds
its scores to these and gives them as floats."""


def tell_kind(samples: Sequence[Sequence[float]], step: float, *, name: str) -> str:
    """Tell probabilities, which are positive and sum to 1, from logits.

    Args:
        samples: The answers to some images, each one score per class, finite.
        step: What one step of integer scores is worth; 0 where the output is float.
        name: What to call the file in errors.

    Returns:
        ``probabilities`` or ``logits``, or the binary kind of single numbers; logits also without
        samples.

    Raises:
        ArtifactError: If all scores are within 0..1 and do not sum to 1 for every image.
    """
    if samples and len(samples[0]) == 1:
        within = all(-_SLACK - step / 2 <= row[0] <= 1 + _SLACK + step / 2 for row in samples)
        return "binary-probability" if within else "binary-logit"
    step = step or _hidden_step(samples)
    # Each score may be half a step off.
    if samples and all(
        min(sample) >= 0 and abs(sum(sample) - 1) <= _SLACK + step * len(sample) / 2
        for sample in samples
    ):
        return "probabilities"
    slack = _SLACK + step / 2
    if not samples or any(not -slack <= score <= 1 + slack for row in samples for score in row):
        return "logits"
    sums = ", ".join(f"{sum(sample):.3g}" for sample in samples)
    raise ArtifactError(
        f"{name} seems to answer each label by itself, as with a sigmoid at its end",
        observed=f"scores of {len(samples)} trial images, all in 0..1, with sums of {sums}",
        expected="scores that sum to 1 (a softmax), or that leave 0..1 (logits), over classes of "
        "which one is right",
        remedy="say what the scores are: --output-kind probabilities shows them as they are; "
        "--output-kind logits puts a softmax over them, which is right only if nothing follows "
        "the last layer (in Python: output_kind=...)",
    )


def _hidden_step(samples: Sequence[Sequence[float]]) -> float:
    """Return the step of scores that were rounded before they became floats; 0 if they were not."""
    for levels in _LEVELS:
        counts = [score * levels for sample in samples for score in sample]
        if all(abs(count - round(count)) < 1e-3 for count in counts):
            return 1 / levels
    return 0.0
