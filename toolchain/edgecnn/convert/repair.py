"""Mend an int8 file that misses its limits: another calibration first, then a few float layers.

All decisions rest on validation images. Of many candidates the chosen one looks better on them
than it is, so the verdict is left to the test images, which take no part here.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from edgecnn.convert.build_files import Maker
from edgecnn.convert.candidates import Calibrations
from edgecnn.convert.repair_trial import Attempt, Tribunal
from edgecnn.convert.repair_variant import VariantRepair
from edgecnn.convert.result import VariantRow
from edgecnn.convert.scoring import Scorer
from edgecnn.convert.selection import Selection
from edgecnn.judged import Judge
from edgecnn.progress import Progress
from edgecnn.workspace import write_json

__all__ = ["REPAIRABLE", "Repairer"]

REPAIRABLE: Final = ("tflite-int8", "onnx-int8")
"""The variants that a repair knows other ways to."""


class Repairer:
    """Repairs the variants of one build.

    Args:
        maker: Writes the files; it has calibration images.
        scorer: The float model.
        selection: The images that decide.
        judge: The gate.
        progress: Gets a task for each variant that needs a repair, and a line for each trial.

    Attributes:
        records: File name to calibration record, of the variants that were repaired.
    """

    def __init__(
        self,
        maker: Maker,
        scorer: Scorer,
        selection: Selection,
        judge: Judge,
        progress: Progress,
    ) -> None:
        assert maker.calibration is not None  # noqa: S101 - the caller's promise
        self._maker, self._progress = maker, progress
        reference = scorer.probabilities(
            selection.images.pixels, maker.output_kind, progress=progress, title="repair: reference"
        )
        self._tribunal = Tribunal(selection, reference, judge)
        self._calibrations = Calibrations(
            maker.dataset, maker.calibration, only_first=selection.split == "training"
        )
        self.records: dict[str, dict[str, Any]] = {}

    def repair(self, row: VariantRow) -> list[VariantRow]:
        """Judge a variant that was made, and repair it if it misses the limits.

        Args:
            row: One of ``REPAIRABLE``, made.

        Returns:
            Its row with ``repair`` in it; or, where a mixed file takes its place, its row as
            ``replaced`` and that file's.

        Raises:
            WorkspaceError: If a file cannot be written.
        """
        assert row.file is not None  # noqa: S101 - it was made
        path = self._maker.staged.path(row.file)
        first = self._tribunal.judged(Attempt(what="as it was made"), path)
        with tempfile.TemporaryDirectory(prefix="edgecnn-repair-") as folder:
            repair = VariantRepair(
                row,
                first,
                Path(folder),
                maker=self._maker,
                tribunal=self._tribunal,
                calibrations=self._calibrations,
                progress=self._progress,
            )
            rows = repair.run()
        self.records |= repair.records
        return rows

    def write_records(self) -> list[str]:
        """Write the calibration records of what was repaired; return their names."""
        for name, record in self.records.items():
            write_json(self._maker.staged.path(name), record)
        return list(self.records)
