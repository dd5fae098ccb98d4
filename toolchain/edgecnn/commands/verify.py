"""``edgecnn verify`` as a function: verdicts on a build, or on files made elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgecnn.build.class_names import read_class_names
from edgecnn.build.lock import build_lock
from edgecnn.build.workspace import Workspace
from edgecnn.commands.foreign import is_adopted, recorded_reference, reference_of, told_of
from edgecnn.commands.paths import (
    build_of,
    data_section,
    known_classes,
    left_out_of,
    load_data_of_build,
    manifest_recipe,
    of_command_line,
    readers_of,
)
from edgecnn.commands.save_limits import (
    SavedLimits,
    changed_recipe,
    check_request,
    recipe_beside,
    refuse_one_file,
    save,
    saved_values,
)
from edgecnn.errors import (
    EdgeError,
    RowError,
    UsageError,
    WorkspaceError,
    some_of,
)
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe.load import Recipe, load_recipe
from edgecnn.verify.request import ForeignFiles, VerifyRequest
from edgecnn_runner.input_options import check_range

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgecnn.build.reference import PictureScores, Reference
    from edgecnn.build.verdict import Ask, Pixels
    from edgecnn.data import Dataset
    from edgecnn.recipe.sections import CorruptionSettings, Limits
    from edgecnn.verify import (
        EarlierReport,
        Explainer,
        Groups,
        OwnAgreement,
        ParityReport,
        ScoredPictures,
    )
    from edgecnn.verify.foreign.files import FloatModel
    from edgecnn.verify.plan import Planned
    from edgecnn.verify.results import ArtifactRow

_REPORTS: Final = "parity"


@dataclass(frozen=True, kw_only=True)
class VerifyResult:
    """What a verification came to.

    Attributes:
        report: The verdicts. Where the reports could not be written, its ``write_error`` says why.
        page: Where they can be read as a page.
        saved_limits: The limits that the build and its recipe have from now on; None where none
            were to be saved, or the verdicts could not be written.
    """

    report: ParityReport
    page: Path
    saved_limits: SavedLimits | None = None

    @property
    def error(self) -> EdgeError | None:
        """What the exit code is about; None if every file passed."""
        from edgecnn.verify import exit_error

        return exit_error(self.report)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, as in ``parity.json``, and which limits were saved."""
        if self.saved_limits is None:
            return self.report.to_dict()
        return {**self.report.to_dict(), "saved_limits": self.saved_limits.to_dict()}


def verify(request: VerifyRequest, *, progress: Progress = NO_PROGRESS) -> VerifyResult:
    """Verify a build or one of its files, or files that edgecnn did not make.

    Of a build, only a verification here of every file, on every image, with the recipe's limits, or
    with limits that are saved, becomes the build's own; any other is written beside it.

    Args:
        request: What to verify, and how.
        progress: Shows images.

    Returns:
        What it came to. A file that failed is part of it, not an exception.

    Raises:
        WorkspaceError: If there is no such build, or the earlier verification cannot be read.
        DataError: If the images are missing or not those that the build was converted on.
        UsageError: If the request cannot be.
        SourceModelError: If the reference of foreign files cannot be loaded.
    """
    check_folder_of("--junit", request.junit)
    check_folder_of("--markdown", request.markdown)
    if request.save_limits:
        check_request(request)
    if request.foreign is not None:
        return _verify_foreign(request, request.foreign, progress)
    if request.target is None:
        raise ValueError("a request names a build or foreign files")
    return _verify_build(request, request.target, progress)


