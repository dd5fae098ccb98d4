from __future__ import annotations

from typing import Any

import pytest

from bench.measured import at, row
from edgecnn.bench.doubt import judge_conditions, throttling_in
from edgecnn.bench.results import Conditions

QUIET: dict[str, Any] = {
    "governors": ["performance"] * 4, "other_cpu_share": 0.01, "throttled": 0,
}  # fmt: skip
UNTOLD: dict[str, Any] = dict.fromkeys(("governors", "other_cpu_share", "throttled"))


def judged(*rows: Any, **before: Any) -> Conditions:
    return judge_conditions(QUIET | before, [], QUIET, rows or (row(at(1)),))


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        ([0, 0, 0x1], ["voltage"]),
        ([0, 0x2, 0], ["capped"]),
        ([0, 0x4, 0], ["throttled"]),
        ([0, 0x8, 0], ["temperature limit"]),
        ([0x1, 0, 0], ["voltage"]),
        ([0, 0, 0x10000], ["voltage"]),
        ([0, 0, 0x20000], ["capped"]),
        ([0, 0, 0x40000], ["throttled"]),
        ([0, 0, 0x80000], ["temperature limit"]),
        ([None, 0, 0x50005], ["voltage", "throttled"]),
        ([0x50000, 0x50005, 0x50000], ["voltage", "throttled"]),
        ([0x10000, 0x50000], ["throttled"]),
    ],
)
def test_what_happens_meanwhile_makes_figures_invalid(
    readings: list[int | None], words: list[str]
) -> None:
    said = throttling_in(readings)
    assert said is not None
    every = ("voltage", "capped", "was throttled", "temperature limit")
    told = [one for one in every if one in said.partition("while")[0]]
    assert [one.removeprefix("was ") for one in told] == words


@pytest.mark.parametrize("readings", [[0, 0, 0], [0x50000] * 3, [None, None], [], [None, 0x50000]])
def test_what_happened_before_or_is_not_known_does_not(readings: list[int | None]) -> None:
    assert throttling_in(readings) is None


def test_a_quiet_board_has_no_warnings() -> None:
    found = judged()
    assert (found.warnings, found.invalid) == ((), None)


def test_what_a_device_does_not_tell_is_no_warning() -> None:
    found = judge_conditions(UNTOLD, [UNTOLD], UNTOLD, [row(at(1))])
    assert (found.warnings, found.invalid) == ((), None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"governors": ["ondemand"] * 4}, "the governor is ondemand"),
        ({"governors": ["performance", "schedutil"]}, "the governor is schedutil"),
        ({"other_cpu_share": 0.11}, "others used 11 %"),
        ({"throttled": 0x50000}, "before, since the device was started"),
    ],
)
def test_a_doubtful_device(changes: dict[str, Any], words: str) -> None:
    (warning,) = judged(**changes).warnings
    assert words in warning
    assert not judged(other_cpu_share=0.1).warnings, "a tenth is still fine"


def test_a_wide_spread_and_a_warm_up_without_an_end_name_the_file() -> None:
    wide = row(at(1, (100,) * 89 + (111,) * 11), file="wide.tflite")
    unsteady = row(at(1, stable=False), file="unsteady.onnx")
    found = judged(wide, row(at(1)), unsteady).warnings
    assert [one.rpartition(": ")[2] for one in found] == [
        "wide.tflite (litert) 11 %", "unsteady.onnx (litert)",
    ]  # fmt: skip


def test_the_number_of_threads_that_is_not_chosen_does_not_matter() -> None:
    assert not judged(row(at(1), at(2, (100,) * 80 + (200,) * 20, stable=False))).warnings


def test_readings_between_phases_count_and_are_kept() -> None:
    during = [{"throttled": 0}, {"throttled": 0x1}]
    found = judge_conditions(QUIET, during, QUIET, [])
    assert found.invalid is not None
    assert found.during == tuple(during)
