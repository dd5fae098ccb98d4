"""``edgecnn data`` as a function: one's own photos, and what is wrong with them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgecnn.errors import DataError, DownloadError, EdgeError, UsageError
from edgecnn.files import wrap_os_errors, write_json, write_whole
from edgecnn.progress import NO_PROGRESS, Progress

if TYPE_CHECKING:
    from edgecnn.data.quality.inspection import DataQuality
    from edgecnn.data.quality.photos import FeatureExtractor

DATA_SCHEMA: Final = 1
"""Version of a result's layout in JSON."""

PAGE: Final = "data.html"
RECORD: Final = "data.json"


@dataclass(frozen=True, kw_only=True)
class DataRequest:
    """What ``edgecnn data`` was asked for.

    Attributes:
        folder: A folder of class folders, or one that comes split; or a recipe, or the folder that
            holds one, whose ``data.path`` is meant.
        out: A folder for the page with the pictures and the record; made if it does not exist.
            None for neither.
        weights: A file with the published weights of EfficientNet-Lite0; None to fetch them.
        quick: Whether to leave out what takes a pretrained network.
        extractor: Another network that gives features; None for EfficientNet-Lite0.
    """

    folder: Path
    out: Path | None = None
    weights: Path | None = None
    quick: bool = False
    extractor: FeatureExtractor | None = None


@dataclass(frozen=True, kw_only=True)
class DataResult:
    """What was found.

    Attributes:
        quality: Classes, findings, and what was not checked.
        page: The page with the pictures; None where nobody asked.
        record: The same as JSON, beside it; None where nobody asked.
    """

    quality: DataQuality
    page: Path | None = None
    record: Path | None = None

    @property
    def error(self) -> EdgeError | None:
        """Why the photos cannot be used as they are; findings are no error."""
        return self.quality.error

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "schema": DATA_SCHEMA,
            **asdict(self.quality),
            "page": None if self.page is None else str(self.page),
            "record": None if self.record is None else str(self.record),
        }


def data(request: DataRequest, *, progress: Progress = NO_PROGRESS) -> DataResult:
    """Inspect a folder of photos. Nothing in it is changed.

    Args:
        request: Which, and where the page is to be.
        progress: Shows how far it is.

    Returns:
        What was found; ``error`` says where the photos cannot be used as they are.

    Raises:
        DataError: If it is no folder of at least two classes.
        RecipeError: If a recipe is named that has mistakes.
        UsageError: If the page would lie among the photos.
        WorkspaceError: If it cannot be written.
    """
    from edgecnn.data.quality.inspection import inspect_folder

    folder = _photos_of(request.folder)
    out = request.out
    if out is not None:
        _check_out(out, folder)
        # Before the photos are read, which takes a while.
        with wrap_os_errors(out, elsewhere="name another folder: --out FOLDER"):
            out.mkdir(parents=True, exist_ok=True)
    inspected = inspect_folder(
        folder,
        extractor=_extractor(request, progress),
        thumbnails=out is not None,
        progress=progress,
    )
    if out is None:
        return DataResult(quality=inspected.quality)
    from edgecnn.data.quality.page import render_page

    result = DataResult(quality=inspected.quality, page=out / PAGE, record=out / RECORD)
    write_json(out / RECORD, result.to_dict())
    write_whole(out / PAGE, render_page(inspected, record=RECORD))
    return result


def _extractor(request: DataRequest, progress: Progress) -> FeatureExtractor | None:
    """Return the pretrained network whose features are used; None where there is none."""
    if request.extractor is not None or request.quick:
        return request.extractor
    from edgecnn.train.backbones.networks import PhotoFeatures
    from edgecnn.train.backbones.weights import named_weights

    named = named_weights(request.weights)
    try:
        return PhotoFeatures(weights=named, progress=progress)
    except DownloadError as error:
        # What needs no network is worth having all the same; the result says what was left out.
        progress.message(f"note: {error.problem}: labels are not checked. To do so, {error.remedy}")
        return None


def _photos_of(path: Path) -> Path:
    """Return the folder of photos that a path on the command line means."""
    # These two answer no, and raise nothing, where a name is too long.
    is_recipe = os.path.isfile(path) and path.suffix == ".toml"  # noqa: PTH113
    if not is_recipe and not os.path.isfile(path / "recipe.toml"):  # noqa: PTH113
        return path
    from edgecnn.recipe.load import load_recipe

    recipe = load_recipe(path)
    if recipe.data.name != "folder" or recipe.data.path is None:
        raise DataError(
            f"the recipe of {recipe.model.name} names no folder of photos",
            observed=f"data.name = {recipe.data.name!r}"
            + ("" if recipe.data.name != "folder" else ", and no data.path"),
            expected="data.name = 'folder' and data.path",
            remedy="name the folder of your photos instead of the recipe: edgecnn data FOLDER",
        )
    return recipe.data.path


def _check_out(out: Path, folder: Path) -> None:
    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            f"{out} lies among the photos, and would be taken for some of them",
            observed=f"a folder in {folder}",
            expected="a folder elsewhere",
            remedy="name another folder: --out FOLDER",
        )
