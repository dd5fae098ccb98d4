"""Tells what a path given to ``edgecnn convert`` is, without TensorFlow.

A source is only named, digested and checked from outside here; ``source_model`` loads it.
"""

from __future__ import annotations

import json
import lzma
import re
import shlex
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edgecnn.build.workspace import Workspace, default_build_folder
from edgecnn.convert.source.pytorch import pytorch_kind, refused_pytorch
from edgecnn.errors import ArtifactError, ContractError, SourceModelError, UsageError, some_of
from edgecnn.files import canonical_digest, file_digest
from edgecnn.recipe.load import released_weights
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.input_options import check_range
from edgecnn_runner.labels import read_labels

_EXPECTED: Final = (
    "a build, a recipe folder with weights, a .keras file, a Keras .h5 file, a SavedModel "
    "folder, an ONNX file, or an architecture as JSON with --weights"
)
_ARCHIVE: Final = "a .keras archive as model.save(...) writes it"
_ZIP: Final = b"PK\x03\x04"
# What the decompressors of an archive's members, and zipfile itself, raise on damaged bytes.
_BROKEN_ZIP: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, NotImplementedError,
    RuntimeError,
)  # fmt: skip
_HDF5: Final = b"\x89HDF\r\n\x1a\n"
MOST_CONFIG_BYTES: Final = 1 << 26
"""Of a model's configuration as JSON: 64 MiB."""
_MOST_INFLATED: Final = 100
"""How many times an archive's own size its content may be; Keras does not compress at all."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A float model to convert.

    Attributes:
        path: The model: a ``.keras``, ``.h5`` or ``.onnx`` file, or a SavedModel folder.
        kind: ``keras``, ``h5``, ``saved_model``, ``onnx``, or ``json``: an architecture without
            weights.
        origin: ``build``, ``recipe`` or ``foreign``: where it was found.
        name: A model name made from the path, fit for ``recipe.Model.name``.
        sha256: Digest of the file, with those that it keeps its weights in, or of the folder's
            relative paths and contents.
        labels: Class names in output order; None to take those of the data set.
        input_range: What it wants pixels brought to, see ``contract.InputSpec``; None for a model
            that has preprocessing layers of its own.
        recipe_file: The recipe beside it, for a recipe folder.
        weights: The HDF5 file with the weights of an architecture; None for a whole model.
    """

    path: Path
    kind: str
    origin: str
    name: str
    sha256: str
    labels: tuple[str, ...] | None = None
    input_range: str | None = None
    recipe_file: Path | None = None
    weights: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what a manifest records of the source."""
        return {
            "path": str(self.path.resolve()),
            "kind": self.kind,
            "origin": self.origin,
            "sha256": self.sha256,
            "input_range": self.input_range,
            **({} if self.weights is None else {"weights": str(self.weights.resolve())}),
        }


def find_source(
    path: Path,
    *,
    labels: tuple[str, ...] | None = None,
    input_range: str | None = None,
    weights: Path | None = None,
) -> Source:
    """Tell what a path is.

    Args:
        path: A build, a recipe folder, a model file, or a SavedModel folder.
        labels: Class names, for a model that no recipe belongs to.
        input_range: What the model wants pixels brought to, where that was said.
        weights: The weights of an architecture.

    Returns:
        The source. Its file exists and has the right outside; it has not been loaded.

    Raises:
        SourceModelError: If there is nothing, or nothing to convert, at ``path``.
        UsageError: If ``input_range`` is not a range.
        RecipeError: If the recipe of a recipe folder has mistakes.
        LabelsError: If the labels of a build are damaged.
    """
    check_range(input_range)
    try:
        model, origin, recipe_file = _locate(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if origin == "build":
        # What was said about a foreign model when the build was made still holds.
        workspace = Workspace(path)
        recorded = workspace.path(Workspace.LABELS)
        if labels is None and recorded.is_file():
            labels = read_labels(recorded)
        recorded_source = workspace.manifest().get("source", {})
        input_range = input_range or recorded_source.get("input_range")
        if weights is None and recorded_source.get("weights"):
            weights = Path(recorded_source["weights"])
    kind = "saved_model" if model.is_dir() else _file_kind(model)
    _check_weights(model, kind, weights)
    return Source(
        path=model,
        kind=kind,
        origin=origin,
        name=_name_of(path if origin == "build" else model),
        sha256=_digest_of(model, kind, weights),
        labels=labels,
        input_range=input_range,
        recipe_file=recipe_file,
        weights=weights,
    )


def _check_weights(model: Path, kind: str, weights: Path | None) -> None:
    """Refuse an architecture without weights, and weights for a model that has its own.

    Raises:
        SourceModelError: Of an architecture.
        UsageError: Of a whole model.
    """
    if kind == "json" and weights is None:
        raise SourceModelError(
            f"{model} is an architecture without weights",
            observed="no --weights",
            expected="the HDF5 file that model.save_weights(...) wrote beside it",
            remedy=f"name it: edgecnn convert {shlex.quote(str(model))} --weights WEIGHTS.h5",
        )
    if kind != "json" and weights is not None:
        raise UsageError(
            f"{model} has its weights in itself",
            observed=f"--weights {weights}",
            expected="--weights for an architecture as JSON alone",
            remedy="leave --weights out",
        )
    if weights is not None and _head(weights)[:8] != _HDF5:
        raise SourceModelError(
            f"{weights} holds no weights of Keras",
            observed=f"first bytes {_head(weights)[:8].hex(' ') or 'none'}",
            expected="an HDF5 file, as model.save_weights(...) writes it",
            remedy="name the .h5 file with the weights",
        )


def _digest_of(model: Path, kind: str, weights: Path | None) -> str:
    if kind == "saved_model":
        return folder_digest(model)
    if kind == "onnx":
        return _digest_of_onnx(model)
    if weights is None:
        return _digest(model)
    return canonical_digest([_digest(model), _digest(weights)])


def _digest_of_onnx(path: Path) -> str:
    """Return the digest of an ONNX file, and of the files beside it that hold its weights.

    Raises:
        SourceModelError: If it is no sound ONNX file, or names a file that is not beside it.
    """
    from edgecnn.convert.source.onnx_file import read_proto

    proto, others = read_proto(path)
    del proto
    if not others:
        return _digest(path)
    return canonical_digest(
        [_digest(path), *([name, _digest(path.parent / name)] for name in others)]
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise _unreadable(path, error) from error


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 over the sorted relative paths and contents of a folder's files.

    Raises:
        SourceModelError: If a file cannot be read.
    """
    try:
        files = sorted(file for file in folder.rglob("*") if file.is_file())
    except OSError as error:
        raise _unreadable(folder, error) from error
    return canonical_digest(
        [[file.relative_to(folder).as_posix(), _digest(file)] for file in files]
    )


