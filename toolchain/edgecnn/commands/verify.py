"""What ``edgecnn verify`` was asked for, and the verification that it comes to."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.build.lock import build_lock
from edgecnn.build.workspace import Workspace
from edgecnn.commands.convert import of_command_line
from edgecnn.commands.paths import build_of, load_data_of_build, manifest_recipe
from edgecnn.errors import EdgeError, UsageError, WorkspaceError
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe.load import Recipe, load_recipe

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgecnn.build.reference import Reference
    from edgecnn.build.verdict import Again
    from edgecnn.data import Dataset
    from edgecnn.devices import DeviceOptions
    from edgecnn.recipe.load import Data
    from edgecnn.recipe.sections import CorruptionSettings, Limits
    from edgecnn.verify import (
        Decoded,
        EarlierReport,
        Explainer,
        Groups,
        OwnAgreement,
        ParityReport,
    )


@dataclass(frozen=True, kw_only=True)
class VerifyRequest:
    """What ``edgecnn verify`` was asked for; None means the recipe's own, or all.

    Attributes:
        target: A build, a recipe that was built, or an artifact.
        data: Folder of the images, where the build's recipe no longer finds them.
        images: How many evaluation images; None for all.
        limits: Limits that replace the recipe's, numbers or texts such as ``1%``; None leaves one
            as it is.
        until_decided: Use only as many images as each verdict needs.
        groups: A table of groups of images to compare in place of the recipe's.
        corruptions: Whether to corrupt images where the recipe does not ask for it, too.
        corruption_images: How many of them, in place of the recipe's number.
        explain: Whether to compare files with their float file layer by layer, too.
        threads: Threads of each runtime.
        out: Folder for the reports in place of the build, which is then left as it is.
        junit: Where to write the verdicts as JUnit XML, too.
        markdown: Where to write a summary as Markdown, too.
        baseline: ``parity.json`` of an earlier verification to compare with; None for none.
        device: Where to run the files; None for here.
        scores: The user's own scores of the images, to compare the float model's with.
    """

    target: Path
    data: str | None = None
    images: int | None = None
    limits: Mapping[str, float | str | None] = field(default_factory=dict)
    groups: Path | None = None
    until_decided: bool = False
    corruptions: bool = False
    corruption_images: int | None = None
    explain: bool = False
    threads: int = 1
    out: Path | None = None
    junit: Path | None = None
    markdown: Path | None = None
    baseline: Path | None = None
    device: DeviceOptions | None = None
    scores: Path | None = None


def verify(
    request: VerifyRequest, *, progress: Progress = NO_PROGRESS
) -> tuple[ParityReport, Path]:
    """Verify a build, or one of its files.

    Only a verification here of every file, on every image, with the recipe's limits becomes the
    build's own; any other is written beside it.

    Args:
        request: What to verify, and how.
        progress: Shows images.

    Returns:
        The report, and where it can be read as a page. Where it could not be written, its
        ``write_error`` says why.
    """
    from edgecnn import verify as stage
    from edgecnn.build.reference import read_reference
    from edgecnn.data import in_class_order

    check_folder_of("--junit", request.junit)
    check_folder_of("--markdown", request.markdown)
    _check_alone(request)
    workspace, artifacts = build_of(request.target)
    with build_lock(workspace.folder, unless_read_only=True):
        recipe = _current(manifest_recipe(workspace), request.target)
        wanted = {name: value for name, value in request.limits.items() if value is not None}
        if wanted:
            raw = recipe.to_dict()
            raw["limits"] = {**raw["limits"], **wanted}
            recipe = of_command_line(raw)
        # Before the verification writes its own, which may be the same file.
        baseline = None if request.baseline is None else earlier(request.baseline)
        groups = own_groups(recipe, instead=request.groups)
        corruptions = _corruptions(recipe, request)
        if request.until_decided and (groups or corruptions):
            groups, corruptions = None, None
            progress.message("note: the recipe's groups and corruptions are left out")
        partial = bool(
            artifacts is not None
            or request.images is not None
            or wanted
            or request.groups
            or request.until_decided
            or corruptions != own_corruptions(recipe)
        )
        # A model made elsewhere may number its classes otherwise than the data does.
        reference = read_reference(workspace.path(Workspace.REFERENCE))
        recipe, dataset = load_data_of_build(recipe, request.data, workspace, progress)
        dataset = in_class_order(dataset, tuple(reference.class_names))
        own_scores = None
        if request.scores is not None:
            own_scores = _own_scores(request, workspace, recipe, dataset, reference, progress)
        report = stage.run(
            workspace,
            dataset,
            limits=recipe.limits,
            artifacts=artifacts,
            images=request.images,
            threads=request.threads,
            partial=partial,
            out=request.out,
            junit=request.junit,
            markdown=request.markdown,
            baseline=baseline,
            device=request.device,
            groups=groups,
            until_decided=request.until_decided,
            corruptions=corruptions,
            explain=request.explain,
            recipe=recipe.to_dict(),
            own_scores=own_scores,
            progress=progress,
        )
    place = workspace if request.out is None else Workspace(request.out)
    return report, place.path(stage.report_names(partial=partial, device=report.device)[1])


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
        from edgecnn import convert

        progress.message("verify: loading the float model, since its classes are others")
        try:
            source = convert.find_source(workspace.folder)
            model = convert.ReferenceModel(source, otherwise=source.input_range or "0..255")
        except EdgeError as error:
            progress.message(f"note: what explains it cannot be tried: {error.problem}")
            return None
        again, decoded = readers_of(recipe.data, request.data, dataset.shape)
        return Explainer(
            feed=Feed(
                ask=lambda pixels, name: model.scores(pixels, input_range=name),
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


def others_of(dataset: Dataset) -> tuple[str, ...]:
    """Return the images of a data set that are not evaluated: scores of theirs are no mistake."""
    return (*dataset.train.ids, *dataset.validation.ids, *left_out_of(dataset))


def left_out_of(dataset: Dataset) -> tuple[str, ...]:
    """Return the images that are in no split of a data set, since something is wrong with them."""
    return (
        *dataset.dropped,
        *(name for name, _ in dataset.skipped),
        *(name for alike in dataset.conflicting for name in alike),
    )


def readers_of(
    section: Data, data: str | None, shape: tuple[int, int, int]
) -> tuple[Again | None, Decoded | None]:
    """Return what reads images again: by other resize rules, and by another decoder.

    Args:
        section: The recipe's ``data`` section.
        data: What the command line named in place of its folder.
        shape: Height, width and channels of the images.

    Returns:
        None and None where images are no files: they have one size, and one meaning to the bit.
    """
    from edgecnn.data import FolderAgain, folder_of

    folder = folder_of(section, data)
    if folder is None:
        return None, None
    again = FolderAgain(folder, shape)

    def decoded(ids: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        from edgecnn.convert import png_copy

        return again.copies(ids, section.resize, png_copy)

    return again, decoded


def _current(recipe: Recipe, target: Path) -> Recipe:
    """Return a build's recipe with what a recipe that was named judges by now.

    Limits, groups and corruptions are no part of what was converted, so that a change of them in
    the recipe counts at once.
    """
    is_recipe = target.suffix == ".toml" or not Workspace(target).is_build()
    if not is_recipe or (target.is_file() and target.suffix != ".toml"):
        return recipe
    named = load_recipe(target)
    data = recipe.data.model_copy(update={"groups": named.data.groups})
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
        DataError: See ``edgecnn.verify.read_groups``.
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
        "--corruptions": request.corruptions,
        "--corruption-images": request.corruption_images,
        "--max-gap-increase": request.limits.get("max_gap_increase"),
        "--max-corruption-drop": request.limits.get("max_corruption_drop"),
    }
    given = [option for option, value in with_it.items() if value]
    if request.until_decided and given:
        raise UsageError(
            "--until-decided uses as few images as the verdict needs, which tell nothing of groups "
            "or of corrupted images",
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
    raw = {"model": {"name": "limits"}, "limits": {**limits.model_dump(mode="json"), **given}}
    return of_command_line(raw).limits


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