def _verify_build(request: VerifyRequest, target: Path, progress: Progress) -> VerifyResult:
    from edgecnn import verify as stage
    from edgecnn.build.reference import read_reference
    from edgecnn.data import in_class_order

    _check_alone(request)
    workspace, artifacts = build_of(target)
    with build_lock(workspace.folder, unless_read_only=True):
        recipe = _current(manifest_recipe(workspace), target)
        recipe_file = None
        if request.save_limits:
            refuse_one_file(artifacts, workspace)
            recipe_file = recipe_beside(workspace, target, recipe)
        wanted = {name: value for name, value in request.limits.items() if value is not None}
        if wanted:
            raw = recipe.to_dict()
            raw["limits"] = _replaced(raw["limits"], wanted)
            recipe = of_command_line(raw)
        if recipe_file is not None:
            # Before the work, so that a recipe that cannot be changed is told at once.
            changed_recipe(recipe_file, saved_values(recipe, wanted))
        # Before the verification writes its own, which may be the same file.
        baseline = None if request.baseline is None else earlier(request.baseline)
        groups = own_groups(recipe, instead=request.groups)
        corruptions = _corruptions(recipe, request)
        folder = request.unlabelled or recipe.data.unlabelled
        if request.until_decided and (groups or corruptions or folder):
            groups, corruptions, folder = None, None, None
            progress.message(
                "note: the recipe's groups, corruptions and unlabelled pictures are left out"
            )
        partial = bool(
            artifacts is not None
            or request.images is not None
            or (wanted and not request.save_limits)
            or request.groups
            or request.unlabelled
            or request.until_decided
            or corruptions != own_corruptions(recipe)
        )
        # A model made elsewhere may number its classes otherwise than the data does.
        reference = read_reference(workspace.path(Workspace.REFERENCE))
        recipe, dataset = load_data_of_build(recipe, request.data, workspace, progress)
        elsewhere = is_adopted(workspace) or recipe.model.architecture is None
        dataset = in_class_order(dataset, tuple(reference.class_names), unseen=elsewhere)
        unlabelled = None
        if folder is not None:
            unlabelled = scored_unlabelled(
                folder, recipe, workspace, dataset, keep=request.out is None, progress=progress
            )
        own_scores = None
        if request.scores is not None:
            own_scores = _own_scores(request, workspace, recipe, dataset, reference, progress)
        subject = stage.BuildSubject(
            workspace=workspace,
            dataset=dataset,
            limits=recipe.limits,
            artifacts=artifacts,
            partial=partial,
            baseline=baseline,
            groups=groups,
            unlabelled=unlabelled,
            corruptions=corruptions,
            recipe=recipe.to_dict(),
            own_scores=own_scores,
        )
        report = stage.run(request, subject, progress=progress)
        saved = None
        if request.save_limits and report.write_error is None:
            try:
                saved = save(recipe, wanted, workspace, recipe_file)
            except EdgeError as error:
                # The verdicts, which took minutes, are told all the same.
                report = replace(report, write_error=RowError.of(error))
    place = workspace if request.out is None else Workspace(request.out)
    page = place.path(stage.report_names(partial=partial, device=report.device)[1])
    return VerifyResult(report=report, page=page, saved_limits=saved)


def scored_unlabelled(
    folder: Path,
    recipe: Recipe,
    workspace: Workspace,
    dataset: Dataset,
    *,
    keep: bool,
    progress: Progress,
) -> ScoredPictures:
    """Load pictures without labels, with what the float model itself answers to them.

    A converted file is no stand-in for it: agreement with a copy proves nothing. So the model is
    loaded, in its own framework, the first time that a build is asked about these pictures; its
    answers are kept in the build.

    Args:
        folder: Of the pictures.
        recipe: Says how they are brought to size.
        workspace: A build; holds the float model, or says where it is, and the reference.
        dataset: The build's, labels in the order of the model's outputs.
        keep: Whether to keep the answers in the build.
        progress: Shows pictures.

    Raises:
        DataError: If there is no such folder, or nothing in it that counts.
        WorkspaceError: If the float model is not the one that the reference was computed with.
        SourceModelError: If it cannot be found or loaded.
    """
    from edgecnn.build.reference import (
        PictureScores,
        images_digest,
        read_picture_scores,
        read_reference,
    )
    from edgecnn.data.unlabelled import load_unlabelled
    from edgecnn.files import canonical_digest
    from edgecnn.verify import ScoredPictures

    pictures = load_unlabelled(
        folder, dataset, resize=recipe.data.resize, spent=_chosen_by(workspace), progress=progress
    )
    for reason, count in pictures.left_out.items():
        progress.message(f"note: {count:,} unlabelled pictures are left out: {reason}")
    reference = read_reference(workspace.path(Workspace.REFERENCE))
    digest = images_digest(pictures.pixels)
    key = canonical_digest({"images": digest, "model": reference.model_sha256})
    if workspace.stage_is_current("unlabelled", key):
        saved = read_picture_scores(workspace.path(Workspace.UNLABELLED))
        if saved is not None and len(saved.scores) == len(pictures):
            return ScoredPictures(pictures=pictures, scores=saved.scores)
    progress.message(
        f"verify: loading the float model, to ask it about {len(pictures):,} unlabelled pictures"
    )
    if is_adopted(workspace):
        adopted = recorded_reference(workspace, recipe, dataset.shape, progress=progress)
        scores = adopted.scores(pictures.pixels, dataset.class_names, progress=progress)
    else:
        from edgecnn import convert

        source = convert.find_source(workspace.folder)
        if source.sha256 != reference.model_sha256:
            raise WorkspaceError(
                f"{source.path} is not the float model that this build's reference was computed "
                "with",
                observed=f"sha256 {source.sha256}",
                expected=f"sha256 {reference.model_sha256}",
                remedy="convert the model again: edgecnn convert SOURCE",
            )
        model = convert.ReferenceModel(source, otherwise=source.input_range or "0..255")
        scores = model.scores(pictures.pixels, progress=progress)
    if keep:
        _keep_scores(
            PictureScores(scores=scores, images_sha256=digest, model_sha256=reference.model_sha256),
            workspace,
            key,
        )
    return ScoredPictures(pictures=pictures, scores=scores)


