"""The state of this device around a measurement: clocks, governors, heat, load, throttling.

Everything is read, nothing is changed; what the device does not tell is None. The root of /proc
and /sys and the way to ``vcgencmd`` can be given, so that recorded devices can be read as well.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Ask = Callable[[Sequence[str]], "str | None"]
"""Runs a program with arguments; returns what it says, None if there is none or it fails."""

_LONGEST_FILE = 1 << 20
_ASK_S = 5
# Linux, arch/arm64/include/asm/cputype.h; implementer 0x41 is Arm.
_ARM_PARTS = {
    0xD03: "Cortex-A53", 0xD04: "Cortex-A35", 0xD05: "Cortex-A55", 0xD07: "Cortex-A57",
    0xD08: "Cortex-A72", 0xD09: "Cortex-A73", 0xD0A: "Cortex-A75", 0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1", 0xD0D: "Cortex-A77", 0xD41: "Cortex-A78", 0xD46: "Cortex-A510",
    0xD47: "Cortex-A710",
}  # fmt: skip


def ask_program(command: Sequence[str]) -> str | None:
    """Run a program as an ``Ask`` does; no shell is involved, and one that hangs is ended."""
    program = shutil.which(command[0])
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - one of those named below, no shell
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ASK_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace")[:1000] if done.returncode == 0 else None


def read_conditions(root: Path = Path("/"), ask: Ask = ask_program) -> dict[str, Any]:
    """Read everything.

    Args:
        root: What /proc and /sys lie below.
        ask: Runs a program.

    Returns:
        ``board`` (of the device tree), ``processor``, ``cores``, ``governors`` (of each core),
        ``frequencies_hz`` (``current``, ``least`` and ``most`` of each core), ``load`` (of the
        last minute), and what ``read_state`` gives.
    """
    folders = _core_folders(root)
    return {
        "board": _text(root / "proc/device-tree/model"),
        "processor": _processor(root),
        "cores": _cores(root),
        "governors": [
            name
            for name in (_text(one / "cpufreq/scaling_governor") for one in folders)
            if name is not None
        ]
        or None,
        "frequencies_hz": [
            {
                "current": _hertz(one / "cpufreq/scaling_cur_freq"),
                "least": _hertz(one / "cpufreq/cpuinfo_min_freq"),
                "most": _hertz(one / "cpufreq/cpuinfo_max_freq"),
            }
            for one in folders
            if (one / "cpufreq").is_dir()
        ]
        or None,
        "load": _load(root),
        **read_state(root, ask),
    }


def read_state(root: Path = Path("/"), ask: Ask = ask_program) -> dict[str, Any]:
    """Read what changes from second to second.

    Args:
        root: What /proc and /sys lie below.
        ask: Runs a program.

    Returns:
        ``temperatures_c`` (zone to degrees), ``clock_hz`` (that of the first core, as measured by
        ``vcgencmd`` where that is there) and ``throttled`` (the bits of ``vcgencmd
        get_throttled``: now 0 to 3, since the start of the system 16 to 19).
    """
    temperatures = _temperatures(root)
    measured = _number(ask(("vcgencmd", "measure_temp")), r"temp=(-?[0-9.]+)")
    if measured is not None:
        temperatures["vcgencmd"] = measured
    clock = _number(ask(("vcgencmd", "measure_clock", "arm")), r"frequency\(\d+\)=(\d+)")
    if clock is None:
        clock = _hertz(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
    bits = re.search(r"throttled=0x([0-9a-fA-F]{1,8})\b", ask(("vcgencmd", "get_throttled")) or "")
    return {
        "temperatures_c": temperatures or None,
        "clock_hz": None if clock is None else int(clock),
        "throttled": None if bits is None else int(bits[1], 16),
    }


def other_cpu_share(
    root: Path = Path("/"), wait: Callable[[], object] = lambda: time.sleep(1)
) -> float | None:
    """Return which share of all cores is used while this process does nothing, 0..1.

    Args:
        root: What /proc and /sys lie below.
        wait: What passes the time between the two readings.
    """
    first = _busy_and_all(root)
    wait()
    second = _busy_and_all(root)
    if first is None or second is None or second[1] <= first[1]:
        return None
    return min(1.0, max(0.0, (second[0] - first[0]) / (second[1] - first[1])))


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _busy_and_all(root: Path) -> tuple[int, int] | None:
    """Return ticks of work and of everything, of all cores, from the first line of /proc/stat."""
    line = (_text(root / "proc/stat") or "").partition("\n")[0].split()
    if len(line) < 5 or line[0] != "cpu" or not all(one.isdigit() for one in line[1:]):
        return None
    # user nice system idle iowait irq softirq steal; the guests' times are in the first two
    # already (proc_stat(5)).
    ticks = [int(one) for one in line[1:9]]
    return sum(ticks) - sum(ticks[3:5]), sum(ticks)


def _core_folders(root: Path) -> list[Path]:
    found = (root / "sys/devices/system/cpu").glob("cpu[0-9]*")
    named = [one for one in found if one.name[3:].isdigit()]
    return sorted(named, key=lambda one: int(one.name[3:]))


def _processor(root: Path) -> str | None:
    lines = (_text(root / "proc/cpuinfo") or "").splitlines()
    entries = [(line.partition(":")[0].strip(), line.partition(":")[2].strip()) for line in lines]
    for key, value in entries:
        if key == "model name":
            return value
    # On arm64 Linux names no model; the kinds of cores, each once, in order.
    parts = [int(value, 16) for key, value in entries if key == "CPU part" and _is_hex(value)]
    arm = all(value == "0x41" for key, value in entries if key == "CPU implementer")
    names = [
        _ARM_PARTS.get(one, f"Arm part {one:#x}") if arm else f"part {one:#x}" for one in parts
    ]
    return ", ".join(dict.fromkeys(names)) or None


def _is_hex(text: str) -> bool:
    return re.fullmatch(r"0x[0-9a-fA-F]{1,8}", text) is not None


def _cores(root: Path) -> int | None:
    lines = (_text(root / "proc/cpuinfo") or "").splitlines()
    return sum(line.partition(":")[0].strip() == "processor" for line in lines) or None


def _temperatures(root: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    zones = (root / "sys/class/thermal").glob("thermal_zone*")
    for zone in sorted(zones, key=lambda one: (len(one.name), one.name)):
        value = _text(zone / "temp")
        if value is None or re.fullmatch(r"-?\d{1,7}", value) is None:
            continue
        name = _text(zone / "type") or zone.name
        # Several zones may be of one type.
        found[name if name not in found else f"{name} ({zone.name})"] = int(value) / 1000
    return found


def _load(root: Path) -> float | None:
    return _number(_text(root / "proc/loadavg"), r"^([0-9.]+) ")


def _hertz(path: Path) -> int | None:
    """Read a frequency, which sysfs gives in kHz."""
    text = _text(path)
    return int(text) * 1000 if text is not None and re.fullmatch(r"\d{1,9}", text) else None


def _number(text: str | None, pattern: str) -> float | None:
    found = re.search(pattern, text or "")
    try:
        return None if found is None else float(found[1])
    except ValueError:
        return None


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST_FILE)
    except OSError:
        return None
    return data.decode("utf-8", "replace").strip("\0\n ") or None
