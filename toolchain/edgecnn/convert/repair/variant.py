"""The repair of one variant: the ways to it in order of cost, and then fewer integers."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgecnn.build.artifact import artifact_name, format_of, mixed_of, write_artifact
from edgecnn.build.workspace import Workspace
from edgecnn.convert.calibration import with_entries
from edgecnn.convert.files import Maker, reason_of
from edgecnn.convert.payload import Payload
from edgecnn.convert.repair.candidates import (
    Calibrations,
    Methods,
    OnnxMethods,
    RepairCandidate,
    TfliteMethods,
)
from edgecnn.convert.repair.fewest import TriedLayers, find_fewest
from edgecnn.convert.repair.layers_to_keep import Culprits
from edgecnn.convert.repair.record import KeptLayer, Outcome, RepairRecord, judged_on
from edgecnn.convert.repair.trial import Attempt, Tribunal
from edgecnn.convert.result import VariantRow
from edgecnn.data.calibration import CalibrationSet
from edgecnn.errors import EdgeError, some_of
from edgecnn.modelfile.layers import compare
from edgecnn.modelfile.precision import find_precision
from edgecnn.progress import Progress, ProgressTask
from edgecnn_runner.machine import describe_machine
from edgecnn_runner.runtimes.quiet import without_native_chatter
from edgecnn_runner.session import Session
from edgecnn_runner.timing import measure, percentile

_BUDGET: Final = 64
"""How many mixtures are tried to grow one that holds."""

_BETTER: Final = 0.9
"""Below this share of the plainest way's distance another way counts as better."""

_UNASKED: Final = "the quantizer has no integer form for it here"

_COMPARED: Final = 32
"""Images that two files are compared on layer by layer, which says which layers to try first."""


