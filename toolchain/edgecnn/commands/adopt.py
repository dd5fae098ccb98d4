"""``edgecnn adopt`` as a function: files that another program made become a build."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgecnn.build.class_names import read_class_names
from edgecnn.build.lock import build_lock
from edgecnn.build.workspace import Workspace
from edgecnn.commands.convert import read_float_model
from edgecnn.commands.foreign import reference_of, told_of
from edgecnn.commands.paths import (
    data_section,
    known_classes,
    left_out_of,
    load_data,
    readers_of,
)
from edgecnn.errors import ContractError, DataError, EdgeError, UsageError, some_of
from edgecnn.progress import NO_PROGRESS, Progress
from edgecnn.recipe.load import Recipe, parse_recipe
from edgecnn.verify.request import ForeignFiles, VerifyRequest
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.input_options import check_range

if TYPE_CHECKING:
    from edgecnn.build.reference import Reference
    from edgecnn.build.usefulness import AgainstGuessing
    from edgecnn.convert.adopt import Adopted, ForeignFile
    from edgecnn.convert.result import VariantRow
    from edgecnn.data import Dataset
    from edgecnn.verify import ForeignReference, OwnAgreement

ADOPT_SCHEMA: Final = 1

_TRIED: Final = 200
"""Images on which files are tried in other ways, as ``convert`` tries a float model."""
_NAME: Final = re.compile(r"[^a-z0-9_.-]+")


@dataclass(frozen=True, kw_only=True)
class AdoptRequest:
    """What ``edgecnn adopt`` was asked for.

    Attributes:
        files: The files, how they are fed and read, and the float model; without one, ``scores``
            are needed.
        data: Images: a folder of class folders, ``cifar10`` or ``digits``. The files are judged on
            the test images of data that come split, else on all.
        scores: The user's own scores of these images: beside a float model they have to be its
            own, without one they stand in for it.
        out: Build folder; None for ``build/`` and the first file's name. It may be a build that an
            earlier adoption made with the same float model and images.
    """

    files: ForeignFiles
    data: str
    scores: Path | None = None
    out: Path | None = None


@dataclass(frozen=True, kw_only=True)
class AdoptResult:
    """What an adoption came to.

    Attributes:
        build: The build that holds the files.
        adopted: A row for each file of the build.
        float_model: What the float model is right on, beside guessing.
        hints: What looks as if a flag were wrong, a sentence each.
        error: What the exit code is about: a float model that is no better than guessing; None if
            all is well.
    """

    build: Path
    adopted: Adopted
    float_model: AgainstGuessing
    hints: tuple[str, ...]
    error: EdgeError | None

    @property
    def rows(self) -> tuple[VariantRow, ...]:
        """A row for each file of the build."""
        return self.adopted.rows

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, without the error."""
        return {
            "schema": ADOPT_SCHEMA,
            "build": str(self.build),
            "adopted": list(self.adopted.variants),
            "variants": [row.to_dict() for row in self.rows],
            "float_model": self.float_model.to_dict(),
            "golden": self.adopted.golden,
            "notes": list(self.adopted.notes),
            "hints": list(self.hints),
        }


def adopt(request: AdoptRequest, *, progress: Progress = NO_PROGRESS) -> AdoptResult:
    """Take files that another program made into a build, where all other commands take them.

    Each is run once in another process and compared with what was said of it. Nothing is written
    before all of them are sound and the float model has answered.

    Args:
        request: What to take in.
        progress: Shows images.

    Returns:
        The build, and what its files have become.

    Raises:
        UsageError: If something has to be said, or cannot be.
        ArtifactError: If a file is damaged or no image classifier.
        ContractError: If a file carries a contract already, or is not as it was said to be.
        LabelsError: If labels, outputs and classes differ.
        SourceModelError: If the float model cannot be loaded.
        DataError: If the images are missing, or some have no scores.
        OwnScoresError: If the scores given are not the float model's.
        WorkspaceError: If the build is another's, or cannot be written.
    """
    from edgecnn.convert import adopt as stage

    asked = request.files
    if asked.reference is None and request.scores is None:
        raise UsageError(
            "nothing is named that the files could be compared with",
            observed="neither --reference nor --scores",
            expected="the float model that they were made from, or its scores of the images",
            remedy="name the model: --reference MODEL; without one, the scores that your own "
            "program gave these images: --scores FILE",
        )
    check_range(asked.input_range, option="--input-range")
    check_range(asked.reference_range, option="--reference-range")
    labels = read_class_names(asked.labels, known=known_classes(request.data))
    files = _files(asked, labels)
    spec = files[0].contract.input
    size = (spec.height, spec.width, spec.channels)
    name = _name_of(asked.artifacts[0])
    workspace = Workspace(request.out or Path("build") / name)
    with build_lock(workspace.folder):
        float_model = None
        if asked.reference is not None:
            float_model = reference_of(asked, labels, size, progress=progress)
        recipe = _recipe(request, name, size)
        dataset = _data(recipe, labels, size, progress)
        examined: dict[str, Any] = {}
        hints: tuple[str, ...] = ()
        if float_model is None:
            reference, source = _of_scores(request, dataset)
        else:
            reference, source = _of_model(float_model, asked, dataset, progress)
            if request.scores is not None:
                own = _same_scores(request, float_model, recipe, dataset, reference)
                examined["own_scores"] = own.to_dict()
                progress.message(f"adopt: {own.text}")
            hints = _hints(request, files, float_model, dataset, progress)
        model = float_model
        adopted = stage.run(
            stage.Adoption(
                files=files,
                recipe=recipe,
                dataset=dataset,
                reference=reference,
                source=source,
                ask=None
                if model is None
                else lambda pixels: model.scores(pixels, dataset.class_names),
                examined=examined,
            ),
            workspace,
        )
        useful = read_float_model(workspace)
    for note in adopted.notes:
        progress.message(f"note: {note}")
    for warning in (*hints, *useful.notes(None)):
        progress.message(f"warning: {warning}")
    return AdoptResult(
        build=workspace.folder,
        adopted=adopted,
        float_model=useful,
        hints=hints,
        error=useful.error(None),
    )