def _chosen_by(workspace: Workspace) -> set[str]:
    """Return the digests of the images by which a repair chose a build's files.

    Raises:
        CalibrationError: If a record of them is damaged.
    """
    from edgecnn.data.calibration import read_calibration

    found: set[str] = set()
    for row in workspace.manifest()["variants"]:
        path = workspace.path(Workspace.calibration_of(str(row["variant"])))
        if (row.get("repair") or {}).get("outcome") in ("recalibrated", "mixed"):
            found.update(read_calibration(path)["selection"]["image_sha256"])
    return found


def _keep_scores(scores: PictureScores, workspace: Workspace, key: str) -> None:
    """Keep the float model's answers in a build, unless that cannot be written."""
    from edgecnn.build.staging import staging

    # A build that may be read only is verified all the same; the model is asked again next time.
    with contextlib.suppress(WorkspaceError), staging(workspace) as staged:
        scores.write(staged.path(Workspace.UNLABELLED))
        with staged.placed():
            workspace.record_stage("unlabelled", key=key, files=[Workspace.UNLABELLED], entries={})


def _own_scores(
    request: VerifyRequest,
    workspace: Workspace,
    recipe: Recipe,
    dataset: Dataset,
    reference: Reference,
    progress: Progress,
) -> OwnAgreement:
    """Compare the user's own scores with the build's reference.

    The float model itself is loaded only where a class differs, to measure what decoding makes and
    to look for what explains it.
    """
    from edgecnn.data.own_scores import read_scores
    from edgecnn.verify import Explainer, Feed, check_own_scores, choose_evaluation, feed_ranges

    assert request.scores is not None  # noqa: S101 - the caller has looked
    images = choose_evaluation(dataset, reference).images
    own = read_scores(request.scores, dataset.class_names, images.ids, others=others_of(dataset))

    def explainer() -> Explainer | None:
        progress.message("verify: loading the float model, since its classes are others")
        model: FloatModel
        ask: Ask
        try:
            if is_adopted(workspace):
                adopted = recorded_reference(workspace, recipe, dataset.shape, progress=progress)
                model = adopted.model

                def ask(pixels: Pixels, name: str) -> npt.NDArray[np.float32]:
                    return adopted.scores(pixels, dataset.class_names, input_range=name)
            else:
                from edgecnn import convert

                source = convert.find_source(workspace.folder)
                model = convert.ReferenceModel(source, otherwise=source.input_range or "0..255")

                def ask(pixels: Pixels, name: str) -> npt.NDArray[np.float32]:
                    return model.scores(pixels, input_range=name)
        except EdgeError as error:
            progress.message(f"note: what explains it cannot be tried: {error.problem}")
            return None
        again, decoded = readers_of(recipe.data, request.data, dataset.shape)
        return Explainer(
            feed=Feed(
                ask=ask,
                input_range=model.input_range,
                ranges=feed_ranges(
                    model.input_range, dataset.shape[2], normalizes=model.normalizes
                ),
                normalizes=model.normalizes,
                seconds=0.0,
                resize=recipe.data.resize,
                again=again,
            ),
            decoded=decoded,
        )

    return check_own_scores(
        own,
        images,
        reference.scores,
        class_names=dataset.class_names,
        explainer=explainer,
    )


