"""What goes into a bundle's file names: the model's name and the bundle's version."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from edgecnn.build.artifact import format_of, mixed_of
from edgecnn.build.workspace import Workspace
from edgecnn.errors import UsageError
from edgecnn.package.proven import Proven
from edgecnn.package.request import PackageRequest
from edgecnn_installer.bundle import plain_name


def default_variant(workspace: Workspace | None, variant: str) -> str:
    """Return a variant, or what a repair put in its place in this build.

    Of a build of files that another program made it is one of the same format, in int8 if there is
    one.

    Args:
        workspace: The build; None for a released model, which has no repaired files.
        variant: An int8 variant.
    """
    rows = [] if workspace is None else workspace.manifest()["variants"]
    names = [str(row["variant"]) for row in rows]
    like = [name for name in names if name.startswith(f"{format_of(variant)}-foreign-")]
    if like and variant not in names:
        return min(like, key=lambda name: not name.endswith("-int8"))
    is_replaced = any(row["variant"] == variant and row["status"] == "replaced" for row in rows)
    return mixed_of(variant) if is_replaced else variant


def bundle_version(request: PackageRequest, date: int) -> str:
    """Return a bundle's version.

    Args:
        request: Gives one, or none for the date, as 2026.11.25.
        date: In seconds since 1970.

    Raises:
        UsageError: If it cannot be a part of file names.
    """
    given = request.version
    if given is None:
        return dt.datetime.fromtimestamp(date, dt.UTC).strftime("%Y.%m.%d")
    return _plain(
        given,
        f"--version {given} cannot be a part of file names",
        remedy=f"give another one: {replace(request, version='1.2.0').command()}; or leave it out, "
        f"for the date: {replace(request, version=None).command()}",
    )


def named_model(proven: Proven) -> str:
    """Return the model's name.

    Raises:
        UsageError: If it cannot be a part of file names.
    """
    return _plain(
        proven.model,
        f"the model's name, {proven.model}, cannot be a part of file names",
        remedy="give it another one: [model] name in the recipe, and build it again",
    )


def _plain(text: str, problem: str, *, remedy: str) -> str:
    """Return a text that can be a part of file names, as it is; else raise what is wrong."""
    try:
        return plain_name(text)
    except ValueError as error:
        raise UsageError(
            problem,
            observed=str(error),
            expected="up to 64 letters, digits, dots, hyphens, plus signs and underscores",
            remedy=remedy,
        ) from error
