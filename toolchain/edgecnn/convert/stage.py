"""The convert stage: a float model to a build full of self-describing files."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgecnn.build.artifact import write_labels
from edgecnn.build.keras_settings import start_keras
from edgecnn.build.staging import Staging, staging
from edgecnn.build.verdict import ExaminedModel, Examiner, Judge
from edgecnn.build.workspace import Workspace
from edgecnn.convert.calibration import calibration_for
from edgecnn.convert.earlier import check_same_data, check_same_model, refuse_losses, stale_files
from edgecnn.convert.result import Conversion, VariantRow
from edgecnn.convert.runtimes import TargetRuntime, converter_versions, parse_runtime
from edgecnn.convert.source.paths import Source
from edgecnn.data import Dataset, in_class_order
from edgecnn.data.calibration import CalibrationSet
from edgecnn.errors import LabelsError, SourceModelError
from edgecnn.files import canonical_digest, write_json
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.quiet import captured_log
from edgecnn.recipe.load import Recipe
from edgecnn_runner.contract import RESIZE_RULE
from edgecnn_runner.input_options import check_channels

if TYPE_CHECKING:
    from edgecnn.convert.files import Maker
    from edgecnn.convert.repair.stage import Repairer
    from edgecnn.convert.scoring import FloatScorer
    from edgecnn.convert.source.model import SourceModel


def run(
    source: Source,
    recipe: Recipe,
    workspace: Workspace,
    dataset: Dataset,
    *,
    variants: Sequence[str] | None = None,
    runtime: str | None = None,
    judge: Judge | None = None,
    examine: Examiner | None = None,
    progress: Progress = NO_PROGRESS,
) -> Conversion:
    """Convert a float model to every variant asked for.

    A variant that cannot be made, or that ``runtime`` cannot load, is a row with its reason; the
    others go on. All files are put in place together, immediately before the manifest that names
    them is written: a run that fails leaves a build as it was.

    Args:
        source: The float model; see ``find_source``.
        recipe: Gives model name, calibration, ONNX opset and IR version, and the variants.
        workspace: The build to fill.
        dataset: Its train split calibrates, its test split makes the reference scores.
        variants: Instead of ``recipe.convert.variants``.
        runtime: ``NAME==VERSION``, the oldest runtime that every artifact has to load in.
        judge: The gate with the recipe's limits, for ``recipe.convert.repair``; without it
            nothing is repaired.
        examine: Looks at the float model before anything is made of it or written; None for a
            model that was trained on these very pixels.
        progress: Gets a task for the variants, one for the reference where it is made, and one
            for each repair.

    Returns:
        A row per variant; ``exit_error`` says whether any is missing.

    Raises:
        UsageError: If ``runtime`` is no runtime, or an input range is missing or given twice.
        SourceModelError: If the source cannot be loaded, is no image classifier, or takes images
            of another size than the data set's.
        FaithfulnessError: If what is made of the model answers otherwise than the model itself.
        ScoreError: If the float model answers with NaN.
        LabelsError: If labels, outputs and classes differ in number or name.
        DataError: If the build was trained on other images.
        CalibrationError: If there are too few calibration images.
        ConversionError: If the build has a sound file of a variant that was not made again.
        WorkspaceError: If the build cannot be written, or holds another trained model.
        EdgeError: Whatever ``examine`` raises.
    """
    target = None if runtime is None else parse_runtime(runtime)
    check_same_model(source, workspace)
    check_same_data(source, dataset)
    wanted = tuple(variants or recipe.convert.variants)
    with captured_log():
        return _run(source, recipe, workspace, dataset, wanted, target, judge, examine, progress)


def _run(
    source: Source,
    recipe: Recipe,
    workspace: Workspace,
    dataset: Dataset,
    wanted: tuple[str, ...],
    target: TargetRuntime | None,
    judge: Judge | None,
    examine: Examiner | None,
    progress: Progress,
) -> Conversion:
    start_keras()
    from edgecnn.convert.files import Maker, kind_of, write_golden_file, write_reference
    from edgecnn.convert.graph.deployable import deployable_of
    from edgecnn.convert.scoring import FloatScorer, asking
    from edgecnn.convert.source.faithfulness import check_steps, images_to_compare
    from edgecnn.convert.source.model import load_source

    # Messages, since where there is no terminal nothing else tells that work is under way.
    progress.message(f"convert: loading {source.path}")
    model = load_source(source)
    given, dataset = dataset, _fitting(source, model, dataset)
    calibration = calibration_for(wanted, recipe, dataset)
    # First, since it refuses a graph that touches files; scoring would run it.
    deployable = deployable_of(model.float32, shape=dataset.shape, input_range=model.input_range)
    scorer = FloatScorer(model)
    kind = kind_of(model, scorer, dataset)
    steps = check_steps(model, deployable, kind, images_to_compare(dataset))
    for step in steps[1:]:
        progress.message(
            f"convert: {step.name}: scores within {step.difference:.2g} on {step.images} images"
        )
    examined: Mapping[str, Any] = {}
    if examine is not None:
        asked = ExaminedModel(
            ask=asking(model),
            input_range=model.input_range,
            normalizes=model.normalizes,
            dataset=dataset,
        )
        examined = examine(asked)
    workspace.create()
    with staging(workspace) as staged:
        reference = write_reference(
            workspace, staged, source, scorer, kind, model.input_range, dataset, progress
        )
        _give_memory_back()
        maker = Maker(
            source=source,
            deployable=deployable,
            recipe=recipe,
            staged=staged,
            dataset=dataset,
            calibration=calibration,
            output_kind=kind,
            target=target,
        )
        repairer = _repairer(maker, scorer, judge, progress)
        rows: list[VariantRow] = []
        with progress.task("convert", len(wanted)) as task:
            for variant in wanted:
                task.note(variant)
                row = maker.make(variant)
                _give_memory_back()
                progress.message(f"convert: {variant} {row.status}")
                rows += _repaired(repairer, row)
                task.advance()
        golden, rows = write_golden_file(
            staged, rows, scorer, kind, dataset.shape, recipe.data.resize
        )
        refuse_losses(workspace, source, rows)
        files = [row.file for row in rows if row.file is not None]
        files += [Workspace.GOLDEN] if files else []
        files += [Workspace.REFERENCE] if reference else []
        files += _write_records(workspace, staged, dataset, calibration)
        files += [] if repairer is None else repairer.write_records()
        runtime = None if target is None else str(target)
        with staged.placed(removed=stale_files(workspace, files)):
            workspace.record_stage(
                "convert",
                key=key(source, recipe, given, variants=wanted, runtime=runtime),
                files=files,
                entries={
                    "recipe": recipe.to_dict(),
                    "source": {
                        **source.to_dict(),
                        "output": kind,
                        "range": model.input_range,
                        "begins_with": model.normalization and str(model.normalization),
                        "computes": model.computes,
                        "compared": [step.to_dict() for step in steps],
                    },
                    "tools": {
                        **workspace.manifest().get("tools", {}),
                        **converter_versions(repair=recipe.convert.repair),
                    },
                    "variants": [row.to_dict() for row in rows],
                    "calibration_sha256": calibration and calibration.record["sha256"],
                    "golden": golden,
                    "runtime": runtime,
                    **({} if examine is None else {"examined": dict(examined)}),
                },
            )
    return Conversion(
        rows=tuple(rows), golden=golden, notes=_notes(golden, rows), examined=examined
    )


def key(
    source: Source,
    recipe: Recipe,
    dataset: Dataset,
    *,
    variants: Sequence[str] | None = None,
    runtime: str | None = None,
) -> str:
    """Return the digest of everything that ``run`` with these arguments depends on.

    TensorFlow is not imported for it.
    """
    repair, resize = recipe.convert.repair, recipe.data.resize
    return canonical_digest(
        {
            "source": source.sha256,
            "input_range": source.input_range,
            "labels": list(source.labels or ()),
            "model": recipe.model.name,
            # Without repair as it was before there was one: earlier builds stay up to date.
            "convert": recipe.convert.model_dump(
                mode="json", exclude=None if repair else {"repair"}
            ),
            **({"limits": _judged_by(recipe)} if repair else {}),
            # Likewise. Images that are all of the model's size do not tell one rule from another.
            **({} if resize == RESIZE_RULE else {"resize": resize}),
            "calibration": recipe.calibration.model_dump(mode="json"),
            "variants": list(variants or recipe.convert.variants),
            "dataset": dataset.digest(),
            "runtime": None if runtime is None else str(parse_runtime(runtime)),
            "tools": converter_versions(repair=repair),
        }
    )


def _judged_by(recipe: Recipe) -> dict[str, Any]:
    """Return the limits that a repair's candidates are judged by; others need no conversion."""
    names = {"max_drop", "min_agreement", "max_class_drop"}
    # Only where it is not as it was before there was a choice: earlier builds stay up to date.
    names |= {"agreement_on"} if recipe.limits.agreement_on == "clear" else set()
    return recipe.limits.model_dump(mode="json", include=names)


