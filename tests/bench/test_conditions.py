"""What a device says of its state, read from devices that are files."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgecnn.devices.on_device.bench import resolve_threads
from edgecnn.devices.on_device.conditions import (
    ask_program,
    other_cpu_share,
    read_conditions,
    read_state,
)

FIXTURES = Path(__file__).parent / "fixtures"
ANSWERS = [
    (command, answer)
    for command, _, answer in (
        line.partition(" | ") for line in (FIXTURES / "vcgencmd.txt").read_text().splitlines()
    )
]


def nobody(command: Sequence[str]) -> str | None:
    return None


def recorded(**said: str) -> dict[str, str]:
    return {name.replace("_arm", " arm"): answer for name, answer in said.items()}


def test_a_pi_4_whose_clock_is_left_to_the_governor() -> None:
    found = read_conditions(FIXTURES / "pi4", nobody)
    assert found["board"] == "Raspberry Pi 4 Model B Rev 1.4"
    assert found["processor"] == "Cortex-A72"
    assert found["cores"] == 4
    assert found["governors"] == ["ondemand"] * 4
    assert found["frequencies_hz"][0] == {
        "current": 600_000_000, "least": 600_000_000, "most": 1_500_000_000,
    }  # fmt: skip
    assert found["clock_hz"] == 600_000_000
    assert found["temperatures_c"] == {"cpu-thermal": 48.686}
    assert found["load"] == 0.08
    assert found["throttled"] is None


def test_a_pi_5_that_is_held_at_its_highest_clock() -> None:
    found = read_conditions(FIXTURES / "pi5", nobody)
    assert found["board"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert found["processor"] == "Cortex-A76"
    assert found["governors"] == ["performance"] * 4
    assert {one["current"] for one in found["frequencies_hz"]} == {2_400_000_000}
    assert found["temperatures_c"] == {"cpu-thermal": 61.95}


def test_a_laptop_with_several_zones_of_one_type() -> None:
    found = read_conditions(FIXTURES / "x86", nobody)
    assert found["board"] is None
    assert found["processor"] == "Intel(R) Core(TM) i5-8350U CPU @ 1.70GHz"
    assert found["cores"] == len(found["governors"]) == 12
    assert found["temperatures_c"] == {
        "acpitz": 41.0, "acpitz (thermal_zone1)": -5.0, "x86_pkg_temp": 55.0,
    }  # fmt: skip


@pytest.mark.parametrize("tree", ["container", "damaged", "there-is-none"])
def test_what_is_not_told_is_none(tree: str) -> None:
    found = read_conditions(FIXTURES / tree, nobody)
    for key in ("board", "governors", "temperatures_c", "clock_hz", "throttled", "load"):
        assert found[key] is None, key
    assert other_cpu_share(FIXTURES / tree, lambda: None) is None
    assert found["processor"] == {"container": "AMD EPYC", "damaged": "Arm part 0xfff"}.get(tree)


@pytest.mark.parametrize(
    ("command", "answer", "key", "value"),
    [
        (*ANSWERS[0], "throttled", 0),
        (*ANSWERS[1], "throttled", 0x50000),
        (*ANSWERS[2], "throttled", 0x50005),
        (*ANSWERS[3], "throttled", 0xE0008),
        (*ANSWERS[4], "temperatures_c", {"cpu-thermal": 48.686, "vcgencmd": 48.3}),
        (*ANSWERS[5], "clock_hz", 1_500_398_464),
        (*ANSWERS[6], "clock_hz", 2_400_033_792),
        ("get_throttled", "VCHI initialization failed", "throttled", None),
        ("get_throttled", "throttled=0x123456789", "throttled", None),
        ("measure_temp", "temp=hot", "temperatures_c", {"cpu-thermal": 48.686}),
        ("measure_temp", "temp=4.8.3", "temperatures_c", {"cpu-thermal": 48.686}),
        ("measure_clock arm", "frequency(48)=", "clock_hz", 600_000_000),
    ],
)
def test_what_vcgencmd_says(command: str, answer: str, key: str, value: object) -> None:
    def ask(words: Sequence[str]) -> str | None:
        assert words[0] == "vcgencmd"
        return answer if list(words[1:]) == command.split() else None

    assert read_state(FIXTURES / "pi4", ask)[key] == value


def test_the_share_of_others_is_what_was_busy_between_two_readings(tmp_path: Path) -> None:
    """In ticks: 100 + 20 more of work, 80 more of idling and of waiting for a disk."""
    stat = tmp_path / "proc/stat"
    stat.parent.mkdir()
    stat.write_text("cpu  100 0 50 1000 10 0 0 0 7 7\ncpu0 1 2 3 4 5\n")

    def later() -> None:
        stat.write_text("cpu  200 0 70 1050 40 0 0 0 99 99\ncpu0 1 2 3 4 5\n")

    assert other_cpu_share(tmp_path, later) == pytest.approx(120 / 200)
    assert other_cpu_share(tmp_path, lambda: None) is None, "no time has passed"


def test_programs_are_asked_without_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "vcgencmd"
    tool.write_text('#!/bin/sh\n[ "$1" = get_throttled ] && echo "throttled=0x50005"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    assert read_state(FIXTURES / "pi5")["throttled"] == 0x50005
    assert ask_program(("vcgencmd", "something else")) is None
    assert ask_program(("no-such-program",)) is None


def test_this_machine_can_be_read() -> None:
    found = read_conditions()
    assert found["processor"]
    assert found["cores"]
    if sys.platform == "linux":
        share = other_cpu_share()
        assert share is not None
        assert 0 <= share <= 1


@pytest.mark.parametrize(
    ("asked", "cores", "measured"),
    [
        ([1, 2, 4, 0], 4, [1, 2, 4]),
        ([1, 2, 4, 0], 6, [1, 2, 4, 6]),
        ([1, 2, 4, 0], 1, [1]),
        ([0], 3, [3]),
        ([8], 2, [2]),
        ([2, 2, 1], 2, [1, 2]),
    ],
)
def test_numbers_of_threads(asked: list[int], cores: int, measured: list[int]) -> None:
    assert resolve_threads(asked, cores) == measured