def _name_of(path: Path) -> str:
    """Return a model name that a recipe takes, made of a file's."""
    return _NAME.sub("_", path.stem.lower()).strip("_.-")[:64] or "model"


def _files(asked: ForeignFiles, labels: tuple[str, ...]) -> list[ForeignFile]:
    """Run each file once in another process, and return them with their contracts.

    Raises:
        UsageError: If two take images of different sizes.
        EdgeError: As ``contract_of``.
    """
    from edgecnn.convert.adopt import read_foreign
    from edgecnn.verify.foreign.files import contract_of

    told = told_of(asked, labels)
    files = []
    for path in asked.artifacts:
        if read_container(path).contract is not None:
            raise ContractError(
                f"{path} carries a contract already",
                observed="a file that edgecnn made or adopted",
                expected="a file as another program made it",
                remedy="it is verified, measured and packaged in its build: edgecnn verify BUILD; "
                "to take it in anew, name the file that it was adopted from",
            )
        files.append(read_foreign(path, contract_of(path, told)))
    sizes = {
        (one.contract.input.height, one.contract.input.width, one.contract.input.channels): one.path
        for one in files
    }
    if len(sizes) > 1:
        raise UsageError(
            "the files take images of different sizes",
            observed=some_of((f"{path}: {size}" for size, path in sizes.items()), joint="; "),
            expected="one height, width and number of channels, as files of one model have",
            remedy="adopt them into builds of their own, one after another",
        )
    return files


def _recipe(request: AdoptRequest, name: str, size: tuple[int, int, int]) -> Recipe:
    section = data_section(request.data, size, request.files.preprocessing.resize)
    # Nothing is trained or calibrated here, so every image that comes without a split may judge.
    raw = {"model": {"name": name}, "data": {**section, "test": 1.0}}
    recipe = parse_recipe(raw, source="the options given for adopt")
    model = recipe.model.model_copy(update={"architecture": None})
    return recipe.model_copy(update={"model": model})


def _data(
    recipe: Recipe, labels: tuple[str, ...], size: tuple[int, int, int], progress: Progress
) -> Dataset:
    from edgecnn.data import in_class_order

    dataset = load_data(recipe, None, progress)
    if dataset.shape != size:
        raise DataError(
            f"the images of {dataset.name} are not of the size that the files take",
            observed=f"height, width, channels {dataset.shape}",
            expected=f"{size}",
            remedy="give images that the model was made for: --data FOLDER, one folder per class; "
            "they are brought to its size",
        )
    progress.message(f"adopt: {len(dataset.test):,} images to judge on, of {dataset.name}")
    return in_class_order(dataset, labels, unseen=True)


def _of_model(
    model: ForeignReference, asked: ForeignFiles, dataset: Dataset, progress: Progress
) -> tuple[Reference, dict[str, Any]]:
    """Ask the float model about the images; return its scores, and the manifest's entry on it."""
    from edgecnn.build.reference import Reference, check_scores
    from edgecnn.data.patterns import probes

    reference = Reference.asked(
        lambda pixels: model.scores(pixels, dataset.class_names, progress=progress),
        dataset.test,
        probes=probes(dataset.shape),
        model_sha256=model.sha256,
        class_names=dataset.class_names,
    )
    check_scores(reference.scores, model="the reference")
    return reference, {
        "path": str(Path(model.name).resolve()),
        "kind": "model",
        "origin": "adopted",
        "sha256": model.sha256,
        # What find_source needs of a model that does not say it itself.
        "input_range": None if model.model.normalizes else model.model.input_range,
        "output": model.model.output_kind,
        "range": model.model.input_range,
        "runtime": model.model.runtime,
        # And what opens it again, however it was named; see commands/foreign.recorded_reference.
        "labels": list(model.labels),
        "said_range": asked.reference_range,
        "files_range": asked.input_range,
        "files_output": asked.output_kind,
        "files_layout": asked.layout,
    }


