"""What a conversion came to: a row per variant asked for, made or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from edgecnn.errors import ConversionError

Status = Literal["made", "failed", "refused", "replaced"]


@dataclass(frozen=True, kw_only=True)
class VariantRow:
    """One variant.

    Attributes:
        variant: Format and precision.
        status: ``made``; ``failed``: it could not be converted; ``refused``: the runtime asked
            for cannot load it, so it was not written; ``replaced``: it was beyond the limits, and
            a repair made another in its place.
        file: Its name in the build; None if it was not made.
        bytes: Size of the file, contract included.
        sha256: Digest of the file.
        reason: Why it was not made.
        min_runtime: Runtime name to the lowest version that loads it; also known for a variant
            that was refused.
        repair: What a repair tried and came to, see ``repair_record``; None where none was
            asked for.
    """

    variant: str
    status: Status
    file: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    reason: str | None = None
    min_runtime: Mapping[str, str] = field(default_factory=dict)
    repair: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-ready values."""
        values = {**asdict(self), "min_runtime": dict(self.min_runtime)}
        if self.repair is None:
            del values["repair"]
        return values


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What ``run`` did.

    Attributes:
        rows: One per variant asked for, in the order asked for, and behind one that a repair
            replaced the one in its place.
        golden: How many golden vectors were found.
        notes: What a user should know and that is no error.
        examined: What was found when the float model was looked at before, JSON-ready: trials of
            other ways to feed it, and how far it has the user's own scores.
    """

    rows: tuple[VariantRow, ...]
    golden: int = 0
    notes: tuple[str, ...] = ()
    examined: Mapping[str, Any] = field(default_factory=dict)

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the rows as JSON-ready values, as the manifest holds them."""
        return [row.to_dict() for row in self.rows]

    def exit_error(self) -> ConversionError | None:
        """Return the error the command ends with; None if every variant was made."""
        missing = [row for row in self.rows if row.status not in ("made", "replaced")]
        if not missing:
            return None
        what = "\n".join(f"  {row.variant} {row.status}: {row.reason}" for row in missing)
        return ConversionError(
            f"{len(missing)} of {len(self.rows)} variants were not made:\n{what}",
            observed=f"{len(self.rows) - len(missing)} made",
            expected=f"{len(self.rows)} made",
            remedy="mend what the reasons name, or ask only for the others with --variant",
        )
