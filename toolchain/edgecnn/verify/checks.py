"""Checks what has to be true of an artifact before its scores mean anything."""

from __future__ import annotations

from pathlib import Path

from edgecnn.build.artifact import CALIBRATED, precision_of, read_artifact
from edgecnn.build.reference import Reference
from edgecnn.build.workspace import Workspace
from edgecnn.data import Images
from edgecnn.data.calibration import overlap, read_calibration
from edgecnn.errors import CalibrationError, ContractError
from edgecnn_runner.contract import Contract

_CONVERT_AGAIN = "convert the model again: edgecnn convert SOURCE"


def check_artifact(path: Path, reference: Reference, test: Images) -> Contract:
    """Read an artifact's contract and check all that does not need it to run.

    Args:
        path: The file.
        reference: What it is to be compared with.
        test: The whole test split.

    Returns:
        The contract.

    Raises:
        ArtifactError: If the file cannot be read or is damaged.
        ContractError: If its contract is missing, not of the file, or not of this float model.
        CalibrationError: If it was calibrated on evaluation images, or that is not known.
    """
    contract = read_artifact(path).contract
    if contract is None:
        raise ContractError(
            f"{path.name} carries no contract, so it cannot be told which float model it came from",
            observed="a model file made elsewhere, or one that lost its end",
            expected="a whole file made by: edgecnn convert",
            remedy="convert its float model (again) with edgecnn convert; a file made elsewhere "
            "is verified with edgecnn verify --artifact FILE, looked at with edgecnn inspect and "
            "run with edgecnn run",
        )
    check_contract(contract, reference, test, name=path.name)
    check_calibration(contract, path, test)
    return contract


def check_contract(contract: Contract, reference: Reference, test: Images, *, name: str) -> None:
    """Check that an artifact came from the reference's model and answers in its classes.

    Args:
        contract: The artifact's.
        reference: The float model's scores.
        test: The images it is to be fed.
        name: What to call the file in errors.

    Raises:
        ContractError: If model, labels or image size differ.
    """
    if contract.source_sha256 != reference.model_sha256:
        raise ContractError(
            f"{name} was converted from another float model than the reference was computed with",
            observed=f"source sha256 {contract.source_sha256 or 'not recorded'}",
            expected=f"sha256 {reference.model_sha256}",
            remedy=_CONVERT_AGAIN,
        )
    if contract.labels != tuple(reference.class_names):
        raise ContractError(
            f"the labels of {name} are not the reference's",
            observed=_some(contract.labels),
            expected=_some(reference.class_names),
            remedy=_CONVERT_AGAIN,
        )
    size = (contract.input.height, contract.input.width, contract.input.channels)
    if size != test.pixels.shape[1:]:
        raise ContractError(
            f"{name} expects images of another size than the evaluation images",
            observed=f"height, width, channels {size}",
            expected=f"{test.pixels.shape[1:]}",
            remedy=_CONVERT_AGAIN,
        )


def check_calibration(contract: Contract, path: Path, test: Images) -> None:
    """Check that no test image helped to choose an artifact's quantization ranges.

    Args:
        contract: The artifact's.
        path: The artifact; beside it lies the build's calibration record, or one of its own.
        test: The whole test split, whichever part of it is used.

    Raises:
        CalibrationError: If the record is missing, damaged, another one than the artifact was
            made with, or names a test image.
    """
    if contract.calibration_sha256 is None:
        if precision_of(contract.variant) in CALIBRATED:
            raise CalibrationError(
                f"{path.name} does not say which images it was calibrated with",
                observed="no calibration digest in its contract",
                expected="the digest of a calibration record",
                remedy=_CONVERT_AGAIN,
            )
        return
    record_path = path.parent / record_name(path.parent, contract.variant)
    record = read_calibration(record_path)
    if record["sha256"] != contract.calibration_sha256:
        raise CalibrationError(
            f"{path.name} was calibrated with other images than {record_path} names",
            observed=f"record {record['sha256']}",
            expected=f"record {contract.calibration_sha256}",
            remedy="put the record it was made with beside it, or " + _CONVERT_AGAIN,
        )
    shared = overlap(record, test.pixels)
    if shared:
        raise CalibrationError(
            f"{path.name} was calibrated with images it would now be judged on"
            + (", or chosen by them" if "selection" in record else ""),
            observed=f"{len(shared)} of {len(test)} test images, the first is "
            f"{test.ids[shared[0]]}",
            expected="none",
            remedy="convert the model again; its calibration images then come from the training "
            "split only",
        )


def record_name(folder: Path, variant: str) -> str:
    """Return the name of an artifact's calibration record: its own where there is one.

    Args:
        folder: Where the artifact is.
        variant: As its contract has it, which may be anything.
    """
    own = Workspace.calibration_of(variant)
    try:
        there = Path(own).name == own and (folder / own).is_file()
    except (OSError, ValueError):
        there = False
    return own if there else Workspace.CALIBRATION


def _some(names: object) -> str:
    text = ", ".join(map(str, names)) if isinstance(names, (tuple, list)) else str(names)
    return text if len(text) <= 200 else text[:197] + "..."
