"""``edgecnn convert`` as a function: the recipe, build and files that a request comes to."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgecnn.build.artifact import asked_for
from edgecnn.build.class_names import read_class_names
from edgecnn.build.lock import build_lock
from edgecnn.build.workspace import Workspace, default_build_folder
from edgecnn.commands.paths import (
    data_section,
    known_classes,
    left_out_of,
    load_data_of_build,
    manifest_recipe,
    of_command_line,
    readers_of,
    resize_keys,
)
from edgecnn.errors import DataError, EdgeError, LabelsError, UsageError, some_of
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe.load import Recipe, load_recipe, parse_recipe
from edgecnn.report.text import count_text
from edgecnn_runner.contract import parse_resize
from edgecnn_runner.input_options import NOTHING_SAID, Preprocessing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgecnn.build.usefulness import AgainstGuessing
    from edgecnn.build.verdict import ExaminedModel, Examiner, Judge, Unseen
    from edgecnn.convert import Conversion, LoadedSource, Source
    from edgecnn.data import Dataset, Images
    from edgecnn.verify import OwnAgreement, Tried

CONVERT_SCHEMA: Final = 1

_MOST_SCORES: Final = 2000
"""Images whose scores a conversion compares with the user's own, where there are more."""

_CLASSES_OF_BOTH: Final = 10  # CIFAR-10 and the embedded digits


@dataclass(frozen=True, kw_only=True)
class ConvertRequest:
    """What ``edgecnn convert`` was asked for; None and empty mean the recipe's own.

    Attributes:
        source: A build, a recipe folder, or a model made elsewhere.
        out: Build folder; None for the source's own, or ``build/<name>`` for a model made
            elsewhere.
        variants: Names of variants.
        data: Data set or folder; see ``locate.data_section``.
        labels: File with class names.
        weights: File with the weights of an architecture.
        preprocessing: How a model made elsewhere was fed.
        image_size: Side of the images, or height and width as ``96x128``, of a model made elsewhere
            that takes any size.
        opset: ONNX opset.
        ir_version: ONNX IR version.
        runtime: ``NAME==VERSION`` of the runtime that must be able to load the files.
        repair: Whether to mend int8 files that miss the limits.
        as_is: Whether to convert a model that is right on more images in another way, too.
        unlabelled: Folder of pictures that a model made elsewhere has not seen, by which a repair
            judges; labels are not needed.
        unseen_data: Whether it has seen none of the images of ``data``; a repair then judges by
            their validation split.
        scores: The user's own scores of the images, to compare the float model's with.
        min_accuracy: What every file has to reach, a number or a text such as ``80%``; for the
            verification, and for what is said of the float model.
    """

    source: Path
    out: Path | None = None
    variants: tuple[str, ...] = ()
    data: str | None = None
    labels: Path | None = None
    weights: Path | None = None
    preprocessing: Preprocessing = NOTHING_SAID
    image_size: str | None = None
    opset: int | None = None
    ir_version: int | None = None
    runtime: str | None = None
    repair: bool | None = None
    as_is: bool = False
    unlabelled: Path | None = None
    unseen_data: bool = False
    scores: Path | None = None
    min_accuracy: float | str | None = None


