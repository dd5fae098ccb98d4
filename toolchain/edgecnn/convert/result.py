"""The result of a conversion: a row per variant asked for, made or not."""

from __future__ import annotations

import time
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
        adopted: Of a file that another program made: its ``file`` name, who it is ``made_by`` as it
            says itself, and that its ``calibration`` images are not known; None for edgecnn's own.
    """

    variant: str
    status: Status
    file: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    reason: str | None = None
    min_runtime: Mapping[str, str] = field(default_factory=dict)
    repair: Mapping[str, Any] | None = None
    adopted: Mapping[str, str] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-ready values."""
        values = {**asdict(self), "min_runtime": dict(self.min_runtime)}
        for name in ("repair", "adopted"):
            if values[name] is None:
                del values[name]
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
        seconds: How long each stage took, in order, those that were passed over left out:
            ``load``, ``graph`` (one float32 graph for all files), ``comparison`` (of that graph's
            answers with the model's), ``trials`` (other ways to feed it, and own scores),
            ``reference`` (its scores on the test images), each variant by its name, and
            ``golden`` (golden vectors). A variant's includes its repair.
    """

    rows: tuple[VariantRow, ...]
    golden: int = 0
    notes: tuple[str, ...] = ()
    examined: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

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


class Laps:
    """Takes the time of stages that follow each other.

    Args:
        before: Seconds of stages that have ended already.

    Attributes:
        seconds: How long each took, by its name, in order.
    """

    def __init__(self, **before: float) -> None:
        self.seconds: dict[str, float] = before
        self._since = time.monotonic()

    def ended(self, stage: str) -> None:
        """Say that a stage has ended; the next one begins now."""
        now = time.monotonic()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now
