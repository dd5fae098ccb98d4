"""A build folder: its file names, its manifest, and what is up to date.

Files appear whole or not at all. The manifest is written last, so a file it lists is complete;
what is on disk and not in the manifest is the rest of an interrupted run and is made again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgecnn.errors import WorkspaceError
from edgecnn.files import file_digest, wrap_os_errors, write_json
from edgecnn.log import has_read
from edgecnn_runner.contract import INPUT_RANGES, is_range
from edgecnn_runner.files import PART_SUFFIX

_PART_SECONDS: Final = 3600


@dataclass(frozen=True)
class Workspace:
    """One build folder.

    Attributes:
        folder: Where it is; need not exist yet.
    """

    folder: Path

    MODEL: Final = "model.keras"
    LABELS: Final = "labels.txt"
    SPLITS: Final = "splits.json"
    HISTORY: Final = "history.csv"
    CURVES: Final = "curves.png"
    METRICS: Final = "metrics.json"
    # What a training came to, for people; ``report.html`` is of the verdicts.
    TRAINING: Final = "training.json"
    TRAINING_PAGE: Final = "training.html"
    REFERENCE: Final = "reference.npz"
    # The float model's scores of pictures without labels; made when a verification first asks.
    UNLABELLED: Final = "unlabelled.npz"
    CALIBRATION: Final = "calibration.json"
    GOLDEN: Final = "golden.npz"
    PARITY: Final = "parity.json"
    REPORT: Final = "report.html"
    # Of some files, some images or other limits than the recipe's: never what a bundle rests on.
    PARTIAL_PARITY: Final = "parity-partial.json"
    PARTIAL_REPORT: Final = "report-partial.html"
    BENCH: Final = "bench.json"
    PARTIAL_BENCH: Final = "bench-partial.json"
    MANIFEST: Final = "manifest.json"
    CHECKPOINT: Final = "checkpoint"
    FEATURES: Final = "features"  # of photos, by a pretrained network; kept for the next run
    # What was said of the images before the training; made again where it is missing.
    ESSENCE: Final = "data-essence.json"

    def path(self, name: str) -> Path:
        """Return the path of a file of this build."""
        return self.folder / name

    @staticmethod
    def calibration_of(variant: str) -> str:
        """Return the name of the record of a variant that was calibrated by itself."""
        return f"calibration-{variant}.json"

    def create(self) -> None:
        """Make the folder; clear away what a killed run left half-written in it.

        Raises:
            WorkspaceError: If that is not possible.
        """
        with wrap_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for part in self.folder.glob(f".*{PART_SUFFIX}"):
                # A younger one may be another process's, still at work on it.
                if time.time() - part.stat().st_mtime > _PART_SECONDS:
                    part.unlink(missing_ok=True)

    def is_build(self) -> bool:
        """Tell whether the folder holds a manifest."""
        return self.path(self.MANIFEST).is_file()

    def manifest(self) -> dict[str, Any]:
        """Read the manifest; a folder without one has an empty one.

        Returns:
            ``schema``, ``recipe``, ``source``, ``tools``, ``stages`` (name to its key and the
            files it made), ``files`` (name to ``sha256`` and ``bytes``) and ``variants`` (a row
            for each variant asked for); perhaps ``notice``, on whose weights the model began with.

        Raises:
            WorkspaceError: If it is damaged or of another schema.
        """
        path = self.path(self.MANIFEST)
        if not path.exists():
            return {"schema": MANIFEST_SCHEMA, "stages": {}, "files": {}, "variants": []}
        has_read(path)
        try:
            manifest: dict[str, Any] = json.loads(
                path.read_text(encoding="utf-8"), parse_constant=_no_number
            )
            schema = manifest["schema"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise WorkspaceError(
                f"{path} is damaged ({error})",
                observed=f"{type(error).__name__}: {error}",
                expected=f"the JSON object that edgecnn writes, schema {MANIFEST_SCHEMA}",
                remedy=f"delete the folder {self.folder} and build again",
            ) from error
        if schema != MANIFEST_SCHEMA:
            raise WorkspaceError(
                f"{path} was written by another version of edgecnn",
                observed=f"schema {schema}",
                expected=f"schema {MANIFEST_SCHEMA}",
                remedy=f"delete the folder {self.folder} and build again",
            )
        problem = manifest_problem(manifest)
        if problem is not None:
            raise WorkspaceError(
                f"{path} is damaged: {problem}",
                observed=problem,
                expected=f"entries as edgecnn writes them, schema {MANIFEST_SCHEMA}",
                remedy=f"delete the folder {self.folder} and build again",
            )
        return manifest

    def stage_is_current(self, stage: str, key: str) -> bool:
        """Tell whether a stage ran with this key and its files are still what it wrote."""
        manifest = self.manifest()
        entry = manifest["stages"].get(stage)
        if entry is None or entry["key"] != key:
            return False
        return all(self._is_intact(name, manifest) for name in entry["files"])

    def _is_intact(self, name: str, manifest: Mapping[str, Any]) -> bool:
        path = self.path(name)
        entry = manifest["files"].get(name)
        try:
            return (
                entry is not None
                and path.stat().st_size == entry["bytes"]
                and file_digest(path) == entry["sha256"]
            )
        except OSError:
            return False  # gone, or nothing that can be read: the stage makes it anew

    def record_stage(
        self, stage: str, *, key: str, files: list[str], entries: Mapping[str, Any]
    ) -> None:
        """Write the manifest: a stage is done and these are its files.

        Args:
            stage: ``train``, ``convert`` or ``verify``.
            key: Digest of everything the stage depended on; see ``canonical_digest``.
            files: Names of the files it made, relative to the folder; all must exist.
            entries: Top-level manifest entries to set, for example ``recipe`` or ``variants``.

        Raises:
            WorkspaceError: If the manifest cannot be written.
        """
        manifest = self.manifest()
        previous = manifest["stages"].get(stage, {}).get("files", [])
        for name in previous:
            manifest["files"].pop(name, None)
        manifest.update(entries)
        manifest["stages"][stage] = {"key": key, "files": sorted(files)}
        for name in files:
            path = self.path(name)
            with wrap_os_errors(path):
                entry = {"sha256": file_digest(path), "bytes": path.stat().st_size}
            manifest["files"][name] = entry
        write_json(self.path(self.MANIFEST), manifest)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def default_build_folder(recipe_file: Path) -> Path:
    """Return where a recipe builds by default: ``build`` beside it, ``build-x`` for recipe-x."""
    suffix = recipe_file.stem.removeprefix("recipe")
    return (
        recipe_file.parent
        / f"build{suffix if suffix.startswith('-') or not suffix else '-' + suffix}"
    )


# A build may come from somebody else, and stages delete and hash what a manifest names: names must
# stay inside the folder. Entries not listed here are let through; nobody reads them.

MANIFEST_SCHEMA: Final = 1

# What every common file system takes.
_LONGEST_NAME: Final = 255


def _file_name(name: str) -> str:
    fits = name.isprintable() and len(name.encode()) <= _LONGEST_NAME
    if not fits or name in ("", ".", "..") or Path(name).name != name:
        raise ValueError(f"{name!a} is not the name of a file in this folder")
    return name


def _path(text: str) -> str:
    if b"\0" in os.fsencode(text):
        raise ValueError("a path holds no zero byte")
    return text


def _input_range(name: str) -> str:
    if not is_range(name):
        raise ValueError(
            f"{name!a} is not one of {', '.join(INPUT_RANGES)}, or a mean and a deviation"
        )
    return name


_FileName = Annotated[str, AfterValidator(_file_name)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _File(_Part):
    sha256: str
    bytes: int


class _Stage(_Part):
    key: str
    files: list[_FileName]


class _TriedFile(_Part):
    what: str
    result: str
    holds: bool


class _KeptLayer(_Part):
    name: str
    operator: str
    macs: int
    snr_db: float | None
    why: str


class _Latency(_Part):
    median_ns: Annotated[dict[str, Annotated[int, Field(gt=0)]], Field(min_length=1)]
    n: int
    threads: int
    runtime: str
    machine: dict[str, Any]


class _Repair(_Part):
    outcome: Literal["not needed", "recalibrated", "mixed", "nothing helps"]
    split: str
    images: int
    tried: Annotated[list[_TriedFile], Field(min_length=1)]
    reason: str
    kept: list[_KeptLayer]
    float_macs: float
    latency: _Latency | None


class _Variant(_Part):
    variant: str
    status: Literal["made", "failed", "refused", "replaced"]
    file: _FileName | None
    bytes: int | None = None
    sha256: str | None = None
    reason: str | None = None
    min_runtime: dict[str, str] = {}
    repair: _Repair | None = None

    @model_validator(mode="after")
    def _has_a_file_if_made(self) -> Self:
        if (self.status == "made") != (self.file is not None):
            raise ValueError("a variant has a file if it was made, and only then")
        if self.repair is not None and self.repair.outcome == "mixed":
            latency = self.repair.latency
            if latency is None or self.variant not in latency.median_ns:
                raise ValueError("a mixed variant has its own latency")
        return self


class _Source(_Part):
    path: Annotated[str, AfterValidator(_path)] = ""
    input_range: Annotated[str, AfterValidator(_input_range)] | None = None


class _Manifest(_Part):
    stages: dict[str, _Stage]
    files: dict[_FileName, _File]
    variants: list[_Variant]
    # Its own reader, ``recipe.parse_recipe``, looks into it.
    recipe: dict[str, Any] = {}
    source: _Source = Field(default_factory=_Source)
    tools: dict[str, str] = {}
    notice: str = ""


def manifest_problem(raw: object) -> str | None:
    """Return the first thing wrong with a parsed manifest of this schema; None if it is sound."""
    try:
        _Manifest.model_validate(raw)
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        place = ".".join(ascii(part).strip("'") for part in mistake["loc"]) or "manifest"
        return f"{place}: {mistake['msg'].removeprefix('Value error, ')}"
    return None