@dataclass(frozen=True, kw_only=True)
class ConvertResult:
    """What a conversion came to.

    Attributes:
        build: The build that holds the files.
        conversion: A row per variant asked for.
        float_model: What the float model is right on, beside guessing.
        error: What the exit code is about: a float model that is no better than guessing first,
            then variants that could not be made; None if all is well.
    """

    build: Path
    conversion: Conversion
    float_model: AgainstGuessing
    error: EdgeError | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, without the error."""
        return {
            "schema": CONVERT_SCHEMA,
            "build": str(self.build),
            "variants": self.conversion.to_rows(),
            "float_model": self.float_model.to_dict(),
            "examined": dict(self.conversion.examined),
            "seconds": dict(self.conversion.seconds),
        }


def convert(request: ConvertRequest, *, progress: Progress = NO_PROGRESS) -> ConvertResult:
    """Convert a source to the variants asked for.

    Args:
        request: What to convert, and how.
        progress: Shows variants.

    Returns:
        The build that holds the files, and what they came to. That the float model is of no use,
        or a variant could not be made, is part of it, not an exception: the files stay.
    """
    from edgecnn import convert as stage

    labels = (
        None
        if request.labels is None
        else read_class_names(request.labels, known=known_classes(request.data))
    )
    source = stage.find_source(
        request.source,
        labels=labels,
        input_range=request.preprocessing.input_range,
        weights=request.weights,
    )
    recipe, workspace, loaded = recipe_of(source, request, progress)
    with build_lock(workspace.folder):
        recipe = with_options(recipe, request, already_made(source, workspace))
        evidence = _evidence_of(recipe, request, workspace)
        tell_of_repairs_undone(recipe, workspace, progress)
        trained = Workspace(source.path.parent)
        recipe, dataset = load_data_of_build(recipe, request.data, trained, progress)
        result = stage.run(
            source,
            recipe,
            workspace,
            dataset,
            loaded=loaded,
            runtime=request.runtime,
            judge=judge_of(recipe),
            unseen=_unseen(evidence, recipe, dataset, progress),
            examine=_examiner_of(source, recipe, request, progress),
            progress=progress,
        )
        float_model = read_float_model(workspace)
    names = some_of(dataset.class_names, 20)
    assumed = (
        [f"no --labels: the outputs are taken for {names}, in this order"]
        if source.origin == "foreign" and labels is None
        else []
    )
    least = recipe.limits.min_accuracy
    absent = len(labels or ()) - len(dataset.class_names)
    if absent > 0:
        assumed.append(
            f"{count_text(absent)} of {count_text(len(labels or ()))} classes have no images: "
            "nothing is known of how the files do on them"
        )
    for note in (*assumed, *result.notes):
        progress.message(f"note: {note}")
    for warning in float_model.notes(least):
        progress.message(f"warning: {warning}")
    return ConvertResult(
        build=workspace.folder,
        conversion=result,
        float_model=float_model,
        # First, since a better model has to be converted again, whatever else went wrong.
        error=float_model.error(least) or result.exit_error(),
    )


def recipe_of(
    source: Source, request: ConvertRequest, progress: Progress
) -> tuple[Recipe, Workspace, LoadedSource | None]:
    """Return what a source is to be converted by, where to, and its model where that was needed."""
    resize = request.preprocessing.resize
    recipe_says = source.origin == "build" or source.recipe_file is not None
    if request.image_size is not None and recipe_says:
        raise UsageError(
            f"the recipe of {request.source} says how large its images are",
            observed=f"--image-size {request.image_size}",
            expected="--image-size for a model made elsewhere that takes any size",
            remedy="leave it out, or set data.image_size in the recipe and train it again",
        )
    if source.origin == "build":
        built = Workspace(request.source)
        recipe = _resized_by(manifest_recipe(built), resize)
        return recipe, Workspace(request.out or built.folder), None
    if source.recipe_file is not None:
        folder = request.out or default_build_folder(source.recipe_file)
        return _resized_by(load_recipe(source.recipe_file), resize), Workspace(folder), None
    if request.data is None:
        raise UsageError(
            f"{request.source} has no recipe, so its images are not known",
            observed="no --data",
            expected="--data: images to calibrate int8 with and to prove the files on",
            remedy="give --data PATH (a folder of class folders), --data cifar10 or --data digits",
        )
    folder = request.out or Path("build") / source.name
    _check_before_loading(source, request, folder)
    from edgecnn.convert import load

    loaded = load(source, progress=progress)
    section = data_section(request.data, loaded.size, resize)
    if section["name"] == "folder":
        section["image_size"] = _image_size(request, section.get("image_size"))
    raw = {"model": {"name": source.name}, "data": section}
    recipe = parse_recipe(raw, source=f"the options given for {request.source}")
    model = recipe.model.model_copy(update={"architecture": None})
    return recipe.model_copy(update={"model": model}), Workspace(folder), loaded


def _image_size(request: ConvertRequest, own: Sequence[int] | None) -> Sequence[int]:
    """Return the height and width that images are brought to, the model's own or the option's.

    Raises:
        UsageError: If the model takes any and none was given, or another than its own was.
    """
    text = request.image_size
    if text is None:
        if own is not None:
            return own
        raise UsageError(
            f"{request.source} takes images of any size, and how large they were in its training "
            "is not known",
            observed="no --image-size",
            expected="the side of the images, or height and width: --image-size 96x128",
            remedy="give the size that it was trained on: --image-size 224, for example",
        )
    sides = re.fullmatch(r"([1-9][0-9]{0,3})(?:[x,]([1-9][0-9]{0,3}))?", text.strip(), re.ASCII)
    if sides is None:
        raise UsageError(
            "--image-size is no size of images",
            observed=text,
            expected="a whole number of pixels, or height and width",
            remedy="write --image-size 96, or --image-size 96x128",
        )
    size = (int(sides[1]), int(sides[2] or sides[1]))
    if own is not None and size != tuple(own):
        raise UsageError(
            f"{request.source} takes images of another size",
            observed=f"--image-size {text}",
            expected=f"height {own[0]}, width {own[1]}",
            remedy="leave --image-size out",
        )
    return size


def _resized_by(recipe: Recipe, resize: str | None) -> Recipe:
    """Return a recipe whose images are brought to size as options say, where they say it.

    Raises:
        UsageError: If its model was trained here, on images brought to size in another way.
    """
    if resize is None or resize == recipe.data.resize:
        return recipe
    if recipe.model.architecture is not None:
        wanted = parse_resize(resize).options
        raise UsageError(
            f"{recipe.model.name} was trained here, on images brought to size in another way",
            observed=wanted,
            expected=parse_resize(recipe.data.resize).options,
            remedy=f"leave {wanted} out; or set fit, crop_fraction and resample under [data] in "
            "the recipe, and train it again: edgecnn build RECIPE",
        )
    raw = recipe.to_dict()
    raw["data"] = {**raw["data"], **resize_keys(resize)}
    return of_command_line(raw)


def _check_before_loading(source: Source, request: ConvertRequest, folder: Path) -> None:
    """Refuse what can be seen to fail before TensorFlow, which takes seconds, loads the model.

    Raises:
        UsageError: If a variant, the opset, the IR version or the runtime cannot be.
        DataError: If there are no images where ``--data`` says.
        LabelsError: If the labels are fewer than the data's classes.
        WorkspaceError: If the build's folder cannot be made or written.
    """
    from edgecnn.convert import parse_runtime

    draft = parse_recipe({"model": {"name": source.name}}, source="the source's name")
    with_options(draft, request, [])
    if request.repair:
        evidence_said(request, Workspace(folder))
    else:
        _refuse_evidence(request)
    if request.runtime is not None:
        parse_runtime(request.runtime)
    classes = _count_classes(str(request.data), request.preprocessing.resize)
    # A model may know more classes than there are images of.
    if source.labels is not None and len(source.labels) < classes:
        raise LabelsError(
            f"{request.labels} does not name the classes of the data",
            observed=f"{len(source.labels)} names; {request.data} has {classes} classes",
            expected="one name per class of the model, in the order of its outputs",
            remedy="name every class of the data in the labels file",
        )
    # It goes again if it stays empty.
    with build_lock(folder):
        pass


def _count_classes(data: str, resize: str | None) -> int:
    """Return how many classes the data named on the command line has."""
    section = data_section(data, (None, None, 3), resize)
    if section["name"] != "folder":
        return _CLASSES_OF_BOTH
    from edgecnn.data import class_names_of

    return len(class_names_of(Path(data)))


def already_made(source: Source, workspace: Workspace) -> list[str]:
    """Return the variants of the same model that a build has already and that --variant adds to.

    Where a repair made another in its place, it is the one that was asked for.

    However the build was named: by itself, by its recipe, or by a model that was made elsewhere.
    """
    manifest = workspace.manifest()
    if manifest.get("source", {}).get("sha256") != source.sha256:
        return []
    made = [asked_for(row["variant"]) for row in manifest["variants"] if row["status"] == "made"]
    return list(dict.fromkeys(made))


def with_options(recipe: Recipe, request: ConvertRequest, made: list[str]) -> Recipe:
    """Let what the command line gave replace the recipe's own.

    In the build itself, variants are added to those that are there: nothing proven is lost.
    """
    wanted = {
        "variants": list(dict.fromkeys([*made, *request.variants])) if request.variants else None,
        "opset": request.opset,
        "ir_version": request.ir_version,
        "repair": request.repair,
    }
    given = {key: value for key, value in wanted.items() if value is not None}
    if not given and request.min_accuracy is None:
        return recipe
    raw = recipe.to_dict()
    raw["convert"] = {**raw["convert"], **given}
    if request.min_accuracy is not None:
        raw["limits"] = {**raw["limits"], "min_accuracy": request.min_accuracy}
    return of_command_line(raw)


def read_float_model(workspace: Workspace) -> AgainstGuessing:
    """Return what a build's float model is right on, beside guessing."""
    from edgecnn.build.reference import read_reference
    from edgecnn.build.usefulness import float_model_of

    return float_model_of(read_reference(workspace.path(Workspace.REFERENCE)))


