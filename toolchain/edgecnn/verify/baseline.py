"""Compares a verification with an earlier one: what changed, and what got worse.

Where both were on the same images with the same float model, each artifact is compared with its
predecessor image by image; what the two reports tell apart for that are the images on which an
artifact answers otherwise than the float model. Otherwise accuracies are compared as those of two
independent samples, which asks for a larger difference.

A loss counts as a regression if it is beyond chance: one-sided tests, Holm-corrected over all that
is compared, so that where nothing got worse a regression is reported in at most 2.5 % of cases. So
does a verdict that got worse, by the criteria that the earlier one had, and an artifact that is
missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from edgecnn.build.artifact import asked_for
from edgecnn.errors import DataError, some_of
from edgecnn.verify.changes import Baseline, Change, ShareChange
from edgecnn.verify.gate.criteria import ALPHA, LEVEL
from edgecnn.verify.gate.judgement import verdict_of
from edgecnn.verify.metrics import Flip, Metrics
from edgecnn.verify.results import ArtifactRow, ParityReport, RowVerdict
from edgecnn.verify.statistics.intervals import holm, tango_interval

_GRAVITY: Final[tuple[RowVerdict, ...]] = ("PASS", "INCONCLUSIVE", "FAIL", "ERROR", "NOT MADE")


@dataclass(frozen=True, kw_only=True)
class EarlierReport:
    """A verification that was finished before.

    Attributes:
        report: What it found.
        source: What to call it, for example the path of its file.
    """

    report: ParityReport
    source: str


@dataclass(frozen=True, kw_only=True)
class _Tested:
    change: ShareChange
    p: float


def compare(
    report: ParityReport, before: ParityReport, *, source: str, some: bool = False
) -> Baseline:
    """Compare a verification with an earlier one.

    Args:
        report: The verification of now.
        before: The earlier one.
        source: What to call the earlier one, for example the path of its file.
        some: Whether only some files of a build were to be verified: none of the others is
            missing then.

    Returns:
        One change per variant of either; where a repair put another file in a variant's place,
        these two are compared.

    Raises:
        DataError: If they do not have the same classes.
    """
    check_comparable(report.class_names, before, source=source)
    paired = _pairable(report, before)
    earlier, now = _as_asked_for(before), _as_asked_for(report)
    names = [*now, *(name for name in earlier if name not in now and not some)]
    tested = {
        name: _tested(earlier[name].metrics, now[name].metrics, paired=paired)
        for name in names
        if name in earlier and name in now
    }
    worse = _beyond_chance(tested)
    changes = tuple(
        _change(name, earlier.get(name), now.get(name), tested.get(name, {}), worse)
        for name in names
    )
    return Baseline(
        source=source,
        created=before.created,
        paired=paired,
        same_model=report.evaluated.model_sha256 == before.evaluated.model_sha256,
        changes=changes,
    )


def check_comparable(class_names: Sequence[str], before: ParityReport, *, source: str) -> None:
    """Refuse a baseline of other classes.

    Raises:
        DataError: If it is one.
    """
    if tuple(class_names) != before.class_names:
        raise DataError(
            f"{source} is of another classifier",
            observed=_classes(before.class_names),
            expected=_classes(class_names),
            remedy="give --baseline the parity.json of an earlier state of this model",
        )


def _classes(names: Sequence[str]) -> str:
    return f"{len(names)} classes: {some_of(names)}"


def _as_asked_for(report: ParityReport) -> dict[str, ArtifactRow]:
    """Return the rows by what was asked for: of one that a repair replaced, the file that ships."""
    found = {row.variant: row for row in report.rows}
    if report.foreign is not None:  # no repair of ours
        return found
    replaced = {name for name, row in found.items() if row.verdict == "NOT MADE"}
    rows: dict[str, ArtifactRow] = {}
    for name, row in found.items():
        wanted = asked_for(name)
        rows[name if wanted in found.keys() - replaced else wanted] = row
    return rows


def _pairable(report: ParityReport, before: ParityReport) -> bool:
    """Tell whether both were on the same images, in the same order, with the same float scores."""
    here, there = report.evaluated, before.evaluated
    return (
        here.images_sha256 == there.images_sha256
        and here.reference_sha256 == there.reference_sha256
        and not report.until_decided
        and not before.until_decided
    )


def _tested(before: Metrics | None, now: Metrics | None, *, paired: bool) -> dict[str, _Tested]:
    if before is None or now is None:
        return {}
    if paired:
        old, new = _answers(before.flips), _answers(now.flips)
        either = old.keys() | new.keys()
        # Where only one of the two differs from the float model, the other answers as that does.
        right = [(_is_right(index, old, new), _is_right(index, new, old)) for index in either]
        lost = sum(a and not b for a, b in right)
        gained = sum(b and not a for a, b in right)
        apart = len(new.keys() - old.keys()), len(old.keys() - new.keys())
        return {
            "accuracy": _paired_change(
                before.artifact.accuracy, now.artifact.accuracy, lost, gained, now.images
            ),
            "agreement": _paired_change(before.agreement, now.agreement, *apart, now.images),
        }
    return {
        "accuracy": _change_of_two(
            before.artifact.accuracy, before.images, now.artifact.accuracy, now.images
        ),
        "agreement": _change_of_two(before.agreement, before.images, now.agreement, now.images),
    }


def _answers(flips: Iterable[Flip]) -> dict[int, Flip]:
    return {flip.index: flip for flip in flips}


def _is_right(index: int, own: dict[int, Flip], others: dict[int, Flip]) -> bool:
    """Tell whether an artifact is right on an image on which it or the other one flips."""
    flip = own.get(index)
    if flip is not None:
        return flip.artifact_class == flip.label
    return others[index].reference_class == others[index].label


def _paired_change(before: float, now: float, lost: int, gained: int, images: int) -> _Tested:
    from scipy.stats import binomtest

    drop = tango_interval(lost, gained, images, LEVEL)
    discordant = lost + gained
    # McNemar's exact test, on the side of a loss.
    p = float(binomtest(lost, discordant, 0.5, alternative="greater").pvalue) if discordant else 1.0
    return _Tested(change=ShareChange(before=before, now=now, low=-drop.high, high=-drop.low), p=p)


def _change_of_two(before: float, images_before: int, now: float, images: int) -> _Tested:
    """Compare shares of two independent samples.

    The interval is R. G. Newcombe's (1998), Interval estimation for the difference between
    independent proportions, Statistics in Medicine 17, 873-890, method 10; the test is
    Fisher's exact one.
    """
    from math import hypot

    from scipy.stats import fisher_exact

    from edgecnn.build.shares import wilson_interval

    had, has = round(before * images_before), round(now * images)
    first = wilson_interval(had, images_before, LEVEL)
    second = wilson_interval(has, images, LEVEL)
    change = now - before
    low = change - hypot(now - second.low, first.high - before)
    high = change + hypot(second.high - now, before - first.low)
    table = [[had, images_before - had], [has, images - has]]
    p = float(fisher_exact(table, alternative="greater").pvalue)
    return _Tested(change=ShareChange(before=before, now=now, low=low, high=high), p=p)


def _beyond_chance(tested: dict[str, dict[str, _Tested]]) -> set[tuple[str, str]]:
    """Return the variants and measures whose loss chance does not explain."""
    which = [(name, measure) for name, measures in tested.items() for measure in measures]
    steps = holm([tested[name][measure].p for name, measure in which], ALPHA)
    return {one for one, rejected in zip(which, steps.rejected, strict=True) if rejected}


def _fewer(before: ArtifactRow, now: ArtifactRow) -> bool:
    """Tell whether a verdict is open only because fewer images were looked at."""
    return (
        now.verdict == "INCONCLUSIVE"
        and before.metrics is not None
        and now.metrics is not None
        and now.metrics.images < before.metrics.images
    )


def _as_judged(before: ArtifactRow, now: ArtifactRow) -> RowVerdict:
    """Return a verdict by the criteria that the earlier one had: a new limit makes nothing worse.

    A new limit that is missed is told all the same: the verdict itself has its own exit code.
    """
    if before.judgement is None or now.judgement is None:
        return now.verdict
    had = {one.name for one in before.judgement.criteria}
    return verdict_of([one.outcome for one in now.judgement.criteria if one.name in had])


def _change(
    name: str,
    before: ArtifactRow | None,
    now: ArtifactRow | None,
    tested: dict[str, _Tested],
    worse: set[tuple[str, str]],
) -> Change:
    own = [row.variant for row in (now, before) if row is not None]
    change = Change(
        variant=own[0],
        replaces=own[-1] if own[-1] != own[0] else None,
        verdict_before=None if before is None else before.verdict,
        verdict=None if now is None else now.verdict,
        bytes_before=None if before is None else before.bytes,
        bytes=None if now is None else now.bytes,
        same_file=before is not None
        and now is not None
        and before.sha256 is not None
        and before.sha256 == now.sha256,
        accuracy=tested["accuracy"].change if tested else None,
        agreement=tested["agreement"].change if tested else None,
    )
    if before is None:
        return change
    regressions = [measure for measure in ("accuracy", "agreement") if (name, measure) in worse]
    was_made = before.verdict != "NOT MADE"
    if now is None:
        regressions = ["missing"] if was_made else []
    elif _GRAVITY.index(_as_judged(before, now)) > _GRAVITY.index(before.verdict) and not _fewer(
        before, now
    ):
        regressions.insert(0, "verdict")
    return replace(change, regressions=tuple(regressions))
