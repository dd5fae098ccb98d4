"""Measures on one device: what is sent, how it is asked, and what becomes of its answer."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from edgecnn.bench.plan import BenchFile, Wanted
from edgecnn.bench.profile import Asking, with_profile
from edgecnn.bench.reply import collect, collect_points
from edgecnn.bench.results import ArtifactBench, DeviceBench, Profile, Settings, Sustained
from edgecnn.devices import DeviceOptions, open_device
from edgecnn.devices.address import Address
from edgecnn.devices.ask import Task, ask
from edgecnn.devices.facts import DeviceFacts, look
from edgecnn.devices.protocol import Blob, Message
from edgecnn.devices.types import Device
from edgecnn.errors import EdgeError, RowError
from edgecnn_runner.runtimes.choice import RUNTIMES

LOCAL: Final = "local"
SILENCE_S: Final = 60.0
"""A device that measures says so every two seconds."""

_MOST_RUNS: Final = 10_000
_LARGEST_REPLY: Final = 2 << 30

Choose = Callable[[DeviceBench], "ArtifactBench | None"]
Told = Callable[[float, str], object]


@contextlib.contextmanager
def opened(options: DeviceOptions | None) -> Iterator[Device]:
    """Open a device; None for this machine, which is another Python process on it.

    Nothing of this process, neither its memory nor its threads, is in the figures then, and they
    come about as on any other device.
    """
    if options is not None:
        with open_device(options) as device:
            yield device
        return
    from edgecnn.devices.command import CommandDevice

    yield CommandDevice(Address(text=LOCAL, kind="cmd", command=(sys.executable,)))


def measure_on(
    device: Device,
    files: Sequence[BenchFile],
    settings: Settings,
    *,
    options: DeviceOptions | None,
    choose: Choose,
    silence_s: float = SILENCE_S,
    told: Told = lambda _share, _what: None,
) -> DeviceBench:
    """Measure on one device.

    Args:
        device: Opened.
        files: What to measure; those with an error become rows with it.
        settings: How.
        options: How it was opened; None for this machine.
        choose: Tells which artifact is to run under steady load, where that is asked for.
        silence_s: Seconds without a sign after which it is given up.
        told: Is given how much is done, 0 to 1, and what is being done.

    Returns:
        Its rows; an error where it could not be asked, or did not answer as it should.
    """
    begin = time.monotonic()
    result = DeviceBench(device=device.name)
    try:
        told(0.0, "connecting")
        prefix = None if options is None else options.prefix
        facts = look(device, prefix=prefix)
        result = dataclasses.replace(result, machine=facts.machine, system=facts.system)
        usable = [one for one in files if one.row.error is None]
        rows = [one.row for one in files if one.row.error is not None]
        if usable:
            asked = _Asked(device, facts, options, settings, silence_s)
            share = _bench_share(settings, len(usable))
            found = collect(
                asked.bench(usable, lambda done, what: told(done * share, what)),
                usable,
                _inputs(usable),
                device=device.name,
            )
            result = dataclasses.replace(result, machine=found.machine, conditions=found.conditions)
            measured = found.rows
            if settings.profile:
                measured = asked.profile(measured, usable, lambda what: told(share, what))
            rows = [*measured, *rows]
        result = dataclasses.replace(result, rows=tuple(rows))
        if usable and settings.sustain:
            sustained = asked.sustain(
                result, usable, choose, lambda done: told(share + done * (1 - share), "steady load")
            )
            result = dataclasses.replace(result, sustained=sustained)
    except EdgeError as error:
        result = dataclasses.replace(result, error=RowError.of(error))
    return dataclasses.replace(result, seconds=time.monotonic() - begin)


def fastest(device: DeviceBench) -> ArtifactBench | None:
    """Return the artifact with the lowest median at its best number of threads; None if none."""
    from edgecnn_runner.timing import percentile

    measured = [(row, row.best) for row in device.rows]
    return min(
        (row for row, best in measured if best is not None),
        key=lambda row: percentile(sorted(row.best.samples_ns), 50) if row.best else 0,
        default=None,
    )


def _bench_share(settings: Settings, files: int) -> float:
    """Return which share of the time a steady load leaves to the rest; for the progress only."""
    expected = files * len(settings.threads) * (settings.seconds + settings.starts * 0.5)
    return expected / (expected + settings.sustain)


def _inputs(files: Sequence[BenchFile]) -> list[Wanted]:
    return list(dict.fromkeys(one.input for one in files if one.input is not None))


@dataclasses.dataclass(frozen=True)
class _Asked:
    """Asks one device."""

    device: Device
    facts: DeviceFacts
    options: DeviceOptions | None
    settings: Settings
    silence_s: float

    def bench(self, files: Sequence[BenchFile], told: Told) -> Message:
        formats = dict.fromkeys(one.format for one in files)
        fitting = {name: info for name, info in RUNTIMES.items() if info.model_format in formats}
        inputs, settings = _inputs(files), self.settings
        names = [f"models/{index}/{one.row.file}" for index, one in enumerate(files)]
        blobs = [Blob(name=name, data=one.data) for name, one in zip(names, files, strict=True)]
        doing = "starting"

        def heard(frame: Message) -> None:
            nonlocal doing
            at, done = frame.values.get("at"), frame.values.get("done")
            doing = at[:60] if isinstance(at, str) and at.isprintable() else doing
            share = done if isinstance(done, float) and 0 <= done <= 1 else 0.0
            told(share, doing)

        task = Task(
            name="bench",
            parameters={
                "artifacts": [
                    {"name": name, "format": one.format}
                    for name, one in zip(names, files, strict=True)
                ],
                "runtimes": {
                    name: {"module": info.module, "format": info.model_format}
                    for name, info in fitting.items()
                },
                **self._places(),
                "threads": list(settings.threads),
                **{key: getattr(settings, key) for key in ("runs", "seconds", "starts", "seed")},
                "picture": "picture.jpg",
                "size": list(PICTURE_SIZE),
                "inputs": inputs,
            },
            blobs=[*blobs, Blob(name="picture.jpg", data=camera_jpeg())],
            largest_reply=self._largest(len(files)),
            silence_s=self.silence_s,
            python=self.facts.python_for(list(fitting)),
        )
        return ask(self.device, task, heard=heard)

    def sustain(
        self,
        result: DeviceBench,
        files: Sequence[BenchFile],
        choose: Choose,
        told: Callable[[float], object],
    ) -> Sustained | None:
        """Run what was chosen without pause; None if nothing ran that could be chosen."""
        row = choose(result)
        if row is None or row.best is None or row.runtime_name is None:
            return None
        (file, *_) = (one for one in files if one.row.sha256 == row.sha256)

        def heard(frame: Message) -> None:
            done = frame.values.get("done")
            told(done if isinstance(done, float) and 0 <= done <= 1 else 0.0)

        task = Task(
            name="sustain",
            parameters={
                "model": row.file,
                "runtime_name": row.runtime_name,
                "module": RUNTIMES[row.runtime_name].module,
                "threads": row.best.threads,
                "seconds": self.settings.sustain,
                **self._places(),
            },
            blobs=[Blob(name=row.file, data=file.data)],
            silence_s=self.silence_s,
            python=self.facts.python_for([row.runtime_name]),
        )
        done = Sustained(file=row.file, runtime_name=row.runtime_name, threads=row.best.threads)
        try:
            points = collect_points(ask(self.device, task, heard=heard), device=self.device.name)
        except EdgeError as error:
            return dataclasses.replace(done, error=RowError.of(error))
        return dataclasses.replace(done, points=points)

    def profile(
        self,
        rows: Sequence[ArtifactBench],
        files: Sequence[BenchFile],
        told: Callable[[str], object],
    ) -> tuple[ArtifactBench, ...]:
        """Give each row its profile, or the reason why it has none."""
        data, places = {one.row.sha256: one.data for one in files}, self._places()
        done = []
        for row in rows:
            told(f"profile of {row.file}")
            if row.fed:
                reason = "it is no image classifier, and others are timed as a whole"
                done.append(dataclasses.replace(row, profile=Profile(lacks=reason)))
                continue
            asking = Asking(
                seed=self.settings.seed,
                prefixes=places["prefixes"],
                paths=places["paths"],
                python=self.facts.python_for([row.runtime_name] if row.runtime_name else []),
                silence_s=self.silence_s,
            )
            done.append(with_profile(row, data[row.sha256], self.device, asking))
        return tuple(done)

    def _places(self) -> dict[str, list[str]]:
        if self.options is None:
            # Where this process finds its packages, be it a folder of the user's.
            return {"prefixes": [], "paths": [path for path in sys.path if path]}
        return {"prefixes": [*self.facts.rooms], "paths": []}

    def _largest(self, files: int) -> int:
        """Bound the raw times of a reply: turns of 20 ms, rounds until runs and time are enough."""
        settings = self.settings
        rounds = max(10, settings.runs, round(settings.seconds / 0.01))
        whole = 8 * files * 2 * len(settings.threads) * rounds * _MOST_RUNS
        return min(whole, _LARGEST_REPLY)


PICTURE_SIZE: Final = (480, 640)
"""Height and width, as small cameras have them."""

_QUALITY: Final = 90


@functools.cache
def camera_jpeg() -> bytes:
    """Return a JPEG of soft shapes with some noise, about as large as a photo of that size."""
    from PIL import Image

    height, width = PICTURE_SIZE
    rows, columns = np.mgrid[0:height, 0:width]
    phases = ((31.0, 0.0), (47.0, 2.0), (73.0, 4.0))
    waves = [
        np.sin(rows / period + phase) * np.cos(columns / (period + 9) - phase)
        for period, phase in phases
    ]
    noise = np.random.default_rng(0).normal(0, 6, (height, width, 3))
    pixels = np.clip(128 + 100 * np.stack(waves, axis=-1) + noise, 0, 255).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=_QUALITY)
    return data.getvalue()