def tell_of_repairs_undone(recipe: Recipe, workspace: Workspace, progress: Progress) -> None:
    """Say so where a conversion without repair puts a repaired file's predecessor back."""
    rows = workspace.manifest()["variants"]
    replaced = [str(row["variant"]) for row in rows if row["status"] == "replaced"]
    if replaced and not recipe.convert.repair:
        progress.message(
            f"note: a repair put other files in the place of {some_of(replaced)}; this "
            "conversion does not repair, and puts them back (convert --repair, or repair = true "
            "in the recipe, keeps them)"
        )


def judge_of(recipe: Recipe) -> Judge | None:
    """Return verify's gate with a recipe's limits, for a conversion that repairs."""
    if not recipe.convert.repair:
        return None
    from edgecnn.verify import judge_candidate

    return functools.partial(judge_candidate, limits=recipe.limits)


def _evidence_of(recipe: Recipe, request: ConvertRequest, workspace: Workspace) -> Path | bool:
    """Return by which images a repair judges that a model has not seen.

    Returns:
        A folder of pictures; True for the data set's own, of which it has seen none; False where
        the model was trained here, and has not seen its validation images, or nothing is repaired.

    Raises:
        UsageError: If nothing says so of a model made elsewhere, or nothing is to be repaired.
    """
    if not recipe.convert.repair:
        _refuse_evidence(request)
        return False
    trained_here = recipe.model.architecture is not None or recipe.model.is_pretrained
    if trained_here:
        return False if request.unlabelled is None else request.unlabelled
    return evidence_said(request, workspace)


