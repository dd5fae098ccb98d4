"""The convert stage: a float model to a build full of self-describing files."""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgecnn.build.artifact import write_labels
from edgecnn.build.keras_settings import start_keras
from edgecnn.build.staging import Staging, staging
from edgecnn.build.verdict import ExaminedModel, Examiner, Judge, Unseen
from edgecnn.build.workspace import Workspace
from edgecnn.convert.calibration import calibration_for
from edgecnn.convert.earlier import check_same_data, check_same_model, refuse_losses, stale_files
from edgecnn.convert.memory import memory_warning
from edgecnn.convert.result import Conversion, Laps, VariantRow
from edgecnn.convert.runtimes import TargetRuntime, converter_versions, parse_runtime
from edgecnn.convert.source.paths import Source
from edgecnn.data import Dataset, in_class_order
from edgecnn.data.calibration import CalibrationSet
from edgecnn.errors import EdgeError, LabelsError, SourceModelError
from edgecnn.files import canonical_digest, write_json
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.quiet import captured_log
from edgecnn.recipe.load import Recipe
from edgecnn_runner.contract import RESIZE_RULE
from edgecnn_runner.input_options import check_channels

if TYPE_CHECKING:
    from edgecnn.convert.files import Maker
    from edgecnn.convert.graph.deployable import Deployable
    from edgecnn.convert.graph.onnx_direct import DirectOnnx
    from edgecnn.convert.repair.stage import Repairer
    from edgecnn.convert.scoring import FloatScorer
    from edgecnn.convert.source.model import SourceModel


class LoadedSource:
    """A source whose model was loaded before its images, to know what images it takes.

    Attributes:
        source: The float model.
        size: Height, width (None where the model takes any) and channels of an image.
        seconds: How long the loading took.
    """

    def __init__(self, source: Source, model: SourceModel, seconds: float) -> None:
        self.source, self.seconds = source, seconds
        self.size = (model.height, model.width, model.channels)
        self._model: SourceModel | None = model

    def take(self) -> SourceModel:
        """Return the model, once: whoever converts it lets go of parts of it on the way."""
        if self._model is None:
            raise ValueError("the model was taken before")
        model, self._model = self._model, None
        return model


def load(source: Source, *, progress: Progress = NO_PROGRESS) -> LoadedSource:
    """Load a source whose images are not known yet.

    Args:
        source: The float model.
        progress: Gets a line, and a warning before it where memory will hardly suffice.

    Returns:
        What ``run`` takes as ``loaded``.

    Raises:
        SourceModelError: If the source cannot be loaded, or is no image classifier.
        UsageError: If an input range is missing or given twice.
    """
    warning = memory_warning(source)
    if warning is not None:
        progress.message(f"warning: {warning}")
    begun = time.monotonic()
    # Messages, since where there is no terminal nothing else tells that work is under way.
    progress.message(f"convert: loading {source.path}")
    with captured_log():
        start_keras()
        from edgecnn.convert.source.model import load_source

        model = load_source(source)
    return LoadedSource(source, model, time.monotonic() - begun)


