"""Bench: several devices, each by the same program on it, and one report of all.

Devices that share a machine take turns, since they share its cores: ``local``, every ``cmd:``
device and ``ssh://`` to a loopback address are this machine; two addresses with one host are one,
too. Others are measured at the same time, four at most. This machine comes last and alone: to
talk to devices takes some of its time.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from edgecnn.bench.measuring import LOCAL, SILENCE_S, Choose, fastest, measure_on, opened
from edgecnn.bench.plan import BenchFile
from edgecnn.bench.results import BenchReport, DeviceBench, Settings
from edgecnn.devices import DeviceOptions
from edgecnn.devices.types import Completed, Device, PythonCall
from edgecnn.errors import DeviceConnectionError, EdgeError, RowError, UsageError, some_of
from edgecnn.progress import NO_PROGRESS, Progress, ProgressTask

AT_ONCE: Final = 4
_STEPS: Final = 100
_END_S: Final = 15.0
_LOOK_S: Final = 0.2

_Measure = Callable[[DeviceOptions | None, Callable[[float, str], object]], DeviceBench]


def run(
    files: Sequence[BenchFile],
    devices: Sequence[DeviceOptions | None],
    settings: Settings,
    *,
    versions: Mapping[str, str],
    created: str,
    choose: Choose = fastest,
    silence_s: float = SILENCE_S,
    longest_s: float | None = None,
    progress: Progress = NO_PROGRESS,
) -> BenchReport:
    """Measure files on devices.

    Args:
        files: From ``plan``.
        devices: Each once; None for this machine.
        settings: How.
        versions: Tool name to version, for the report.
        created: When, for the report.
        choose: Tells which artifact of a device is to run under steady load.
        silence_s: Seconds without a sign after which a device is given up.
        longest_s: Seconds after which one is given up that still talks; None for an hour, and
            more where what is asked takes long.
        progress: Shows the devices.

    Returns:
        The report: one entry for each device, in the order asked for. One that fails, hangs or
        drops out has an error, and the others go on.

    Raises:
        UsageError: If a device is named twice.
    """
    names = [_name(one) for one in devices]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            "a device is named twice",
            observed=some_of(twice),
            expected="each device once",
            remedy="leave one of them out",
        )
    if longest_s is None:
        runs = 2 * len(files) * len(settings.threads)
        longest_s = 3600 + runs * (10 * settings.seconds + settings.starts) + 2 * settings.sustain
    stop = threading.Event()

    def measure(options: DeviceOptions | None, told: Callable[[float, str], object]) -> DeviceBench:
        with opened(options) as device:
            return measure_on(
                WatchedDevice(device, stop=stop, longest_s=longest_s),
                files,
                settings,
                options=options,
                choose=choose,
                silence_s=silence_s,
                told=told,
            )

    found: dict[str, DeviceBench] = {}
    with progress.task("bench", _STEPS * len(devices)) as task:
        shown = _Shown(task, progress)
        groups = _groups(devices)
        own = groups.pop(LOCAL, [])
        try:
            for batch in ([*groups.values()], [own] if own else []):
                found.update(_in_parallel(batch, measure, shown))
        except BaseException:
            stop.set()
            shown.join(_END_S)
            raise
    return BenchReport(
        settings=settings,
        devices=tuple(found[name] for name in names),
        versions=versions,
        created=created,
    )


def _name(options: DeviceOptions | None) -> str:
    return LOCAL if options is None else options.address.text


def host_of(options: DeviceOptions | None) -> str:
    """Return what devices of one machine have in common; ``local`` for this machine.

    A name that only resolves to this machine is not known to.

    Args:
        options: A device; None for this machine.
    """
    if options is None or options.address.kind != "ssh":
        return LOCAL
    host = options.address.host.lower().rstrip(".")
    try:
        loopback = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        loopback = host == "localhost" or host.endswith(".localhost")
    return LOCAL if loopback else f"ssh://{host}"


def _groups(
    devices: Iterable[DeviceOptions | None],
) -> dict[str, list[DeviceOptions | None]]:
    groups: dict[str, list[DeviceOptions | None]] = {}
    for one in devices:
        groups.setdefault(host_of(one), []).append(one)
    return groups


class _Shown:
    """What the threads tell, shown by the one that was asked: bars are not for several threads."""

    def __init__(self, task: ProgressTask, progress: Progress) -> None:
        self.queue: queue.Queue[tuple[str, float, str]] = queue.Queue()
        self.threads: list[threading.Thread] = []
        self._task, self._progress = task, progress
        self._steps: dict[str, int] = {}

    def show(self) -> None:
        """Show what was told since the last time, or wait for it a little."""
        try:
            name, share, what = self.queue.get(timeout=_LOOK_S)
        except queue.Empty:
            self._task.advance(0)  # so that Ctrl-C is heard
            return
        steps = int(_STEPS * share)
        before = self._steps.get(name, 0)
        if steps > before:
            self._task.advance(steps - before)
            self._steps[name] = steps
        self._task.note(f"{name}: {what}")

    def message(self, done: DeviceBench) -> None:
        self._progress.message(_summary(done))

    def join(self, longest_s: float) -> None:
        end = time.monotonic() + longest_s
        for thread in self.threads:
            thread.join(max(0.0, end - time.monotonic()))


def _in_parallel(
    groups: Sequence[Sequence[DeviceOptions | None]], measure: _Measure, shown: _Shown
) -> dict[str, DeviceBench]:
    """Measure the devices of each group one after the other, and of some groups at once."""
    waiting: queue.SimpleQueue[Sequence[DeviceOptions | None]] = queue.SimpleQueue()
    for group in groups:
        waiting.put(group)
    done: queue.SimpleQueue[DeviceBench | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            while True:
                for options in waiting.get_nowait():
                    done.put(_measured(options, measure, shown))
        except queue.Empty:
            return
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
            done.put(error)

    # Daemons, so that one in the middle of a login cannot keep this process from its end.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_ONCE, len(groups)))]
    shown.threads = threads
    for thread in threads:
        thread.start()
    found: dict[str, DeviceBench] = {}
    total = sum(len(group) for group in groups)
    while len(found) < total:
        shown.show()
        while not done.empty():
            one = done.get()
            if isinstance(one, BaseException):
                raise one
            found[one.device] = one
            shown.message(one)
    return found


def _measured(options: DeviceOptions | None, measure: _Measure, shown: _Shown) -> DeviceBench:
    name = _name(options)
    try:
        result = measure(options, lambda share, what: shown.queue.put((name, share, what)))
    except StoppedError:
        raise
    except EdgeError as error:
        result = DeviceBench(device=name, error=RowError.of(error))
    shown.queue.put((name, 1.0, "done"))
    return result


def _summary(done: DeviceBench) -> str:
    if done.error is not None:
        observed = "" if done.error.observed is None else f" ({done.error.observed})"
        return f"{done.device}: {done.error.problem}{observed}"
    measured = sum(row.error is None for row in done.rows)
    failed = len(done.rows) - measured
    return f"{done.device}: {measured} measured" + (f", {failed} failed" if failed else "")


_MINUTE_S: Final = 60


class StoppedError(Exception):
    """The measurement was ended from outside, for example by Ctrl-C."""


class WatchedDevice:
    """A device of which all that is asked ends in time.

    Silence is one sign of a device that hangs. One that goes on talking without an end is given
    up at the deadline.

    Args:
        device: The device.
        stop: Ends what it does, once it is set.
        longest_s: Seconds that each call may take.
    """

    def __init__(self, device: Device, *, stop: threading.Event, longest_s: float) -> None:
        self.name = device.name
        self._device, self._stop, self._longest_s = device, stop, longest_s

    def run_python(self, call: PythonCall) -> Completed:
        """Start Python there, and look meanwhile whether it has to end.

        Raises:
            StoppedError: If it was ended from outside.
            DeviceConnectionError: If it took too long, too.
        """
        end = time.monotonic() + self._longest_s

        def look() -> None:
            if self._stop.is_set():
                raise StoppedError
            if time.monotonic() > end:
                raise DeviceConnectionError(
                    f"{self.name} does not come to an end, and was given up",
                    observed=f"still at it after {self._longest_s:.0f} s",
                    expected="an answer within that time",
                    remedy="measure fewer files, or with fewer --runs and --seconds; look at what "
                    "the device is doing",
                )

        look()
        return self._device.run_python(dataclasses.replace(call, looked=look))

    def close(self) -> None:
        """Part from the device."""
        self._device.close()