def _locate(path: Path) -> tuple[Path, str, Path | None]:
    """Return the model's own path, its origin, and the recipe beside it."""
    if not path.exists():
        raise SourceModelError(
            f"there is no model at {path}",
            observed="a link to nothing" if path.is_symlink() else "nothing",
            expected=_EXPECTED,
            remedy="check the path",
        )
    if path.is_file() and path.suffix == ".toml":
        return _of_recipe(path)
    if path.is_file():
        return path, "foreign", None
    if Workspace(path).is_build():
        return _of_build(Workspace(path)), "build", None
    if (path / "recipe.toml").is_file():
        return _of_recipe(path / "recipe.toml")
    if (path / "saved_model.pb").is_file():
        return path, "foreign", None
    raise SourceModelError(
        f"the folder {path} holds no model",
        observed=some_of(sorted(entry.name for entry in path.iterdir())) or "nothing",
        expected=_EXPECTED,
        remedy="name the model file itself; a SavedModel folder holds saved_model.pb",
    )


def _of_build(workspace: Workspace) -> Path:
    model = workspace.path(Workspace.MODEL)
    if model.is_file():
        return model
    recorded = workspace.manifest().get("source", {})
    if recorded.get("origin") == "adopted":
        raise _adopted(workspace, recorded)
    foreign = Path(recorded.get("path", ""))
    if recorded.get("path") and foreign.exists():
        return foreign
    raise SourceModelError(
        f"the build {workspace.folder} has no float model",
        observed=f"no {Workspace.MODEL}" + (f", and {foreign} is gone" if recorded else ""),
        expected=f"{Workspace.MODEL}, or the model that the build was made of",
        remedy="train first: edgecnn train RECIPE",
    )


def _adopted(workspace: Workspace, recorded: Mapping[str, Any]) -> SourceModelError:
    """Return the error of a build whose files edgecnn did not make of a model."""
    model = Path(str(recorded.get("path") or "MODEL"))
    known = model.suffix != ".tflite" and recorded.get("kind") != "scores"
    named = shlex.quote(str(model)) if known else "MODEL"
    return SourceModelError(
        f"{workspace.folder} holds files that another program made, and nothing to convert",
        observed="a build that edgecnn adopt made",
        expected="the float model itself, where edgecnn is to convert it",
        remedy=f"convert the float model into another folder: edgecnn convert {named} --data "
        "FOLDER --labels FILE --out FOLDER",
    )


