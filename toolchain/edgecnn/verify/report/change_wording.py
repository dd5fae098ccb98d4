"""What changed since an earlier verification, in words: at the terminal, in page and summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edgecnn.verify.changes import Baseline, Change, ShareChange
from edgecnn.verify.report.wording import percent, points, size_text

__all__ = ["baseline_headline", "basis_sentence", "change_sentence", "changed", "worse_than"]

_MEASURES: Final = {"accuracy": "accuracy", "agreement": "agreement with the float model"}
_MOST_TOLD: Final = 3


def baseline_headline(baseline: Baseline) -> str:
    """Say in one sentence whether anything got worse."""
    worse = baseline.regressions
    if not worse:
        return f"Nothing got worse since {baseline.source}."
    names = ", ".join(one.variant for one in worse)
    return f"Worse than in {baseline.source}: {names}."


def basis_sentence(baseline: Baseline) -> str:
    """Say what the comparison rests on."""
    if baseline.paired:
        return (
            "Same images, same float model: artifacts are compared with their predecessors image "
            "by image."
        )
    why = (
        "Other images than then, or as many as each verdict needed"
        if baseline.same_model
        else "Since then the float model changed"
    )
    return (
        f"{why}: accuracies are compared as those of two independent samples, which only a larger "
        "difference tells apart."
    )


def changed(baseline: Baseline) -> Sequence[Change]:
    """Return the artifacts of which there is something to tell: all but those that are the same."""
    return [one for one in baseline.changes if not _is_same(one)]


def change_sentence(change: Change) -> str:
    """Say what became of one artifact."""
    if change.verdict_before is None:
        return f"new: {change.verdict}"
    if change.verdict is None:
        return f"missing; it was {change.verdict_before}"
    parts = [] if change.replaces is None else [f"in the place of {change.replaces}"]
    if change.verdict != change.verdict_before:
        parts.append(f"{change.verdict_before} before, now {change.verdict}")
    for measure, name in _MEASURES.items():
        share: ShareChange | None = getattr(change, measure)
        if share is not None and (share.now != share.before or measure in change.regressions):
            parts.append(_share_sentence(name, share, worse=measure in change.regressions))
    if change.bytes != change.bytes_before:
        parts.append(_size_sentence(change.bytes_before, change.bytes))
    if not parts:
        return "the same file" if change.same_file else "another file, with the same answers"
    return "; ".join(parts)


def worse_than(baseline: Baseline) -> str:
    """Say the first few regressions, for an error."""
    worse = baseline.regressions
    told = [f"{one.variant}, {change_sentence(one)}" for one in worse[:_MOST_TOLD]]
    more = len(worse) - _MOST_TOLD
    return "; ".join(told + ([f"and {more} more"] if more > 0 else []))


def _share_sentence(name: str, share: ShareChange, *, worse: bool) -> str:
    return (
        f"{name} {percent(share.before)} before, now {percent(share.now)} "
        f"({points(share.now - share.before, sign=True)} points, 95 % interval "
        f"{points(share.low)} to {points(share.high)}{', worse beyond chance' if worse else ''})"
    )


def _size_sentence(before: int | None, now: int | None) -> str:
    texts = size_text(before), size_text(now)
    if texts[0] == texts[1]:  # a few bytes, such as the version of a tool in the contract
        texts = f"{before:,} bytes", f"{now:,} bytes"
    return f"size {texts[0]} before, now {texts[1]}"


def _is_same(change: Change) -> bool:
    same_verdict = change.verdict == change.verdict_before and change.replaces is None
    shares = [one for one in (change.accuracy, change.agreement) if one is not None]
    same_shares = all(one.now == one.before for one in shares)
    return same_verdict and same_shares and change.bytes == change.bytes_before