class VariantRepair:
    """Repairs one variant.

    Args:
        row: The variant's; it was made.
        first: Its first file, judged.
        folder: For files that are tried.
        maker: Writes the files that are chosen.
        tribunal: Judges.
        calibrations: Images to calibrate with.
        progress: Gets a task, and a line for each trial.

    Attributes:
        records: File name to calibration record of what was chosen.
    """

    def __init__(
        self,
        row: VariantRow,
        first: Attempt,
        folder: Path,
        *,
        maker: Maker,
        tribunal: Tribunal,
        calibrations: Calibrations,
        progress: Progress,
    ) -> None:
        self._row, self._variant, self._attempts = row, row.variant, [first]
        self._folder, self._maker, self._tribunal = folder, maker, tribunal
        self._calibrations, self._progress = calibrations, progress
        self.records: dict[str, dict[str, Any]] = {}

    def run(self) -> list[VariantRow]:
        """Repair, where the first file misses; see ``repair.Repairer.repair``."""
        first = self._attempts[0]
        if first.judged is None or not first.judged.misses:
            # Of one that does not run the golden vectors tell.
            return [self._told(self._row, "not needed")]
        try:
            methods = self._methods()
            candidates = list(methods.candidates())
        except EdgeError as error:
            return [self._told(self._row, "nothing helps", reason=reason_of(error))]
        total = len(candidates) + _BUDGET
        with self._progress.task(f"repair {self._variant}", total) as task:
            for candidate in candidates:
                attempt = self._try(candidate, frozenset(), self._variant, task)
                if attempt.holds:
                    return [self._told(self._kept(self._variant, attempt, {}), "recalibrated")]
            return self._mixed(methods, task)

    def _methods(self) -> Methods:
        if format_of(self._variant) == "tflite":
            return TfliteMethods(self._maker.payloads, self._calibrations)
        return OnnxMethods(self._maker.payloads, self._calibrations, self._folder)

    def _try(
        self, candidate: RepairCandidate, kept: frozenset[str], variant: str, task: ProgressTask
    ) -> Attempt:
        """Make and judge one file."""
        what = candidate.what + (f", in float: {some_of(sorted(kept))}" if kept else "")
        attempt = self._made(Attempt(what=what, candidate=candidate), kept, variant)
        # Of mixtures that do not hold nobody needs the model any more, and there may be many.
        spent = bool(kept) and not attempt.holds
        self._attempts.append(dataclasses.replace(attempt, payload=None) if spent else attempt)
        task.note(what)
        task.advance()
        self._progress.message(f"repair {self._variant}: {what}: {attempt.tried.result}")
        return attempt

    def _made(self, attempt: Attempt, kept: frozenset[str], variant: str) -> Attempt:
        candidate = attempt.candidate
        assert candidate is not None  # noqa: S101 - only the first file has none
        try:
            payload = self._maker.payloads.checked(variant, candidate.make(kept))
        except EdgeError as error:
            return dataclasses.replace(attempt, failure=reason_of(error))
        attempt = dataclasses.replace(attempt, payload=payload)
        target = self._maker.target
        refusal = None if target is None else target.refuses(payload.graph)
        if refusal is not None:
            return dataclasses.replace(attempt, failure=refusal)
        return self._tribunal.judged(
            attempt, self._written(variant, payload, candidate.calibration)
        )

    def _written(self, variant: str, payload: Payload, calibration: CalibrationSet | None) -> Path:
        """Write a file that is tried, in the place of the one tried before."""
        path = self._folder / artifact_name(self._maker.recipe.model.name, variant)
        contract = self._maker.contract(variant, payload, calibration, {})
        write_artifact(path, payload.data, contract)
        return path

    def _kept(self, variant: str, attempt: Attempt, float_layers: Mapping[str, str]) -> VariantRow:
        """Write the file that was chosen, with a calibration record of its own."""
        candidate, payload = attempt.candidate, attempt.payload
        assert candidate is not None  # noqa: S101 - it holds
        assert payload is not None  # noqa: S101 - it holds
        selection = self._tribunal.selection.record()
        calibration = with_entries(
            candidate.calibration, {"method": dict(candidate.method), "selection": selection}
        )
        row = self._maker.write(variant, payload, calibration, float_layers=float_layers)
        self.records[Workspace.calibration_of(variant)] = calibration.record
        return row

    def _mixed(self, methods: Methods, task: ProgressTask) -> list[VariantRow]:
        """Keep the worst layers in float, as few as possible."""
        base, candidate = self._base()
        holding: dict[frozenset[str], Attempt] = {}

        def trial(kept: frozenset[str]) -> TriedLayers:
            attempt = self._try(candidate, kept, mixed_of(self._variant), task)
            if attempt.holds:
                holding[kept] = attempt
            return TriedLayers(holds=attempt.holds, distance=attempt.distance)

        try:
            culprits = self._culprits(methods, base)
        except EdgeError as error:
            return [self._told(self._row, "nothing helps", reason=reason_of(error))]
        found = find_fewest(
            methods.layers, culprits.ranked(), trial, start=base.distance, budget=_BUDGET
        )
        if not found.layers:
            return [self._told(self._row, "nothing helps", reason=found.reason)]
        return self._replaced(methods, culprits, holding[found.layers], found.layers)

    def _base(self) -> tuple[Attempt, RepairCandidate]:
        """Choose the way that layers are left out of: the plainest, unless another is better.

        Where all of them fail, the nearest is so by chance, and clipped ranges would only do harm.
        """
        first = self._calibrations.first
        able = [
            (one, one.candidate)
            for one in self._attempts
            if one.candidate is not None and one.candidate.selective
        ]
        plain = next(pair for pair in able if pair[1].calibration is first)
        best = min(able, key=lambda pair: pair[0].distance)
        return best if best[0].distance < _BETTER * plain[0].distance else plain

    def _culprits(self, methods: Methods, base: Attempt) -> Culprits:
        """Compare the best integer file with the float one, layer by layer."""
        calibration = self._calibrations.first
        if base.payload is None:  # this quantizer cannot do without any layer in float
            assert self._row.file is not None  # noqa: S101 - it was made
            integer = self._maker.staged.path(self._row.file)
        else:
            integer = self._written(self._variant, base.payload, calibration)
        pixels = calibration.pixels[:_COMPARED]
        return Culprits(methods.layers, compare(self._float_file(methods), integer, pixels))

    def _float_file(self, methods: Methods) -> Path:
        variant = f"{format_of(self._variant)}-fp32"
        payload = self._maker.payloads.checked(variant, methods.float_file)
        return self._written(variant, payload, None)

    def _replaced(
        self, methods: Methods, culprits: Culprits, attempt: Attempt, layers: frozenset[str]
    ) -> list[VariantRow]:
        """Put a mixed file in the place of the integer one."""
        assert attempt.payload is not None  # noqa: S101 - it holds
        found = layers | methods.layers.in_float(attempt.payload.graph)
        kept = tuple(
            KeptLayer(
                name=key,
                operator=layer.operator,
                macs=layer.macs,
                snr_db=culprits.snr_db(key),
                why=culprits.why(key, layers) if key in layers else _UNASKED,
            )
            for key, layer in methods.layers.layers.items()
            if key in found
        )
        variant = mixed_of(self._variant)
        reasons = {one.name: f"{one.operator}: {one.why}" for one in kept}
        mixed = self._kept(variant, attempt, reasons)
        assert mixed.file is not None  # noqa: S101 - nothing refused it when it was tried
        assert self._row.file is not None  # noqa: S101 - it was made
        staged, graph = self._maker.staged, attempt.payload.graph
        integer = staged.path(self._row.file)
        files = {
            self._variant: integer,
            variant: staged.path(mixed.file),
            f"{format_of(variant)}-fp32": self._float_file(methods),
        }
        cost = latency_cost(files, self._tribunal.selection.pixels[0])
        integer.unlink()
        where = judged_on(self._tribunal.selection.split, len(self._tribunal.selection))
        replaced = VariantRow(
            variant=self._variant,
            status="replaced",
            reason=f"it misses the limits on {where}; {variant} takes its place",
            min_runtime=self._row.min_runtime,
        )
        share = find_precision(graph).real_macs / max(graph.macs, 1)
        return [
            replaced,
            self._told(mixed, "mixed", kept=kept, float_macs=share, latency=cost),
        ]

    def _told(
        self,
        row: VariantRow,
        outcome: Outcome,
        *,
        reason: str = "",
        kept: tuple[KeptLayer, ...] = (),
        float_macs: float = 0.0,
        latency: Mapping[str, Any] | None = None,
    ) -> VariantRow:
        """Return a row with what was done."""
        selection = self._tribunal.selection
        record = RepairRecord(
            outcome=outcome,
            split=selection.split,
            images=len(selection),
            folder=selection.folder,
            tried=tuple(one.tried for one in self._attempts),
            reason=reason,
            kept=kept,
            float_macs=float_macs,
            latency=latency,
        )
        return dataclasses.replace(row, repair=record.to_dict())


