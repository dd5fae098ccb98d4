"""Mend an int8 file that misses its limits: another calibration first, then a few float layers.

All decisions rest on images that the float model has not seen: on those that it learnt from, its
answers are so sure that int8 hardly changes one. Of many candidates the chosen one looks better on
them than it is, so the verdict is left to the test images, which take no part here.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from edgecnn.build.reference import with_noise
from edgecnn.build.verdict import Judge, Unseen
from edgecnn.convert.files import Maker
from edgecnn.convert.repair.candidates import Calibrations
from edgecnn.convert.repair.trial import Attempt, Tribunal, choose_selection
from edgecnn.convert.repair.variant import VariantRepair
from edgecnn.convert.result import VariantRow
from edgecnn.convert.scoring import FloatScorer
from edgecnn.files import write_json
from edgecnn.modelfile import read_graph
from edgecnn.progress import Progress

REPAIRABLE: Final = ("tflite-int8", "onnx-int8")
"""The variants that a repair knows other ways to."""


class Repairer:
    """Repairs the variants of one build.

    Args:
        maker: Writes the files; it has calibration images.
        scorer: The float model.
        judge: The gate.
        progress: Gets a task for each variant that needs a repair, and a line for each trial.
        unseen: What a model made elsewhere has not seen; None for one that was trained here.

    Attributes:
        records: File name to calibration record, of the variants that were repaired.
    """

    def __init__(
        self,
        maker: Maker,
        scorer: FloatScorer,
        judge: Judge,
        progress: Progress,
        *,
        unseen: Unseen | None = None,
    ) -> None:
        self._maker, self._scorer, self._judge = maker, scorer, judge
        self._progress, self._unseen = progress, unseen
        self._tribunal: Tribunal | None = None
        self.records: dict[str, dict[str, Any]] = {}

    def _convened(self, file: Path) -> Tribunal | None:
        """Choose the images that decide, once the first file shows how much work one is."""
        if self._tribunal is not None:
            return self._tribunal
        maker, calibration = self._maker, self._maker.calibration
        assert calibration is not None  # noqa: S101 - the caller's promise
        selection = choose_selection(
            maker.dataset,
            calibrated=calibration.record["image_sha256"],
            macs=read_graph(file).macs,
            unseen=self._unseen,
        )
        if selection is None:
            return None
        pixels = selection.pixels
        reference, noisy = (
            self._scorer.probabilities(
                one, maker.output_kind, progress=self._progress, title="repair: reference"
            )
            for one in (pixels, with_noise(pixels))
        )
        self._tribunal = Tribunal(selection, reference, noisy, self._judge)
        return self._tribunal

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
        assert self._maker.calibration is not None  # noqa: S101 - the caller's promise
        path = self._maker.staged.path(row.file)
        tribunal = self._convened(path)
        if tribunal is None:
            self._progress.message(
                f"repair: {row.variant} stays as it is: no image is left to judge by that the "
                "model has not seen, but those of the test; give pictures that are new to it, "
                "without labels: --unlabelled FOLDER"
            )
            return [row]
        first = tribunal.judged(Attempt(what="as it was made"), path)
        calibrations = Calibrations(
            self._maker.dataset,
            self._maker.calibration,
            only_first=tribunal.selection.split == "training",
        )
        with tempfile.TemporaryDirectory(prefix="edgecnn-repair-") as folder:
            repair = VariantRepair(
                row,
                first,
                Path(folder),
                maker=self._maker,
                tribunal=tribunal,
                calibrations=calibrations,
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