def _refuse_evidence(request: ConvertRequest) -> None:
    """Refuse images that nothing is to be judged by.

    Raises:
        UsageError: If some are given.
    """
    if request.unlabelled is not None or request.unseen_data:
        raise UsageError(
            "there is nothing to judge by these images",
            observed="--unlabelled" if request.unlabelled is not None else "--unseen-data",
            expected="it with --repair, which chooses between files by them",
            remedy="give --repair, too, or leave it out; verify takes --unlabelled by itself",
        )


def evidence_said(request: ConvertRequest, workspace: Workspace) -> Path | bool:
    """Return what is said to be new to a model made elsewhere, now or when its build was made.

    Raises:
        UsageError: If nothing is.
        DataError: If there is no such folder.
    """
    if request.unlabelled is not None:
        if not request.unlabelled.is_dir():
            raise DataError(
                f"the folder of unlabelled pictures {request.unlabelled} does not exist",
                observed="a file" if request.unlabelled.is_file() else "nothing there",
                expected="a folder of pictures that the model has not seen",
                remedy="check --unlabelled FOLDER",
            )
        return request.unlabelled
    said = workspace.manifest().get("source", {}).get("unseen", {})
    if request.unseen_data or said.get("data"):
        return True
    if said.get("folder"):
        return Path(said["folder"])
    raise UsageError(
        f"{request.source} was made elsewhere, and which images it has seen is not known",
        observed="--repair, and no images that are new to the model",
        expected="pictures to judge by that it was not trained on: on others int8 changes next to "
        "nothing, whatever it does to new ones",
        remedy="name a folder of such pictures, labels are not needed: --unlabelled FOLDER; or, if "
        "it has seen none of the images of --data: --unseen-data; or repair nothing: --no-repair",
    )


