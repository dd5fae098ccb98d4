"""The files of a build that conversion makes: artifacts, reference scores, golden vectors."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from edgecnn.build.artifact import CALIBRATED, artifact_name, precision_of, write_artifact
from edgecnn.build.reference import Reference, images_digest, read_reference
from edgecnn.build.staging import Staging
from edgecnn.build.workspace import Workspace
from edgecnn.convert.golden import choose_golden
from edgecnn.convert.graph.deployable import Deployable
from edgecnn.convert.graph.onnx_direct import DirectOnnx
from edgecnn.convert.payload import Payload, PayloadMaker
from edgecnn.convert.result import VariantRow
from edgecnn.convert.runtimes import TargetRuntime, converter_versions
from edgecnn.convert.scoring import FloatScorer, kind_of_scores
from edgecnn.convert.source.model import SourceModel
from edgecnn.convert.source.paths import Source
from edgecnn.data import Dataset
from edgecnn.data.calibration import CalibrationSet
from edgecnn.data.patterns import probes
from edgecnn.errors import (
    ArtifactError,
    ConversionError,
    EdgeError,
    FaithfulnessError,
    OutputError,
    SourceModelError,
    WorkspaceError,
)
from edgecnn.files import file_digest
from edgecnn.modelfile import Tensor
from edgecnn.progress import Progress
from edgecnn.recipe.load import Recipe
from edgecnn_runner.contract import Contract, InputSpec, OutputSpec
from edgecnn_runner.golden import write_golden

_KIND_IMAGES: Final = 64


@dataclass(kw_only=True, eq=False)
class Maker:
    """Makes the artifacts of one build.

    Attributes:
        source: The float model; contracts carry its digest.
        deployable: The one function that is made of it; or why there is none.
        recipe: Gives the model's name, ONNX opset and IR version.
        staged: Where the files are made.
        dataset: Gives labels and the size of an image.
        calibration: Images and record for the integer variants; None if there are none.
        output_kind: ``probabilities`` or ``logits``.
        target: The oldest runtime that artifacts have to load in; None for any.
        direct: The same network in ONNX, where the source is one; see ``PayloadMaker``.
        payloads: Makes the models that go into the files.
    """

    source: Source
    deployable: Deployable | EdgeError
    recipe: Recipe
    staged: Staging
    dataset: Dataset
    calibration: CalibrationSet | None
    output_kind: str
    target: TargetRuntime | None
    direct: DirectOnnx | EdgeError | None = None
    payloads: PayloadMaker = field(init=False)

    def __post_init__(self) -> None:
        """Prepare what the variants share."""
        self.payloads = PayloadMaker(
            self.deployable,
            None if self.calibration is None else self.calibration.pixels,
            opset=self.recipe.convert.opset,
            ir_version=self.recipe.convert.ir_version,
            direct=self.direct,
        )

    def make(self, variant: str) -> VariantRow:
        """Convert, check and write one variant.

        Returns:
            Its row; a variant that fails or is refused is not written.

        Raises:
            WorkspaceError: If the file cannot be written.
        """
        try:
            payload = self.payloads.make(variant)
        except (ConversionError, ArtifactError, FaithfulnessError, SourceModelError) as error:
            return VariantRow(variant=variant, status="failed", reason=reason_of(error))
        calibrated = precision_of(variant) in CALIBRATED
        return self.write(variant, payload, self.calibration if calibrated else None)

    def write(
        self,
        variant: str,
        payload: Payload,
        calibration: CalibrationSet | None,
        *,
        float_layers: Mapping[str, str] | None = None,
    ) -> VariantRow:
        """Write one converted model as an artifact.

        Args:
            variant: What it is.
            payload: The model.
            calibration: What its ranges were taken from; None for none.
            float_layers: Of a repaired integer file, the layers that compute in float32.

        Returns:
            Its row; a variant that is refused is not written.

        Raises:
            WorkspaceError: If the file cannot be written.
        """
        minimum = dict(payload.graph.min_runtime)
        refusal = None if self.target is None else self.target.refuses(payload.graph)
        if refusal is not None:
            return VariantRow(
                variant=variant, status="refused", reason=refusal, min_runtime=minimum
            )
        name = artifact_name(self.recipe.model.name, variant)
        path = self.staged.path(name)
        contract = self.contract(variant, payload, calibration, float_layers or {})
        write_artifact(path, payload.data, contract)
        return VariantRow(
            variant=variant,
            status="made",
            file=name,
            bytes=path.stat().st_size,
            sha256=file_digest(path),
            min_runtime=minimum,
        )

    def contract(
        self,
        variant: str,
        payload: Payload,
        calibration: CalibrationSet | None,
        float_layers: Mapping[str, str],
    ) -> Contract:
        """Return what a model's file says of itself; see ``write``."""
        height, width, channels = self.dataset.shape
        graph = payload.graph
        in_scale, in_zero = _quantization(graph.inputs[0])
        out_scale, out_zero = _quantization(graph.outputs[0])
        return Contract(
            model=self.recipe.model.name,
            variant=variant,
            labels=self.dataset.class_names,
            input=InputSpec(
                height=height,
                width=width,
                channels=channels,
                dtype=graph.inputs[0].dtype,
                scale=in_scale,
                zero_point=in_zero,
            ),
            output=OutputSpec(
                dtype=graph.outputs[0].dtype,
                kind=self.output_kind,
                scale=out_scale,
                zero_point=out_zero,
            ),
            resize=self.recipe.data.resize,
            payload_sha256=hashlib.sha256(payload.data).hexdigest(),
            source_sha256=self.source.sha256,
            calibration_sha256=None if calibration is None else calibration.record["sha256"],
            min_runtime=dict(graph.min_runtime),
            created_by=converter_versions(repair=self.recipe.convert.repair),
            float_layers=float_layers,
        )


