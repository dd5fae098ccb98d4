"""What is to be measured: the files of builds, and single ones, read once."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from edgecnn.bench.results import ArtifactBench
from edgecnn.build.artifact import format_of
from edgecnn.errors import ArtifactError, ContractError, EdgeError, RowError, UsageError
from edgecnn.log import has_read
from edgecnn.modelfile import read_graph
from edgecnn_runner.formats.container import split_container

Wanted: TypeAlias = tuple[int, int, int, str]
"""Height, width and channels of a model's images, and the rule that brings images there."""

MOST_ARTIFACTS = 80
"""A device names the one it is at by a byte, and a file may have several runtimes."""


@dataclass(frozen=True, kw_only=True)
class ProvenAccuracy:
    """What a verification found of a file with this digest.

    Attributes:
        verdict: PASS, FAIL, INCONCLUSIVE or ERROR.
        accuracy: Share of test images that it got right, 0..1; None if that is not known.
    """

    verdict: str
    accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class BenchFile:
    """One file to measure.

    Attributes:
        row: What is known of it already; with an error where it cannot be measured anywhere.
        format: ``tflite`` or ``onnx``; empty if it cannot be measured.
        input: What images are brought to for it; None if it cannot be measured.
        data: The whole file.
    """

    row: ArtifactBench
    format: str = ""
    input: Wanted | None = None
    data: bytes = b""


def plan(paths: Sequence[Path], proven: dict[str, ProvenAccuracy]) -> tuple[BenchFile, ...]:
    """Read the files to measure.

    Args:
        paths: Artifacts; one that is named twice counts once.
        proven: SHA-256 to what is known of a file with it.

    Returns:
        One for each; those that cannot be measured have an error.

    Raises:
        UsageError: If there is none, or there are too many.
    """
    files = tuple(_file(path, proven) for path in dict.fromkeys(paths))
    if not 0 < len(files) <= MOST_ARTIFACTS:
        raise UsageError(
            "there is nothing to measure" if not files else "there are too many files to measure",
            observed=f"{len(files)} files",
            expected=f"1 to {MOST_ARTIFACTS}",
            remedy="name a build or model files: edgecnn bench BUILD"
            if not files
            else "measure them in several parts",
        )
    return files


def _file(path: Path, proven: dict[str, ProvenAccuracy]) -> BenchFile:
    try:
        data = path.read_bytes()
        has_read(path)
    except OSError as error:
        row = ArtifactBench(model="", variant=path.stem, file=path.name, sha256="", bytes=0)
        unreadable = ArtifactError(
            f"{path} cannot be read",
            observed=error.strerror,
            expected="a .tflite or .onnx file",
            remedy="check its path and its rights; edgecnn convert makes such files",
        )
        return BenchFile(row=_with_error(row, unreadable))
    digest = hashlib.sha256(data).hexdigest()
    known = proven.get(digest)
    row = ArtifactBench(
        model=path.stem,
        variant=path.stem,
        file=path.name,
        sha256=digest,
        bytes=len(data),
        verdict=None if known is None else known.verdict,
        accuracy=None if known is None else known.accuracy,
    )
    try:
        container = split_container(data, name=str(path))
        contract = container.contract
        if contract is None:
            raise ContractError(
                f"{path} carries no contract: how it is fed is not known",
                observed="a model file that edgecnn did not make",
                expected="a file from edgecnn convert",
                remedy="time it with edgecnn-run bench FILE --labels FILE --input-range RANGE, or "
                "convert its float model: edgecnn convert MODEL",
            )
        graph = read_graph(container, name=str(path))
    except EdgeError as error:
        return BenchFile(row=_with_error(row, error))
    spec = contract.input
    row = ArtifactBench(
        model=contract.model,
        variant=contract.variant,
        file=path.name,
        sha256=digest,
        bytes=len(data),
        # A sum that leaves operators out would make the rest look faster.
        macs=None if graph.uncounted else graph.macs,
        verdict=row.verdict,
        accuracy=row.accuracy,
    )
    return BenchFile(
        row=row,
        format=format_of(contract.variant),
        input=(spec.height, spec.width, spec.channels, contract.resize),
        data=data,
    )


def _with_error(row: ArtifactBench, error: EdgeError) -> ArtifactBench:
    return dataclasses.replace(row, error=RowError.of(error))
