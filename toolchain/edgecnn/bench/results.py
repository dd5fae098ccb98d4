"""Results of a bench, as data: devices, artifacts on them, and every single time.

Everything is JSON-ready and reads back the same. Times are nanoseconds of a monotonic clock, in the
order they were taken; no outlier is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from edgecnn.errors import RowError


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


BENCH_SCHEMA: Final = 1


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How it was measured.

    Attributes:
        runs: Fewest counted runs of each artifact at each number of threads.
        seconds: Least time that its counted runs take together.
        threads: Numbers of threads asked for; 0 stands for all cores.
        starts: Processes started for the time from start to first result.
        seed: Of the order in which artifacts take turns, and of bootstraps.
        sustain: Seconds of steady load afterwards; 0 for none.
        profile: Whether time per operator was asked for.
    """

    runs: int = 50
    seconds: float = 1.0
    threads: tuple[int, ...] = (1, 2, 4, 0)
    starts: int = 5
    seed: int = 0
    sustain: int = 0
    profile: bool = False


@dataclass(frozen=True, kw_only=True)
class ThreadBench:
    """One artifact at one number of threads.

    Attributes:
        threads: How many.
        turns: Raw times of single runs, one tuple for each turn that the artifact had.
        warmup: Runs before the first counted one.
        stable: Whether the warm-up ended because times had become stable, not because it had
            lasted too long.
        first_ns: The first inference of a fresh process.
        load_ns: Reading, checking and loading the file in a fresh process.
        starts_ns: From the start of a process to its first result, one for each process.
        peak_memory_bytes: The most memory such a process had resident; None where unknown.
        kernels: Whose kernels compute, as the runtime tells.
    """

    threads: int
    turns: tuple[tuple[int, ...], ...]
    warmup: int
    stable: bool
    first_ns: int
    load_ns: int
    starts_ns: tuple[int, ...]
    peak_memory_bytes: int | None
    kernels: str

    @property
    def samples_ns(self) -> tuple[int, ...]:
        """All raw times, in order."""
        return tuple(sample for turn in self.turns for sample in turn)


@dataclass(frozen=True, kw_only=True)
class ArtifactBench:
    """One artifact with one runtime on one device.

    Attributes:
        model: The model's name.
        variant: Format and precision.
        file: Its name.
        sha256: Digest of the file.
        bytes: Its size.
        macs: Multiply-accumulates of one inference; None where an operator's are unknown.
        runtime: Package and version that ran it; None if nothing did.
        runtime_name: A key of ``edgecnn_runner.runtimes.choice.RUNTIMES``; None if nothing did.
        verdict: Of its last verification here: PASS, FAIL, INCONCLUSIVE, ERROR; None if it was
            not verified.
        accuracy: Share of test images that it got right then, 0..1; None if unknown.
        decode_ns: Raw times of decoding an encoded image of a camera's size.
        preprocess_ns: Raw times from decoded pixels to the model's input.
        by_threads: One entry per number of threads that was measured.
        chosen: Number of threads that is best by median and p90 together; None if not measured.
        error: Why it was not measured; None where it was.
        profile: Time per operator; None if it was not asked for.
        random_input: Whether it carries no contract, so that it was fed random pixels of the type
            and shape that it takes. What pixels mean to it, and its classes, are not known; how
            long it takes does not depend on them.
        fed: Of a file that is no image classifier, the shapes and types that it was fed at random;
            empty of others.
    """

    model: str
    variant: str
    file: str
    sha256: str
    bytes: int
    macs: int | None = None
    runtime: str | None = None
    runtime_name: str | None = None
    verdict: str | None = None
    accuracy: float | None = None
    decode_ns: tuple[int, ...] = ()
    preprocess_ns: tuple[int, ...] = ()
    by_threads: tuple[ThreadBench, ...] = ()
    chosen: int | None = None
    error: RowError | None = None
    profile: Profile | None = None
    random_input: bool = False
    fed: str = ""

    @property
    def fed_text(self) -> str:
        """What it was fed where that was no image of anybody's choice; empty of other files."""
        if self.fed:
            return f"no image classifier; fed at random: {self.fed}"
        return "random pixels" if self.random_input else ""

    @property
    def best(self) -> ThreadBench | None:
        """The measurement at the chosen number of threads."""
        return next((one for one in self.by_threads if one.threads == self.chosen), None)


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The state of a device around a measurement.

    Attributes:
        before: Facts before: ``board`` (of the device tree), ``processor``, ``cores``,
            ``governors`` (of each core), ``frequencies_hz`` (``current``, ``least``, ``most`` of
            each core), ``clock_hz``, ``temperatures_c`` (zone to degrees), ``load`` (of the last
            minute), ``throttled`` (bits of ``vcgencmd get_throttled``), ``other_cpu_share``
            (share of all cores that others used while nothing was measured); None for what the
            device does not tell.
        after: The same afterwards, but for ``other_cpu_share``.
        warnings: What makes the figures doubtful, in sentences.
        invalid: Why they must not be used at all; None where they may.
        during: Readings between phases: ``temperatures_c``, ``clock_hz`` and ``throttled``.
    """

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    invalid: str | None = None
    during: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class SustainedPoint:
    """One second of steady load.

    Attributes:
        n: Runs in it.
        median_ns: Their median.
        p90_ns: What nine of ten do not exceed.
        temperature_c: The highest of the device's temperatures; None if it tells none.
        clock_hz: Of the processor; None if it does not tell.
        throttled: Bits of ``vcgencmd get_throttled``; None where that is not there.
    """

    n: int
    median_ns: int
    p90_ns: int
    temperature_c: float | None = None
    clock_hz: int | None = None
    throttled: int | None = None


@dataclass(frozen=True, kw_only=True)
class Sustained:
    """One artifact run without pause.

    Attributes:
        file: Its name.
        runtime_name: What ran it.
        threads: Threads of the runtime.
        points: One for each second.
        error: Why there are none; None where there are.
    """

    file: str
    runtime_name: str
    threads: int
    points: tuple[SustainedPoint, ...] = ()
    error: RowError | None = None


@dataclass(frozen=True, kw_only=True)
class DeviceBench:
    """Everything of one device.

    Attributes:
        device: Its address; ``local`` for this machine.
        machine: Its board, processor, system and Python; empty if it could not be asked.
        system: Name of its operating system.
        conditions: Its state; None if it could not be asked.
        rows: One per artifact and runtime asked for, also those that did not run.
        error: Why there are no figures; None where there are.
        seconds: How long it took altogether.
        sustained: A steady load afterwards; None if it was not asked for, or nothing ran.
    """

    device: str
    machine: Mapping[str, Any] = field(default_factory=dict)
    system: str = ""
    conditions: Conditions | None = None
    rows: tuple[ArtifactBench, ...] = ()
    error: RowError | None = None
    seconds: float = 0.0
    sustained: Sustained | None = None


@dataclass(frozen=True, kw_only=True)
class BenchReport:
    """Everything of one bench.

    Attributes:
        settings: How it was measured.
        devices: One per device asked for, also those that failed.
        versions: Tool name to version, of the workstation.
        created: When, UTC, ISO 8601; from SOURCE_DATE_EPOCH where that is set.
        max_drop_points: How much accuracy verification allowed a conversion to lose; artifacts that
            are no further apart count as equally accurate.
        schema: Version of this layout in JSON.
    """

    settings: Settings
    devices: tuple[DeviceBench, ...]
    versions: Mapping[str, str]
    created: str
    max_drop_points: float = 1.0
    schema: int = BENCH_SCHEMA
