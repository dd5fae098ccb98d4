"""One converted, self-describing file: its name, and the contract put inside it.

Reading is the runner's (``edgecnn_runner.formats.container``), so that the toolchain and a device
understand a file in one way. Writing is here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from edgecnn.files import write_whole
from edgecnn.log import has_read
from edgecnn_runner.contract import Contract
from edgecnn_runner.formats.container import Container, append_contract, read_container

CALIBRATED: Final = ("int8", "int8-mixed", "int16x8")
"""Precisions that compute with integers, and so need ranges taken from images."""
_MIXED = "-mixed"


def format_of(variant: str) -> str:
    """Return ``tflite`` or ``onnx`` for a variant such as ``tflite-int8-dynamic``."""
    return variant.partition("-")[0]


def precision_of(variant: str) -> str:
    """Return the precision of a variant: ``int8-dynamic`` for ``tflite-int8-dynamic``."""
    return variant.partition("-")[2]


def mixed_of(variant: str) -> str:
    """Return what an integer variant becomes with some of its layers in float.

    Nobody asks for it by name: it is what a repair makes where it has to.

    >>> mixed_of("tflite-int8")
    'tflite-int8-mixed'
    """
    return variant + _MIXED


def asked_for(variant: str) -> str:
    """Return the variant that was asked for where a repair made this one.

    >>> asked_for("tflite-int8-mixed"), asked_for("onnx-fp16")
    ('tflite-int8', 'onnx-fp16')
    """
    return variant.removesuffix(_MIXED)


def artifact_name(model: str, variant: str) -> str:
    """Return the file name of a variant, ``<model>-<precision>.<ext>``.

    >>> artifact_name("seed_cnn", "tflite-int8-dynamic")
    'seed_cnn-int8-dynamic.tflite'
    """
    return f"{model}-{precision_of(variant)}.{format_of(variant)}"


def write_artifact(path: Path, payload: bytes, contract: Contract) -> None:
    """Write a model with its contract inside, atomically.

    Args:
        path: Where to; replaced if it exists.
        payload: The model's own bytes.
        contract: Must carry the payload's digest.

    Raises:
        ContractError: If the contract was made for other bytes.
        WorkspaceError: If the file cannot be written.
    """
    data = append_contract(payload, contract, model_format=format_of(contract.variant))
    write_whole(path, data)


def read_artifact(path: Path) -> Container:
    """Read a model file and its contract, as the runner does."""
    has_read(path)
    return read_container(path)


def write_labels(path: Path, names: tuple[str, ...]) -> None:
    """Write class names as ``read_labels`` reads them, atomically."""
    write_whole(path, "".join(f"{name}\n" for name in names))
