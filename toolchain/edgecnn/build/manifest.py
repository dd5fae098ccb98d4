"""The form of a build's ``manifest.json``, checked to its depth before anyone relies on it.

A build may come from somebody else, and stages delete and hash what a manifest names: names must
stay inside the folder. Entries not listed here are let through; nobody reads them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgecnn_runner.contract import INPUT_RANGES, is_range

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


def manifest_problem(raw: object) -> str | None:
    """Return the first thing wrong with a parsed manifest of this schema; None if it is sound."""
    try:
        _Manifest.model_validate(raw)
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        place = ".".join(ascii(part).strip("'") for part in mistake["loc"]) or "manifest"
        return f"{place}: {mistake['msg'].removeprefix('Value error, ')}"
    return None
