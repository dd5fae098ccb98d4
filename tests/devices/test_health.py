from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgecnn.commands.doctor import Check, exit_error
from edgecnn.commands.doctor_device import checks_of
from edgecnn.devices.facts import (
    Camera,
    DeviceFacts,
    FoundRuntime,
    PythonFacts,
    Release,
    Room,
    RuntimeFacts,
    machine_facts,
)

PI = "Raspberry Pi 4 Model B Rev 1.4"
BUNDLED = FoundRuntime(place="wren", python="python3.11", path="/opt/x/lib", problem="")
GOOD = DeviceFacts(
    machine=machine_facts({"model": PI, "architecture": "aarch64", "cores": 4}),
    python=PythonFacts(version="3.11.2", implementation="CPython", bits=64, program="/usr/bin/x"),
    pythons=["3.11"],
    system="Debian GNU/Linux 12 (bookworm)",
    libc="glibc 2.36",
    memory_bytes=4_000_000_000,
    user="pi",
    uid=1000,
    sudo=True,
    rooms={"/opt/edgecnn": Room(folder="/opt", free=9_000_000_000, writable=False)},
    runtimes={
        "litert": RuntimeFacts(found=[BUNDLED]),
        "tflite-runtime": RuntimeFacts(found=[]),
        "onnxruntime": RuntimeFacts(found=[]),
    },
    installed=[
        Release(model="wren", prefix="/opt/edgecnn", release="1.0-ab", python="3.11", problem="")
    ],
    systemd=True,
    cameras=[Camera(device="/dev/video0", name="unicam", readable=True)],
)


def checks(**changes: Any) -> dict[str, Check]:
    found = checks_of(replace(GOOD, **changes), device="ssh://pi@host")
    return {check.name: check for check in found}


def test_a_good_device() -> None:
    found = checks()
    assert {check.state for check in found.values()} == {"ok"}
    assert found["Machine"].found.startswith(f"{PI}, aarch64, 4 cores, 4.00 GB of memory")
    assert found["ai-edge-litert"].found == "starts, of wren"
    assert exit_error([*found.values()]) is None


@pytest.mark.parametrize(
    ("name", "state", "fix", "changes"),
    [
        ("Machine", "bad", "64-bit", {"python": replace(GOOD.python, bits=32)}),
        ("Machine", "bad", "64-bit", {"machine": machine_facts({"architecture": "armv7l"})}),
        ("Python", "bad", "update", {"python": replace(GOOD.python, version="3.9.2")}),
        ("Python", "note", "3.13", {"pythons": ["3.12"]}),
        ("C library", "bad", "glibc 2.28", {"libc": "glibc 2.24"}),
        ("C library", "bad", "glibc 2.28", {"libc": "unknown"}),
        ("Rights", "note", "--prefix /home/pi/edgecnn", {"sudo": False}),
        ("systemd", "note", "by hand", {"systemd": False}),
        ("Camera", "note", "list-cameras", {"cameras": []}),
        ("Camera", "note", "usermod", {"cameras": [replace(GOOD.cameras[0], readable=False)]}),
        ("Models", "note", "edgecnn deploy BUNDLE ssh://pi@host", {"installed": []}),
        ("Model wren", "bad", "again", {"installed": [replace(GOOD.installed[0], problem="x")]}),
        (
            "Disk",
            "bad",
            "free some",
            {"rooms": {"/opt/edgecnn": Room(folder="/", free=9_000, writable=True)}},
        ),
    ],
)
def test_each_lack_has_its_fix(name: str, state: str, fix: str, changes: dict[str, Any]) -> None:
    check = checks(**changes)[name]
    assert (check.state, fix in check.fix) == (state, True), check


def test_a_runtime_that_does_not_start_is_bad_and_none_at_all_a_note() -> None:
    broken = RuntimeFacts(found=[replace(BUNDLED, problem="ImportError: libx.so")])
    found = checks(runtimes=GOOD.runtimes | {"litert": broken})
    assert found["ai-edge-litert"].state == "bad"
    assert found["ai-edge-litert"].found == "wren: ImportError: libx.so"
    found = checks(runtimes=GOOD.runtimes | {"litert": RuntimeFacts(found=[])})
    assert found["Runtime"].state == "note"


def test_what_a_device_says_of_its_machine_is_made_plain() -> None:
    facts = machine_facts({"model": "\x1b[1mPi", "cores": True, "python": 3, "other": "x"})
    assert facts == {
        "model": " [1mPi", "cores": None, "python": None, "processor": None,
        "architecture": None, "system": None, "numpy": None,
    }  # fmt: skip
    assert set(machine_facts("nonsense").values()) == {None}