def run(
    source: Source,
    recipe: Recipe,
    workspace: Workspace,
    dataset: Dataset,
    *,
    loaded: LoadedSource | None = None,
    variants: Sequence[str] | None = None,
    runtime: str | None = None,
    judge: Judge | None = None,
    unseen: Unseen | None = None,
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
        loaded: The same source, where it was loaded before; None to load it.
        variants: Instead of ``recipe.convert.variants``.
        runtime: ``NAME==VERSION``, the oldest runtime that every artifact has to load in.
        judge: The gate with the recipe's limits, for ``recipe.convert.repair``; without it
            nothing is repaired.
        unseen: What a model made elsewhere has not seen, which a repair judges by; None for one
            that was trained here.
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
    if loaded is None:
        loaded = load(source, progress=progress)
    with captured_log():
        return _run(
            loaded, recipe, workspace, dataset, wanted, target, judge, unseen, examine, progress
        )


def _run(
    loaded: LoadedSource,
    recipe: Recipe,
    workspace: Workspace,
    dataset: Dataset,
    wanted: tuple[str, ...],
    target: TargetRuntime | None,
    judge: Judge | None,
    unseen: Unseen | None,
    examine: Examiner | None,
    progress: Progress,
) -> Conversion:
    from edgecnn.convert.files import Maker, kind_of, write_golden_file, write_reference
    from edgecnn.convert.graph.deployable import deployable_of
    from edgecnn.convert.scoring import FloatScorer, asking
    from edgecnn.convert.source.faithfulness import check_steps, images_to_compare
    from edgecnn.convert.source.onnx_networks import onnx_networks

    source, model = loaded.source, loaded.take()
    laps = Laps(load=loaded.seconds)
    if model.keras_2 is not None:
        progress.message(f"convert: Keras 2 (tf_keras {model.keras_2}) answers for {source.path}")
    given, dataset = dataset, _fitting(source, model, dataset)
    calibration = calibration_for(wanted, recipe, dataset)
    deployable: Deployable | EdgeError
    direct: DirectOnnx | EdgeError | None = None
    notes: tuple[str, ...] = ()
    if model.onnx is None:
        # First, since it refuses a graph that touches files; scoring would run it.
        function = deployable_of(
            model.float32,
            shape=dataset.shape,
            input_range=model.input_range,
            raw=model.frozen_for(dataset.shape),
        )
        model = dataclasses.replace(model, frozen=None)
        _give_memory_back()
        laps.ended("graph")
        scorer = FloatScorer(model)
        kind = kind_of(model, scorer, dataset)
        steps = check_steps(model, function, kind, images_to_compare(dataset), scorer)
        deployable = function.without_source()
        del function  # it holds the weights once more
        laps.ended("comparison")
    else:
        scorer = FloatScorer(model)
        kind = kind_of(model, scorer, dataset)
        made = onnx_networks(
            model,
            kind,
            images_to_compare(dataset),
            opset=recipe.convert.opset,
            ir_version=recipe.convert.ir_version,
            progress=progress,
        )
        deployable, direct, steps, notes = made.deployable, made.direct, made.steps, made.notes
        laps.ended("graph")
    head = model.head.note(dataset.class_names)
    notes += () if head is None else (head,)
    for step in steps[0 if direct is not None else 1 :]:
        progress.message(
            f"convert: {step.name}: scores within {step.difference:.2g} on {step.images} images"
        )
    examined: Mapping[str, Any] = {}
    if examine is not None:
        asked = ExaminedModel(
            ask=asking(model, scorer),
            input_range=model.input_range,
            normalizes=model.normalizes,
            dataset=dataset,
        )
        examined = examine(asked)
        laps.ended("trials")
    workspace.create()
    with staging(workspace) as staged:
        reference = write_reference(
            workspace, staged, source, scorer, kind, model.input_range, dataset, progress
        )
        _give_memory_back()
        laps.ended("reference")
        maker = Maker(
            source=source,
            deployable=deployable,
            recipe=recipe,
            staged=staged,
            dataset=dataset,
            calibration=calibration,
            output_kind=kind,
            target=target,
            direct=direct,
        )
        repairer = _repairer(maker, scorer, judge, unseen, progress)
        rows: list[VariantRow] = []
        with progress.task("convert", len(wanted)) as task:
            for variant in wanted:
                task.note(variant)
                row = maker.make(variant)
                _give_memory_back()
                progress.message(f"convert: {variant} {row.status}")
                rows += _repaired(repairer, row)
                laps.ended(variant)
                task.advance()
        golden, rows = write_golden_file(
            staged, rows, scorer, kind, dataset.shape, recipe.data.resize
        )
        laps.ended("golden")
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
                        "ends_with": model.head.name or kind,
                        "range": model.input_range,
                        "begins_with": model.normalization and str(model.normalization),
                        "computes": model.computes,
                        **({} if model.keras_2 is None else {"keras_2": model.keras_2}),
                        "compared": [step.to_dict() for step in steps],
                        **({} if unseen is None else {"unseen": unseen.to_dict()}),
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
        rows=tuple(rows),
        golden=golden,
        notes=(*notes, *_notes(golden, rows)),
        examined=examined,
        seconds=laps.seconds,
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
    maker: Maker,
    scorer: FloatScorer,
    judge: Judge | None,
    unseen: Unseen | None,
    progress: Progress,
) -> Repairer | None:
    """Return what repairs, where that was asked for and there is something to repair."""
    from edgecnn.convert.repair.stage import Repairer

    if not maker.recipe.convert.repair or judge is None or maker.calibration is None:
        return None
    return Repairer(maker, scorer, judge, progress, unseen=unseen)


def _repaired(repairer: Repairer | None, row: VariantRow) -> list[VariantRow]:
    from edgecnn.convert.repair.stage import REPAIRABLE

    if repairer is None or row.status != "made" or row.variant not in REPAIRABLE:
        return [row]
    return repairer.repair(row)


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
            observed=f"{model.head.units} outputs; {whose} {len(names)} classes",
            expected="two names: one output is of the second of two classes"
            if model.head.units == 1
            else "as many names as outputs, in output order",
            remedy="give the names of all the model's classes, and data of these classes",
        )
    # A labels file says what the model knows, and there may be images of some of it only.
    return in_class_order(dataset, names, unseen=bool(source.labels))


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
