"""Which contract a model file has, and whether it fits: one image in, scores of the labels out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from edgecnn_runner.contract import FLOATS, Contract
from edgecnn_runner.errors import CONVERT_AGAIN, ArtifactError, ContractError, LabelsError
from edgecnn_runner.runtimes.choice import TensorInfo

if TYPE_CHECKING:
    from edgecnn_runner.formats.container import Container

_IMAGE: Final = "(1, height, width, channels) or (1, channels, height, width), 1 or 3 channels"
_TYPES: Final = ("uint8", "int8", *FLOATS)
_NOT_OURS: Final = "name an image classifier: one image in, one score per class out"
_FIX_SIZE: Final = (
    "on the workstation, fix the size to the one it was trained with and convert it again: build "
    "the Keras model on Input((height, width, 3)); export to ONNX with no dynamic axes"
)


def choose_contract(container: Container, given: Contract | None, *, name: str) -> Contract:
    """Return the contract to use: the file's own, or the one given for a foreign file.

    Raises:
        ContractError: If there is none, or two.
    """
    if container.contract is not None and given is not None:
        raise two_contracts(name)
    chosen = container.contract or given
    if chosen is None:
        raise ContractError(
            f"{name} carries no contract: what it was trained on is not known",
            observed="a model file that edgecnn did not make",
            expected="its labels and its input range",
            remedy="name them where the file is run (edgecnn-run classify, bench or predict; "
            "edgecnn run on the workstation): --labels FILE --input-range 0..255, 0..1, -1..1 or "
            "imagenet (in Python: Classifier(path, labels=..., input_range=...))",
        )
    return chosen


def two_contracts(name: str) -> ContractError:
    """Return the error for a file that has a contract and was given another."""
    return ContractError(
        f"{name} carries its own contract",
        observed="labels, an input range, a resize rule or an output kind given as well",
        expected="only the file",
        remedy="leave out --labels, --input-range, --input-mean, --input-std, --fit, "
        "--crop-fraction, --resample, --output-kind and --layout (in Python: labels, input_range, "
        "resize, output_kind and layout)",
    )


def check_classifier(
    inputs: tuple[TensorInfo, ...], outputs: tuple[TensorInfo, ...], *, name: str
) -> None:
    """Refuse a model that is not a classifier of one image.

    Args:
        inputs: All inputs of the model.
        outputs: All its outputs.
        name: What to call the file in errors.

    Raises:
        ArtifactError: If it has not one input and one output, the input is not an image of a
            fixed size with 1 or 3 channels, the output is not a list of scores, or a type is
            none of uint8, int8 and float32.
    """

    def refuse(
        problem: str, observed: object, expected: str, remedy: str = _NOT_OURS
    ) -> ArtifactError:
        return ArtifactError(
            f"{name} is not an image classifier: {problem}",
            observed=observed,
            expected=expected,
            remedy=remedy,
        )

    for side, tensors in (("input", inputs), ("output", outputs)):
        if len(tensors) != 1:
            raise refuse(f"it has {len(tensors)} {side}s", len(tensors), f"one {side}")
        if tensors[0].dtype not in _TYPES:
            raise refuse(f"its {side}'s type", tensors[0].dtype, " or ".join(_TYPES))
    shape = inputs[0].shape
    is_one = len(shape) == 4 and shape[0] in (1, -1)
    if is_one and min(shape[1:]) == -1:
        raise refuse("its input is not of a fixed size", _spell(shape), _IMAGE, _FIX_SIZE)
    if not is_one or min(shape[1:]) < 1 or not {shape[1], shape[3]} & {1, 3}:
        raise refuse("its input is not one image", _spell(shape), _IMAGE)
    if class_count(outputs[0].shape) < 1:
        raise refuse(
            "its output is not one score per class", _spell(outputs[0].shape),
            "(1, classes), or (1, 1) for two classes",
        )  # fmt: skip


def class_count(shape: tuple[int, ...]) -> int:
    """Return how many scores an output of this shape holds; 0 if it is not a list of scores.

    Args:
        shape: With or without batch axis; all other axes but one are 1.
    """
    sizes = [abs(size) if index == 0 else size for index, size in enumerate(shape)]
    longest = max(sizes, default=0)
    return longest if min(sizes, default=0) > 0 and math.prod(sizes) == longest else 0


def input_shape(contract: Contract) -> tuple[int, int, int, int]:
    """Return the input shape that a contract speaks of, with a batch of one."""
    spec = contract.input
    if spec.layout == "NCHW":
        return (1, spec.channels, spec.height, spec.width)
    return (1, spec.height, spec.width, spec.channels)


def check_fit(
    contract: Contract,
    inputs: tuple[TensorInfo, ...],
    outputs: tuple[TensorInfo, ...],
    *,
    name: str,
) -> None:
    """Refuse a contract that describes another model than this one.

    Args:
        contract: From the file, or from the command line.
        inputs: The model's, which ``check_classifier`` has accepted.
        outputs: Likewise.
        name: What to call the file in errors.

    Raises:
        ContractError: If shape, type or quantization differ.
        LabelsError: If the number of labels differs.
    """

    def refuse(
        what: str,
        observed: object,
        expected: object,
        kind: type[ContractError] | type[LabelsError] = ContractError,
    ) -> ContractError | LabelsError:
        return kind(
            f"the contract does not fit the model in {name}: {what}",
            observed=f"the model has {observed}",
            expected=f"the contract says {expected}",
            remedy="give the labels and the input range the model was trained with, "
            f"or {CONVERT_AGAIN}",
        )

    wanted, found = input_shape(contract), inputs[0].shape
    if found[1:] != wanted[1:]:
        raise refuse("input shape", _spell(found), _spell(wanted))
    found_scores = class_count(outputs[0].shape)
    if found_scores != contract.output.count(len(contract.labels)):
        labels = f"{len(contract.labels)} labels, {contract.output.kind}"
        raise refuse("number of labels", f"{found_scores} outputs", labels, LabelsError)
    for side, tensor, spec in (
        ("input", inputs[0], contract.input),
        ("output", outputs[0], contract.output),
    ):
        if tensor.dtype != spec.dtype:
            raise refuse(f"{side} type", tensor.dtype, spec.dtype)
        if tensor.dtype in FLOATS or tensor.scale == 0:
            continue
        # The file holds the scale as float32, the contract as decimal text.
        same = math.isclose(tensor.scale, spec.scale, rel_tol=1e-6)
        if not same or tensor.zero_point != spec.zero_point:
            raise refuse(
                f"{side} quantization",
                f"scale {tensor.scale}, zero point {tensor.zero_point}",
                f"scale {spec.scale}, zero point {spec.zero_point}",
            )


def _spell(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join("any" if size < 0 else str(size) for size in shape) + ")"
