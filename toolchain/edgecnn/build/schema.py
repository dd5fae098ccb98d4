"""Reports in JSON that are read back: of one schema, or refused with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from edgecnn.errors import WorkspaceError

Report = TypeVar("Report")


def read_schema_file(
    path: Path,
    kind: type[Report],
    *,
    schema: int,
    what: str,
    command: str,
    remedy: str,
    earlier: tuple[int, ...] = (),
) -> Report:
    """Read a report back.

    Args:
        path: A JSON object whose ``schema`` is the version of its layout.
        kind: The dataclass that it holds; what it does not know is left out.
        schema: The version that this program writes.
        what: What the file holds, for an error: ``the parity report``.
        command: Which command writes it.
        remedy: What to do if it cannot be read.
        earlier: Versions that are read, too; the dataclass has defaults for what they lack.

    Raises:
        WorkspaceError: If the file is missing, damaged or of another schema.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        found = values["schema"]
        if found == schema or found in earlier:
            return TypeAdapter(kind).validate_python(values)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise WorkspaceError(
            f"cannot read {what} {path}",
            observed=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            expected=f"what {command} writes, schema {schema}",
            remedy=remedy,
        ) from error
    raise WorkspaceError(
        f"{path} was written by another version of edgecnn",
        observed=f"schema {found}",
        expected=f"schema {schema}",
        remedy=remedy,
    )
