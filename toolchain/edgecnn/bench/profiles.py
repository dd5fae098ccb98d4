"""A profile as data: what each operator took, or how much it multiplies where that is not known."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OperatorTime", "Profile"]


@dataclass(frozen=True, kw_only=True)
class OperatorTime:
    """One operator of one artifact.

    Attributes:
        name: What the graph that ran calls it; of a TFLite operator, its first output.
        type: For example ``QLinearConv`` or ``CONV_2D``.
        count: How often it ran in one inference.
        macs: Multiply-accumulates of one inference; None where they cannot be told.
        mac_share: Its part of all multiply-accumulates, 0..1; None if any are unknown.
        total_ns: What it took in all profiled runs; None where the runtime does not tell.
        median_ns: What it took in one of them; None likewise.
        share: Its part of the sum of all operators' medians, 0..1; None likewise, and where no
            operator took a time that the profiler's clock can tell.
    """

    name: str
    type: str
    count: int = 1
    macs: int | None = None
    mac_share: float | None = None
    total_ns: int | None = None
    median_ns: int | None = None
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Where the time of one artifact goes, operator by operator.

    Attributes:
        operators: In order of execution; of the graph that really ran, which the runtime made of
            the file, where it tells times; of the file itself where it does not.
        lacks: What the runtime does not tell, or why nothing was profiled; None if all is there.
        runtime: Package and version; None if nothing ran.
        kernels: Whose kernels compute, as the runtime tells; None if nothing ran.
        threads: How many it used.
        runs: Profiled runs.
        plain_ns: Median of an inference without the profiler; None if nothing ran.
        profiled_ns: Median of an inference with it, without Python's part; None where there is
            no profiler.
    """

    operators: tuple[OperatorTime, ...] = ()
    lacks: str | None = None
    runtime: str | None = None
    kernels: str | None = None
    threads: int = 1
    runs: int = 0
    plain_ns: int | None = None
    profiled_ns: int | None = None