def _of_recipe(recipe_file: Path) -> tuple[Path, str, Path]:
    """Find a recipe's weights: those of its own build, else the ones released beside it.

    Who has trained a recipe wants what came of it, not what was released before.
    """
    released = released_weights(recipe_file)
    built = Workspace(default_build_folder(recipe_file)).path(Workspace.MODEL)
    for candidate in (built, released):
        if candidate.is_file():
            return candidate, "recipe", recipe_file
    raise SourceModelError(
        f"the recipe {recipe_file} has no weights yet",
        observed=f"neither {released.name} nor {built}",
        expected=f"{released}, or a build in {built.parent}",
        remedy=f"train first: edgecnn train {recipe_file.parent}",
    )


def _name_of(path: Path) -> str:
    stem = path.resolve().name if path.is_dir() else path.stem
    return re.sub(r"[^a-z0-9_.-]+", "_", stem.lower()).strip("_.-")[:64] or "model"


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> SourceModelError:
    return SourceModelError(
        f"cannot read {path}: {error.strerror or error}",
        observed=type(error).__name__,
        expected="a file that you may read",
        remedy="check the path and its rights",
    )


def _file_kind(path: Path) -> str:
    """Tell a model file's kind by its content; check what can be checked from outside."""
    head = _head(path)
    if not head:
        raise SourceModelError(
            f"{path} is empty", observed="0 bytes", expected=_EXPECTED, remedy="copy it again"
        )
    if head.startswith(_HDF5):
        return "h5"
    torch = pytorch_kind(path, head)
    if torch is not None:
        raise refused_pytorch(path, torch)
    if head.startswith(_ZIP):
        _check_keras_archive(path)
        return "keras"
    if path.suffix == ".json" and head.lstrip().startswith(b"{"):
        return "json"
    # An ONNX file has no magic number; it begins with its IR version, a small varint in field 1.
    if path.suffix.lower() == ".onnx" or (head[0] == 0x08 and head[1:2] < b"\x20"):
        _check_not_made_here(path)
        return "onnx"
    converted = head[4:8] == b"TFL3"
    raise SourceModelError(
        f"{path} is converted already" if converted else f"{path} is not a model to convert",
        observed=f"first bytes {head[:8].hex(' ')}",
        expected=_EXPECTED,
        remedy=f"run it: edgecnn run {path} IMAGE"
        if converted
        else "name the file that model.save(...) wrote",
    )


def _check_not_made_here(path: Path) -> None:
    """Refuse an ONNX file that edgecnn converted: it says of itself how it is fed.

    Raises:
        SourceModelError: If it is one, or no ONNX file at all.
    """
    try:
        contract = read_container(path).contract
    except ContractError as error:
        raise _converted(path, error.problem) from error
    except ArtifactError as error:
        raise SourceModelError(
            error.problem, observed=error.observed, expected=error.expected, remedy=error.remedy
        ) from error
    if contract is not None:
        raise _converted(path, f"a contract of edgecnn, of the variant {contract.variant}")


def _converted(path: Path, observed: str) -> SourceModelError:
    return SourceModelError(
        f"{path} is converted already",
        observed=observed,
        expected=_EXPECTED,
        remedy=f"run it: edgecnn run {shlex.quote(str(path))} IMAGE; other variants are made of "
        "the model that it was made of",
    )


def _check_keras_archive(path: Path) -> None:
    remedy = "copy or save the file again: model.save('model.keras')"
    try:
        with zipfile.ZipFile(path) as archive:
            inflated = sum(member.file_size for member in archive.infolist())
            if inflated > _MOST_INFLATED * path.stat().st_size + MOST_CONFIG_BYTES:
                raise SourceModelError(
                    f"{path} holds far more than its size says",
                    observed=f"{inflated:,} bytes in an archive of {path.stat().st_size:,}",
                    expected=f"at most {_MOST_INFLATED} times its size",
                    remedy="do not trust this file; if it is your own, save the model again",
                )
            broken = archive.testzip()
            if broken is not None:
                raise SourceModelError(
                    f"{path} is damaged: {broken} has a wrong checksum",
                    observed="content that does not match its CRC-32",
                    expected=_ARCHIVE,
                    remedy=remedy,
                )
            size = archive.getinfo("config.json").file_size
            if size > MOST_CONFIG_BYTES:
                raise ValueError(f"its config.json has {size:,} bytes")
            config = json.loads(archive.read("config.json"))
    except _BROKEN_ZIP as error:
        raise SourceModelError(
            f"{path} is damaged or truncated ({error})",
            observed=f"{type(error).__name__} while reading it",
            expected=_ARCHIVE,
            remedy=remedy,
        ) from error
    except (KeyError, ValueError) as error:
        raise SourceModelError(
            f"{path} is a ZIP archive, but not a Keras model ({error})",
            observed="no config.json, or one that is no JSON",
            expected=_ARCHIVE,
            remedy=remedy,
        ) from error
    if not isinstance(config, dict):
        raise SourceModelError(
            f"{path} holds a config.json without a model",
            observed=f"JSON of the type {type(config).__name__}",
            expected=_ARCHIVE,
            remedy=remedy,
        )