_ROUNDS: Final = 10
_WARMUP: Final = 5
_SECONDS: Final = 6.0
_FEWEST, _MOST = 5, 60


def latency_cost(files: Mapping[str, Path], image: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """Time files of one model in turns, so that whatever else the machine does meets them alike.

    Args:
        files: What to call each file, and where it is.
        image: Shape (height, width, channels), uint8.

    Returns:
        JSON-ready: ``median_ns`` by name, ``n`` calls of each, ``threads``, ``runtime``, and the
        ``machine`` as ``edgecnn_runner.machine.describe_machine`` has it.
    """
    samples: dict[str, list[int]] = {name: [] for name in files}
    with contextlib.ExitStack() as stack:
        with without_native_chatter():
            opened = {name: Session.open(path) for name, path in files.items()}
        sessions = {name: stack.enter_context(one) for name, one in opened.items()}
        first = {
            name: measure(one, image, warmup=_WARMUP, runs=3) for name, one in sessions.items()
        }
        each_ns = sum(timing.summary()["median_ns"] for timing in first.values())
        runs = min(max(int(_SECONDS * 1e9 / (_ROUNDS * each_ns)), _FEWEST), _MOST)
        for _ in range(_ROUNDS):
            for name, session in sessions.items():
                samples[name] += measure(session, image, warmup=_WARMUP, runs=runs).samples_ns
        runtime = next(iter(sessions.values())).runtime
    return {
        "median_ns": {name: percentile(sorted(found), 50) for name, found in samples.items()},
        "n": _ROUNDS * runs,
        "threads": 1,
        "runtime": runtime,
        "machine": describe_machine(),
    }
