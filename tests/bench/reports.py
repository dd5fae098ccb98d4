"""Made-up reports: devices and artifacts that exist only as times, drawn with a fixed seed."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from typing import Any, Final

from edgecnn.bench.results import (
    ArtifactBench,
    BenchReport,
    Conditions,
    DeviceBench,
    Settings,
    Sustained,
    SustainedPoint,
    ThreadBench,
)
from edgecnn.errors import RowError

EVIL: Final = '<script>alert(1)</script>|`x`"![y](http://e.vil) {{ 7 * 7 }}'

_VARIANTS: Final = (
    # variant, median in microseconds with one thread, accuracy, bytes, verdict
    ("tflite-fp32", 900.0, 0.9241, 912_000, "PASS"),
    ("tflite-fp16", 905.0, 0.9240, 462_000, "PASS"),
    ("tflite-int8-dynamic", 1_100.0, 0.9228, 251_000, "PASS"),
    ("tflite-int8", 410.0, 0.9193, 243_000, "PASS"),
    ("onnx-fp32", 1_050.0, 0.9241, 921_000, "PASS"),
    ("onnx-int8", 620.0, 0.8712, 262_000, "FAIL"),
)
_MACHINE: Final = {
    "model": "Raspberry Pi 4 Model B Rev 1.4",
    "processor": "Cortex-A72",
    "architecture": "aarch64",
    "cores": 4,
    "system": "Linux 6.6.31-v8+",
    "python": "3.11.2",
    "numpy": "1.26.4",
}
_STATE: Final = {
    "board": "Raspberry Pi 4 Model B Rev 1.4",
    "processor": "Cortex-A72",
    "cores": 4,
    "governors": ["performance"] * 4,
    "frequencies_hz": [{"current": 1_500_000_000, "least": 600_000_000, "most": 1_500_000_000}] * 4,
    "clock_hz": 1_500_000_000,
    "temperatures_c": {"cpu-thermal": 48.2},
    "load": 0.12,
    "throttled": 0,
    "other_cpu_share": 0.01,
}


def made_threads(
    median_ns: float, *, threads: int = 1, turns: int = 12, runs: int = 20, seed: int = 0
) -> ThreadBench:
    """Return times with a long tail around a median."""
    rng = random.Random(f"{median_ns} {threads} {seed}")
    times = tuple(
        tuple(
            round(
                median_ns * (1 + rng.lognormvariate(-4.2, 1.0) * (12 if rng.random() < 0.01 else 1))
            )
            for _ in range(runs)
        )
        for _ in range(turns)
    )
    return ThreadBench(
        threads=threads,
        turns=times,
        warmup=60,
        stable=True,
        first_ns=round(median_ns * 3.1),
        load_ns=4_200_000,
        starts_ns=(412_000_000, 405_000_000, 409_000_000),
        peak_memory_bytes=48_000_000 + 1_500_000 * threads,
        kernels="XNNPACK",
    )


def made_artifact(
    variant: str,
    median_us: float,
    accuracy: float | None,
    size: int,
    verdict: str | None = "PASS",
    *,
    threads: Sequence[int] = (1, 2, 4),
    turns: int = 12,
    runs: int = 20,
    **changes: Any,
) -> ArtifactBench:
    """Return a row whose time falls with threads, to a limit; 4 threads are chosen if there."""
    kind = variant.partition("-")[0]
    row = ArtifactBench(
        model="toy",
        variant=variant,
        file=f"toy-{variant.partition('-')[2] or variant}.{kind}",
        sha256="ab" * 32,
        bytes=size,
        macs=12_500_000,
        runtime="onnxruntime 1.23.0" if kind == "onnx" else "ai-edge-litert 2.1.0",
        runtime_name="onnxruntime" if kind == "onnx" else "litert",
        verdict=verdict,
        accuracy=accuracy,
        decode_ns=(9_100_000, 9_050_000, 9_200_000),
        preprocess_ns=(310_000, 305_000, 312_000),
        by_threads=tuple(
            made_threads(
                1000 * median_us * (0.25 + 0.75 / count), threads=count, turns=turns, runs=runs
            )
            for count in threads
        ),
        chosen=max(threads),
    )
    return dataclasses.replace(row, **changes)


def many_artifacts(count: int) -> tuple[ArtifactBench, ...]:
    """Return rows whose times and accuracies lie close together."""
    rng = random.Random(count)
    return tuple(
        made_artifact(
            f"tflite-variant-{index}",
            rng.uniform(400, 1400),
            rng.uniform(0.915, 0.925),
            rng.randrange(200_000, 2_000_000),
            rng.choice(("PASS", "PASS", "PASS", "FAIL", "INCONCLUSIVE")),
            threads=(1, 2),
        )
        for index in range(count)
    )


def made_sustained(seconds: int = 300) -> Sustained:
    """Return a minute-long load that heats a device until its clock is capped at 80 degrees."""
    points = []
    for second in range(seconds):
        heat = min(81.0, 48 + 33 * (1 - 2.718 ** (-second / 90)) * 1.2)
        hot = heat > 80
        points.append(
            SustainedPoint(
                n=2400,
                median_ns=430_000 if hot else 365_000 + 300 * (second % 7),
                p90_ns=470_000 if hot else 378_000 + 900 * (second % 5),
                temperature_c=round(heat, 1),
                clock_hz=1_200_000_000 if hot else 1_500_000_000,
                throttled=0x60006 if hot else 0,
            )
        )
    return Sustained(file="toy-int8.tflite", runtime_name="litert", threads=4, points=tuple(points))


def made_device(device: str = "ssh://pi@pi4", **changes: Any) -> DeviceBench:
    """Return a Raspberry Pi with a row for each common variant."""
    made = DeviceBench(
        device=device,
        machine=_MACHINE,
        system="Debian GNU/Linux 12 (bookworm)",
        conditions=Conditions(before=_STATE, after={**_STATE, "temperatures_c": {"cpu": 61.0}}),
        rows=tuple(made_artifact(*one) for one in _VARIANTS),
        seconds=61.2,
    )
    return dataclasses.replace(made, **changes)


def unreachable(device: str = "ssh://pi@gone") -> DeviceBench:
    """Return a device that could not be asked."""
    return DeviceBench(
        device=device,
        error=RowError(
            error="DeviceError",
            exit_code=30,
            problem=f"{device} cannot be reached",
            observed="connection refused",
            expected="an SSH server",
            remedy="switch it on and try again",
        ),
        seconds=4.0,
    )


def made_report(*devices: DeviceBench, **changes: Any) -> BenchReport:
    """Return a report of devices, by default of one Raspberry Pi."""
    report = BenchReport(
        settings=Settings(),
        devices=devices or (made_device(),),
        versions={"edgecnn": "0.1.0", "python": "3.11.2", "numpy": "1.26.4"},
        created="2026-01-02T03:04:05Z",
    )
    return dataclasses.replace(report, **changes)


def not_measured() -> ArtifactBench:
    """Return a row that its runtime could not run."""
    return dataclasses.replace(
        made_artifact("onnx-fp16", 1.0, None, 300_000, None),
        by_threads=(),
        chosen=None,
        runtime=None,
        error=RowError(
            error="RuntimeMissingError",
            exit_code=9,
            problem="onnxruntime does not start",
            observed="ImportError: libx",
            expected="a runtime",
            remedy="pip install onnxruntime",
        ),
    )