def _verify_foreign(
    request: VerifyRequest, files: ForeignFiles, progress: Progress
) -> VerifyResult:
    """Verify files that edgecnn did not make.

    What is cheap to check is checked first: the files are tried before a float model is loaded,
    and the model before images are read.
    """
    from edgecnn import verify as stage
    from edgecnn.data import load_judged_images
    from edgecnn.data.own_scores import read_scores
    from edgecnn.recipe.load import Data
    from edgecnn.recipe.sections import Limits
    from edgecnn.verify.recording import refuse_build

    if request.data is None:
        raise UsageError(
            "the images to judge foreign files on are not named",
            observed="no --data",
            expected="a folder of class folders, cifar10 or digits",
            remedy="name the images: --data PATH",
        )
    check_range(files.input_range, option="--input-range")
    check_range(files.reference_range, option="--reference-range")
    out = request.out or Path(_REPORTS) / files.artifacts[0].name
    refuse_build(out)
    limits = with_limits(Limits(), request.limits)
    groups = None if request.groups is None else stage.read_groups(request.groups)
    labels = read_class_names(files.labels, known=known_classes(request.data))
    # Before this verification writes its own, which may be the same file.
    before = None if request.baseline is None else earlier(request.baseline)
    artifacts, size = _artifacts(files, labels)
    reference = reference_of(files, labels, size, threads=request.threads, progress=progress)
    shape = (None, None, size[2])
    section = Data.model_validate(data_section(request.data, shape, files.preprocessing.resize))
    data = load_judged_images(section, size, progress=progress).in_order_of(labels)
    again, decoded = readers_of(section, None, size)
    own = None if request.scores is None else read_scores(request.scores, labels, data.images.ids)
    progress.message(f"verify: {len(data.images):,} images of {data.name}, {data.rule}")
    subject = stage.ForeignSubject(
        artifacts=artifacts,
        reference=reference,
        data=data,
        limits=limits,
        baseline=before,
        groups=groups,
        again=again,
        own_scores=own,
        decoded=decoded,
    )
    report = stage.run_foreign(replace(request, out=out), subject, progress=progress)
    page = Workspace(out).path(stage.report_names(partial=False, device=report.device)[1])
    return VerifyResult(report=report, page=page)


def _artifacts(
    files: ForeignFiles, labels: tuple[str, ...]
) -> tuple[list[Planned | ArtifactRow], tuple[int, int, int]]:
    """Try each file in another process; return what to run, and the size of its images.

    Raises:
        EdgeError: If there is only one file, or none that can be run, or something has to be said
            by a flag.
        UsageError: If two files take images of different sizes.
    """
    from edgecnn.verify.foreign.files import contract_of
    from edgecnn.verify.plan import Planned
    from edgecnn.verify.rows import failed_row

    told = told_of(files, labels)
    found: list[Planned | ArtifactRow] = []
    sizes: dict[tuple[int, int, int], Path] = {}
    problems: list[EdgeError] = []
    for path in files.artifacts:
        try:
            contract = contract_of(path, told)
        except UsageError:
            raise
        except EdgeError as error:
            problems.append(error)
            found.append(failed_row(path.stem, str(path), path, error))
            continue
        spec = contract.input
        sizes.setdefault((spec.height, spec.width, spec.channels), path)
        if any(one.variant == contract.variant for one in found):
            # So that two rows are told apart where only this is shown.
            contract = replace(contract, variant=f"{contract.variant} {path.name}")
        found.append(
            Planned(variant=contract.variant, file=str(path), path=path, contract=contract)
        )
    if not sizes:
        raise problems[0]
    if len(sizes) > 1:
        raise UsageError(
            "the artifacts take images of different sizes",
            observed=some_of((f"{path}: {size}" for size, path in sizes.items()), joint="; "),
            expected="one height, width and number of channels",
            remedy="verify them one after another",
        )
    return found, next(iter(sizes))


def others_of(dataset: Dataset) -> tuple[str, ...]:
    """Return the images of a data set that are not evaluated: scores of theirs are no mistake."""
    return (*dataset.train.ids, *dataset.validation.ids, *left_out_of(dataset))