def _give_memory_back() -> None:
    """Give back what a converter has freed, where the C library keeps it: 0.2 GB a variant."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:  # glibc has it, musl and macOS do not
        trim(0)


def _repairer(
    maker: Maker, scorer: FloatScorer, judge: Judge | None, progress: Progress
) -> Repairer | None:
    """Return what repairs, where that was asked for and there is something to repair."""
    from edgecnn.convert.repair.stage import Repairer

    if not maker.recipe.convert.repair or judge is None or maker.calibration is None:
        return None
    return Repairer(maker, scorer, judge, progress)


def _repaired(repairer: Repairer | None, row: VariantRow) -> list[VariantRow]:
    from edgecnn.convert.repair.stage import REPAIRABLE

    if repairer is None or row.status != "made" or row.variant not in REPAIRABLE:
        return [row]
    return repairer.repair(row)


def input_size(source: Source) -> tuple[int | None, int | None, int]:
    """Load a source and return what images it takes.

    Args:
        source: The float model.

    Returns:
        Height, width (None where the model takes any) and channels.

    Raises:
        SourceModelError: If the source cannot be loaded, or is no image classifier.
        UsageError: If an input range is missing or given twice.
    """
    with captured_log():
        start_keras()
        from edgecnn.convert.source.model import load_source

        model = load_source(source)
    return model.height, model.width, model.channels


def _fitting(source: Source, model: SourceModel, dataset: Dataset) -> Dataset:
    """Check that model, labels and data belong together; bring labels into output order."""
    wanted = (model.height, model.width, model.channels)
    if any(side not in (None, found) for side, found in zip(wanted, dataset.shape, strict=True)):
        raise SourceModelError(
            f"{source.path} takes images of another size than the data set's",
            observed=f"the data set has height, width, channels {dataset.shape}",
            expected=f"{wanted}",
            remedy="set data.image_size and data.channels in the recipe to the model's own",
        )
    check_channels(source.path, model.input_range, model.channels)
    names = source.labels or dataset.class_names
    if len(names) != model.classes:
        whose = "the labels file names" if source.labels else "the data set has"
        raise LabelsError(
            f"{source.path} does not have one output per class",
            observed=f"{model.classes} outputs; {whose} {len(names)} classes",
            expected="as many names as outputs, in output order",
            remedy="give the names of all the model's classes, and data of these classes",
        )
    return in_class_order(dataset, names)


def _write_records(
    workspace: Workspace, staged: Staging, dataset: Dataset, calibration: CalibrationSet | None
) -> list[str]:
    """Write what verification needs beside artifacts and reference; return the names."""
    written = []
    if calibration is not None:
        write_json(staged.path(Workspace.CALIBRATION), calibration.record)
        written.append(Workspace.CALIBRATION)
    trained_here = "train" in workspace.manifest()["stages"]
    if not trained_here:
        write_labels(staged.path(Workspace.LABELS), dataset.class_names)
        write_json(staged.path(Workspace.SPLITS), dataset.splits())
        written += [Workspace.LABELS, Workspace.SPLITS]
    return written


def _notes(golden: int, rows: Sequence[VariantRow]) -> tuple[str, ...]:
    from edgecnn.convert.golden import GOLDEN_COUNT
    from edgecnn_runner.golden import MIN_MARGIN

    if golden >= GOLDEN_COUNT or not any(row.status == "made" for row in rows):
        return ()
    found = "no" if golden == 0 else f"only {golden}"
    return (
        f"{found} golden vectors of {GOLDEN_COUNT}: the model is not sure of more generated "
        f"pictures (margin {MIN_MARGIN}), or its artifacts disagree on them",
    )