def _unseen(
    evidence: Path | bool, recipe: Recipe, dataset: Dataset, progress: Progress
) -> Unseen | None:
    """Load what ``_evidence_of`` found; None for a model that was trained here.

    Raises:
        DataError: If there is no such folder, or nothing in it that counts.
    """
    from edgecnn.build.verdict import Unseen

    if evidence is False:
        return None
    if evidence is True:
        return Unseen()
    from edgecnn.data.unlabelled import load_unlabelled

    pictures = load_unlabelled(evidence, dataset, resize=recipe.data.resize, progress=progress)
    for reason, count in pictures.left_out.items():
        progress.message(f"note: {count:,} of {evidence} are left out: {reason}")
    return Unseen(pictures=pictures)


def _examiner_of(
    source: Source, recipe: Recipe, request: ConvertRequest, progress: Progress
) -> Examiner | None:
    """Return what tries a model made elsewhere, and compares it with the user's own scores.

    A model that a recipe trained saw these very pixels in these very classes; and what was said of
    a model when its build was made is not tried again.
    """
    made_elsewhere = source.origin != "build" and recipe.model.architecture is None
    if not made_elsewhere and request.scores is None:
        return None

    def examine(model: ExaminedModel) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        if request.scores is not None:
            own = _own_scores(model, recipe, request, progress)
            found["own_scores"] = own.to_dict()
            if own.named:
                return found  # all that trials could find is proven
        if made_elsewhere:
            progress.message(f"convert: trying other ways to feed {source.path}")
            found["trials"] = _tried(model, source, recipe, request, progress).to_dict()
        return found

    return examine


def _tried(
    model: ExaminedModel,
    source: Source,
    recipe: Recipe,
    request: ConvertRequest,
    progress: Progress,
) -> Tried:
    from edgecnn.verify import Given, try_source

    again, _ = readers_of(recipe.data, request.data, model.dataset.shape)
    given = Given(
        name=source.path.name,
        input_range=request.preprocessing.input_range is not None,
        labels=request.labels is not None,
        resize=recipe.data.resize,
        rule=request.preprocessing.rule_parts,
        as_is=request.as_is,
    )
    tried = try_source(model, given, again=again)
    if tried.hint is not None:
        progress.message(f"warning: {tried.hint.text}")
    return tried


def _own_scores(
    model: ExaminedModel, recipe: Recipe, request: ConvertRequest, progress: Progress
) -> OwnAgreement:
    """Compare the user's own scores with the float model's, on the images that have some.

    Raises:
        OwnScoresError: If they are not the float model's.
    """
    from edgecnn.data.own_scores import read_scores
    from edgecnn.verify import (
        Explainer,
        Feed,
        balanced_subset,
        check_enough,
        check_own_scores,
        feed_ranges,
    )

    assert request.scores is not None  # noqa: S101 - the caller has looked
    dataset = model.dataset
    parts = (dataset.test, dataset.validation, dataset.train)
    ids = [name for part in parts for name in part.ids]
    own = read_scores(request.scores, dataset.class_names, ids, others=left_out_of(dataset))
    check_enough(own, ids)
    some = _images_at(parts, own.places)
    if len(some) > _MOST_SCORES:
        some = some.take(balanced_subset(some.labels, some.ids, _MOST_SCORES, 0))
    ours = model.ask(some.pixels, model.input_range)

    def explainer() -> Explainer:
        again, decoded = readers_of(recipe.data, request.data, dataset.shape)
        normalizes = model.normalizes
        return Explainer(
            feed=Feed(
                ask=model.ask,
                input_range=model.input_range,
                ranges=feed_ranges(model.input_range, dataset.shape[2], normalizes=normalizes),
                normalizes=normalizes,
                seconds=0.0,
                resize=recipe.data.resize,
                again=again,
            ),
            decoded=decoded,
        )

    found = check_own_scores(
        own.of(ids, some.ids), some, ours, class_names=dataset.class_names, explainer=explainer
    )
    found = replace(found, without=len(ids) - len(own))
    error = found.error()
    if error is not None:
        raise error
    progress.message(f"convert: {found.text}")
    return found


def _images_at(parts: Sequence[Images], places: npt.NDArray[np.int64]) -> Images:
    """Return the images at places that count through all parts."""
    start, found = 0, []
    for part in parts:
        inside = places[(places >= start) & (places < start + len(part))] - start
        found.append(part.take(inside))
        start += len(part)
    return functools.reduce(lambda one, more: one.joined(more), found)