def reason_of(error: EdgeError) -> str:
    """Return why a variant could not be made, in one line of a row."""
    reason = error.problem + (f": {error.observed}" if error.observed is not None else "")
    return "".join(char if char.isprintable() else "?" for char in reason)


def _quantization(end: Tensor) -> tuple[float, int]:
    """Return scale and zero point of an integer end; 1 and 0 for a float one."""
    if end.dtype == "float32" or end.quantization is None:
        return 1.0, 0
    return end.quantization.scales[0], end.quantization.zero_points[0]


def kind_of(model: SourceModel, scorer: FloatScorer, dataset: Dataset) -> str:
    """Return what a model's scores are: ``probabilities`` or ``logits``.

    Raises:
        ScoreError: If the model answers with NaN or infinity.
        SourceModelError: If its scores are neither.
    """
    return model.output_kind or kind_of_scores(
        scorer.raw(dataset.test.pixels[:_KIND_IMAGES]), model.computes
    )


def write_reference(
    workspace: Workspace,
    staged: Staging,
    source: Source,
    scorer: FloatScorer,
    kind: str,
    input_range: str,
    dataset: Dataset,
    progress: Progress,
) -> bool:
    """Make sure that the build has the model's own scores on the test images.

    Returns:
        Whether the reference is a file of this stage (it may be the train stage's, and is left
        alone then).

    Raises:
        ScoreError: If the model answers with NaN or infinity.
        WorkspaceError: If the file cannot be written.
    """
    test = dataset.test
    path = workspace.path(Workspace.REFERENCE)
    digest = images_digest(test.pixels)
    stages = workspace.manifest()["stages"]
    ours = Workspace.REFERENCE in stages.get("convert", {}).get("files", [])
    if path.is_file() and (not ours or _scored_alike(workspace.manifest(), input_range)):
        try:
            known = read_reference(path)
        except WorkspaceError:
            known = None  # damaged; made again
        if (
            known is not None
            and known.model_sha256 == source.sha256
            and known.images_sha256 == digest
            and tuple(known.class_names) == dataset.class_names
            and np.array_equal(known.labels, test.labels)
            # The train stage's own file is not changed behind its back: it would train anew.
            and not (ours and known.noise_scores is None)
        ):
            return ours
    reference = Reference.asked(
        lambda pixels: scorer.probabilities(pixels, kind, progress=progress, title="reference"),
        test,
        probes=probes(dataset.shape),
        model_sha256=source.sha256,
        class_names=dataset.class_names,
    )
    reference.write(staged.path(Workspace.REFERENCE))
    return True


def _scored_alike(manifest: Mapping[str, Any], input_range: str) -> bool:
    """Tell whether a conversion's reference was made by the rules of today, and from one range.

    Before, it could be the scores of a copy of the model; such a manifest holds no comparison.
    """
    source = manifest.get("source", {})
    return "compared" in source and source.get("range") == input_range


def write_golden_file(
    staged: Staging,
    rows: Sequence[VariantRow],
    scorer: FloatScorer,
    kind: str,
    shape: tuple[int, int, int],
    resize: str,
) -> tuple[int, list[VariantRow]]:
    """Choose golden vectors for the artifacts made, and write them.

    Returns:
        How many there are (without any, the file still holds the cases of preprocessing), and the
        rows: an artifact that does not run here is a failed variant, and its file is gone.

    Raises:
        WorkspaceError: If the file cannot be written.
    """
    made = {row.variant: staged.path(row.file) for row in rows if row.file is not None}
    if not made:
        return 0, list(rows)
    golden, failures = choose_golden(
        lambda pixels: scorer.probabilities(pixels, kind), made, shape=shape, resize=resize
    )
    try:
        write_golden(staged.path(Workspace.GOLDEN), golden)
    except OutputError as error:  # the runner's own; in a build it is as any other file
        raise WorkspaceError(
            error.problem, observed=error.observed, expected=error.expected, remedy=error.remedy
        ) from error
    for variant in failures:
        made[variant].unlink(missing_ok=True)
    if len(failures) == len(made):
        staged.path(Workspace.GOLDEN).unlink()  # of no file
    return len(golden.images), [
        _failed(row, failures[row.variant], made[row.variant]) if row.variant in failures else row
        for row in rows
    ]


def _failed(row: VariantRow, error: EdgeError, path: Path) -> VariantRow:
    # Where the file was made is gone by the time that this is read.
    said = f"{error.problem} ({error.observed})" if error.observed else error.problem
    reason = f"it does not run: {said.replace(str(path), path.name)}"
    return dataclasses.replace(
        row, status="failed", file=None, bytes=None, sha256=None, reason=reason
    )
