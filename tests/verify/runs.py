"""Verifications of builds, asked for in a few words."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from edgecnn import verify
from edgecnn.build.workspace import Workspace
from edgecnn.data import Dataset
from edgecnn.recipe.sections import Limits

_ASKED = {field.name for field in fields(verify.VerifyRequest)} - {
    field.name for field in fields(verify.BuildSubject)
}


def run(
    workspace: Workspace, dataset: Dataset, *, limits: Limits, **options: Any
) -> verify.ParityReport:
    """Verify a build; ``options`` are fields of the request or of the subject."""
    return verify.run(*_parts(workspace, dataset, limits, options))


def key(workspace: Workspace, dataset: Dataset, *, limits: Limits, **options: Any) -> str:
    """Return the key of the same."""
    return verify.key(*_parts(workspace, dataset, limits, options))


def _parts(
    workspace: Workspace, dataset: Dataset, limits: Limits, options: dict[str, Any]
) -> tuple[verify.VerifyRequest, verify.BuildSubject]:
    asked = {name: value for name, value in options.items() if name in _ASKED}
    subject = {name: value for name, value in options.items() if name not in _ASKED}
    return (
        verify.VerifyRequest(target=workspace.folder, **asked),
        verify.BuildSubject(workspace=workspace, dataset=dataset, limits=limits, **subject),
    )