def _of_scores(request: AdoptRequest, dataset: Dataset) -> tuple[Reference, dict[str, Any]]:
    """Take the user's own scores for the float model's.

    Raises:
        DataError: If an image has none.
    """
    import numpy as np

    from edgecnn.build.reference import Reference, images_digest
    from edgecnn.data.own_scores import read_scores

    assert request.scores is not None  # noqa: S101 - the caller has looked
    test = dataset.test
    own = read_scores(request.scores, dataset.class_names, test.ids, others=_others(dataset))
    if len(own) < len(test):
        there = set(own.places.tolist())
        without = [name for place, name in enumerate(test.ids) if place not in there]
        raise DataError(
            f"{request.scores} lacks scores of {len(without):,} of {len(test):,} images",
            observed=f"none of {some_of(without)}",
            expected="scores of each image that files are judged on, since no float model can be "
            "asked",
            remedy="score all images of --data, or name the float model with --reference",
        )
    reference = Reference(
        scores=np.ascontiguousarray(own.probabilities, np.float32),
        labels=test.labels,
        ids=test.ids,
        images_sha256=images_digest(test.pixels),
        model_sha256=own.sha256,
        class_names=dataset.class_names,
    )
    return reference, {
        "path": "",
        "kind": "scores",
        "origin": "adopted",
        "sha256": own.sha256,
        "scores": str(request.scores.resolve()),
        "output": own.kind,
        "files_range": request.files.input_range,
        "files_output": request.files.output_kind,
        "files_layout": request.files.layout,
    }


def _others(dataset: Dataset) -> Sequence[str]:
    return (*dataset.train.ids, *dataset.validation.ids, *left_out_of(dataset))


def _same_scores(
    request: AdoptRequest,
    model: ForeignReference,
    recipe: Recipe,
    dataset: Dataset,
    reference: Reference,
) -> OwnAgreement:
    """Compare the user's own scores with the float model's.

    Raises:
        OwnScoresError: If they are not the float model's.
    """
    from edgecnn.data.own_scores import read_scores
    from edgecnn.verify import Explainer, Feed, check_own_scores, feed_ranges

    assert request.scores is not None  # noqa: S101 - the caller has looked
    test = dataset.test
    own = read_scores(request.scores, dataset.class_names, test.ids, others=_others(dataset))
    fed, normalizes = model.model.input_range, model.model.normalizes

    def explainer() -> Explainer:
        again, decoded = readers_of(recipe.data, None, dataset.shape)
        return Explainer(
            feed=Feed(
                ask=lambda pixels, name: model.scores(
                    pixels, dataset.class_names, input_range=name
                ),
                input_range=fed,
                ranges=feed_ranges(fed, dataset.shape[2], normalizes=normalizes),
                normalizes=normalizes,
                seconds=0.0,
                resize=recipe.data.resize,
                again=again,
            ),
            decoded=decoded,
            option="--reference-range" if model.range_given else "--input-range",
        )

    found = check_own_scores(
        own, test, reference.scores, class_names=dataset.class_names, explainer=explainer
    )
    error = found.error()
    if error is not None:
        raise error
    return found


def _hints(
    request: AdoptRequest,
    files: Sequence[ForeignFile],
    model: ForeignReference,
    dataset: Dataset,
    progress: Progress,
) -> tuple[str, ...]:
    """Try files that fit badly in other ways, on some images, as ``verify --artifact`` does."""
    from edgecnn.data import JudgedImages
    from edgecnn.recipe.sections import Limits
    from edgecnn.verify import ForeignSubject, run_foreign
    from edgecnn.verify.plan import Planned

    judged = JudgedImages(
        name=dataset.name, class_names=dataset.class_names, images=dataset.test, rule=dataset.rule
    )
    planned = [
        Planned(
            variant=f"{one.contract.variant} {one.path.name}",
            file=str(one.path),
            path=one.path,
            contract=one.contract,
        )
        for one in files
    ]
    progress.message("adopt: trying the files as they were said to be")
    with tempfile.TemporaryDirectory() as folder:
        report = run_foreign(
            VerifyRequest(
                foreign=request.files,
                data=request.data,
                images=min(_TRIED, len(dataset.test)),
                out=Path(folder) / "tried",
            ),
            ForeignSubject(artifacts=planned, reference=model, data=judged, limits=Limits()),
        )
    for row in report.rows:
        if row.error is not None:
            raise row.error.to_error()
    about = () if report.foreign is None else report.foreign.hints
    found: Mapping[str, None] = dict.fromkeys(
        hint.text for hint in (*about, *(hint for row in report.rows for hint in row.hints))
    )
    return tuple(found)