def _current(recipe: Recipe, target: Path) -> Recipe:
    """Return a build's recipe with what a recipe that was named judges by now.

    Limits, groups and corruptions are no part of what was converted, so that a change of them in
    the recipe counts at once.
    """
    is_recipe = target.suffix == ".toml" or not Workspace(target).is_build()
    if not is_recipe or (target.is_file() and target.suffix != ".toml"):
        return recipe
    named = load_recipe(target)
    data = recipe.data.model_copy(
        update={"groups": named.data.groups, "unlabelled": named.data.unlabelled}
    )
    return recipe.model_copy(
        update={"limits": named.limits, "corruptions": named.corruptions, "data": data}
    )


def earlier(path: Path) -> EarlierReport:
    """Read an earlier verification to compare with.

    Args:
        path: Its ``parity.json``, or the folder that holds it.

    Raises:
        WorkspaceError: If it cannot be read.
    """
    from edgecnn import verify as stage

    # These two answer no, and raise nothing, where a name is too long.
    file = path / Workspace.PARITY if os.path.isdir(path) else path  # noqa: PTH112
    if not os.path.isfile(file):  # noqa: PTH113
        raise WorkspaceError(
            f"--baseline {path} names no earlier verification",
            observed=f"there is no file {file}",
            expected="a parity.json that edgecnn verify wrote, or a folder that holds one",
            remedy="name the parity.json of an earlier verification, or leave --baseline out",
        )
    return stage.EarlierReport(report=stage.read_report(file), source=str(file))


def own_groups(recipe: Recipe, *, instead: Path | None = None) -> Groups | None:
    """Read the table of groups that a recipe names.

    Args:
        recipe: May name one.
        instead: A table to read in its place.

    Returns:
        None if there is no table.

    Raises:
        DataError: If the table cannot be read, or is none of groups.
    """
    from edgecnn.verify import read_groups

    path = recipe.data.groups if instead is None else instead
    return None if path is None else read_groups(path)


def own_corruptions(recipe: Recipe) -> CorruptionSettings | None:
    """Return how a recipe's verdicts are judged under corruptions; None if they are not."""
    return None if recipe.limits.max_corruption_drop is None else recipe.corruptions


def _corruptions(recipe: Recipe, request: VerifyRequest) -> CorruptionSettings | None:
    if request.corruption_images is not None:
        return recipe.corruptions.model_copy(update={"images": request.corruption_images})
    return recipe.corruptions if request.corruptions else own_corruptions(recipe)


def _check_alone(request: VerifyRequest) -> None:
    """Refuse to look at groups or corrupted images, which want many images, with few of them."""
    with_it = {
        "--groups": request.groups,
        "--unlabelled": request.unlabelled,
        "--corruptions": request.corruptions,
        "--corruption-images": request.corruption_images,
        "--max-gap-increase": request.limits.get("max_gap_increase"),
        "--max-corruption-drop": request.limits.get("max_corruption_drop"),
    }
    given = [option for option, value in with_it.items() if value]
    if request.until_decided and given:
        raise UsageError(
            "--until-decided uses as few images as the verdict needs, which tell nothing of "
            "groups, of corrupted images or of pictures without labels",
            observed=f"--until-decided with {', '.join(given)}",
            expected="one of the two",
            remedy=f"leave out {' and '.join(given)}, or --until-decided",
        )


def with_limits(limits: Limits, wanted: Mapping[str, float | str | None]) -> Limits:
    """Return limits of which some are replaced; None leaves one as it is.

    Raises:
        UsageError: If one cannot be.
    """
    given = {name: value for name, value in wanted.items() if value is not None}
    own = limits.model_dump(mode="json")
    return of_command_line({"model": {"name": "limits"}, "limits": _replaced(own, given)}).limits


def _replaced(limits: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return resolved limits of which some are replaced, as a recipe that states these would."""
    kept = dict(limits)
    if "min_agreement" in given:
        # Stated, it is about all answers, unless that is stated, too.
        kept.pop("agreement_on", None)
    return {**kept, **given}


def check_folder_of(option: str, file: Path | None) -> None:
    """Refuse a file that could not be written for want of its folder, before minutes of work.

    Raises:
        UsageError: If there is no such folder.
    """
    if file is not None and not os.path.isdir(file.parent):  # noqa: PTH112 - names may be too long
        raise UsageError(
            f"{option} {file} is in a folder that does not exist",
            observed=f"no folder {file.parent}",
            expected="a file in a folder that exists",
            remedy="make the folder first, or name a file elsewhere",
        )
