"""Plans a verification: one entry per variant, whether there is a file for it or not."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.build.workspace import Workspace
from edgecnn.errors import UsageError
from edgecnn_runner.contract import Contract


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One row to come.

    Attributes:
        variant: Format and precision; a file's stem until its contract is read.
        file: The file as it is to be called; None for a variant that was not made.
        path: Where the file is; None for a variant that was not made.
        reason: Why a variant was not made.
        contract: How a file that carries no contract is fed and read; None for the file's own.
    """

    variant: str
    file: str | None = None
    path: Path | None = None
    reason: str = ""
    contract: Contract | None = None


def plan(workspace: Workspace, artifacts: Sequence[str] | None) -> tuple[Planned, ...]:
    """Return what is to be verified, in the order asked for.

    Args:
        workspace: A build, or a folder that holds artifacts.
        artifacts: Files (names in the workspace, or paths) or variants of the manifest; None
            for every variant of the manifest.

    Returns:
        One entry per variant or file; files are not looked at.

    Raises:
        UsageError: If that is nothing.
        WorkspaceError: If the manifest is damaged.
    """
    variants = {str(row["variant"]): row for row in workspace.manifest()["variants"]}
    if artifacts is None:
        planned = tuple(_of_variant(workspace, row) for row in variants.values())
    else:
        planned = tuple(
            _of_variant(workspace, variants[name])
            if name in variants
            else Planned(variant=Path(name).stem, file=name, path=workspace.path(name))
            for name in artifacts
        )
    if not any(one.path for one in planned):
        raise UsageError(
            f"there is nothing to verify in {workspace.folder}",
            observed=f"{len(planned)} variants, none of which was made",
            expected="at least one artifact",
            remedy="convert a model first: edgecnn convert SOURCE --out "
            f"{shlex.quote(str(workspace.folder))}",
        )
    return planned


def _of_variant(workspace: Workspace, row: Mapping[str, Any]) -> Planned:
    variant, file = str(row["variant"]), row.get("file")
    if not file:
        return Planned(variant=variant, reason=str(row.get("reason") or "it was not made"))
    return Planned(variant=variant, file=str(file), path=workspace.path(str(file)))
