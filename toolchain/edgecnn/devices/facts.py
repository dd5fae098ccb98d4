"""What a device says of itself, checked: it is not trusted to send what it should."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from edgecnn.devices.ask import Task, ask
from edgecnn.devices.protocol import checked_values, nonsense, plain
from edgecnn.devices.types import Device
from edgecnn_installer.device import Has
from edgecnn_installer.main import PREFIX

_OWN: Final = "its own Python"
_SAYS: Final = "describes itself in a way that makes no sense"


@dataclass(frozen=True, kw_only=True)
class PythonFacts:
    """The Python that answered: ``bits`` are those of a pointer."""

    version: str
    implementation: str
    bits: int
    program: str


@dataclass(frozen=True, kw_only=True)
class Room:
    """A folder that exists: bytes free, None if unknown, and whether the user may write there."""

    folder: str
    free: int | None
    writable: bool


@dataclass(frozen=True, kw_only=True)
class FoundRuntime:
    """Where a runtime is, and why it does not start; empty if it does, or was not started."""

    place: str
    python: str
    path: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class RuntimeFacts:
    """All places where one runtime was found."""

    found: list[FoundRuntime]


@dataclass(frozen=True, kw_only=True)
class Release:
    """An installed bundle that is active; ``problem`` is empty if its files are as packaged."""

    model: str
    prefix: str
    release: str
    python: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A video device that may be a camera, and whether the user may use it."""

    device: str
    name: str
    readable: bool


@dataclass(frozen=True, kw_only=True)
class DeviceFacts:
    """What a device is, has and holds.

    Attributes:
        machine: Processor, cores, system and Python.
        python: The Python that answered.
        pythons: Versions of Python 3 on its PATH, for example ``3.11``.
        system: Name of the operating system.
        libc: For example ``glibc 2.36``.
        memory_bytes: RAM.
        user: Who one is there.
        uid: Their number; 0 is root.
        sudo: Whether they may act as root without a password.
        rooms: Folder asked for, to what there is or would be.
        runtimes: Key of ``edgecnn_runner.runtimes.choice.RUNTIMES`` to where it was found.
        installed: Active releases.
        systemd: Whether it runs.
        cameras: Video devices that may be cameras.
    """

    machine: dict[str, Any]
    python: PythonFacts
    pythons: list[str]
    system: str
    libc: str
    memory_bytes: int
    user: str
    uid: int
    sudo: bool
    rooms: dict[str, Room]
    runtimes: dict[str, RuntimeFacts]
    installed: list[Release]
    systemd: bool
    cameras: list[Camera]

    def python_for(self, runtimes: Sequence[str]) -> str:
        """Choose the Python that has a runtime: the usual one, or that of an installed bundle.

        Args:
            runtimes: Keys of ``edgecnn_runner.runtimes.choice.RUNTIMES``; one of them is enough.
        """
        found = [place for name in runtimes for place in self.runtimes[name].found]
        if not found or any(place.place == _OWN for place in found):
            return "python3"
        python = found[0].python
        return python if re.fullmatch(r"python3\.\d+", python) else "python3"

    def has(self, name: str, prefix: str) -> Has:
        """Return what it has of what a bundle needs.

        Args:
            name: What to call the device.
            prefix: Where a bundle is to go; a folder that was asked for.
        """
        room = self.rooms[prefix]
        return Has(
            name=name,
            architecture=str(self.machine.get("architecture")),
            bits=self.python.bits,
            python=f"{self.python.implementation} {self.python.version}",
            pythons=self.pythons,
            libc=self.libc,
            user=self.user,
            folder=room.folder,
            writable=room.writable,
            free=room.free,
        )


def look(
    device: Device, *, prefix: str | None = None, start: bool = False, as_root: bool = False
) -> DeviceFacts:
    """Ask a device what it is, has and holds.

    Args:
        device: Where.
        prefix: A folder that models are installed below, besides the usual one.
        start: Whether to start each runtime there, and to compare installed files with their
            manifests; both take some seconds.
        as_root: Whether to be root there, by sudo, where the device lets choose.

    Raises:
        EdgeError: What the device tells; ``DeviceError`` if the answer makes no sense,
            ``DeviceConnectionError`` from the way there.
    """
    from edgecnn_runner.runtimes.choice import RUNTIMES

    starts = {
        "litert": "ai_edge_litert.interpreter",
        "tflite-runtime": "tflite_runtime.interpreter",
    }
    prefixes = list(dict.fromkeys([prefix or PREFIX, PREFIX]))
    parameters = {
        "prefixes": prefixes,
        "runtimes": {
            name: {"module": info.module, "starts": starts.get(name, info.module)}
            for name, info in RUNTIMES.items()
        },
        "start": start,
        "places": prefixes,
    }
    task = Task(name="look", parameters=parameters, any_python=True, as_root=as_root)
    values = dict(ask(device, task).values)
    values["machine"] = machine_facts(values.get("machine"))
    facts = checked_values(DeviceFacts, values, device.name, _SAYS)
    if not facts.rooms.keys() >= set(prefixes) or not facts.runtimes.keys() >= RUNTIMES.keys():
        raise nonsense(device.name, _SAYS, "folders or runtimes that were asked for are missing")
    return facts


def machine_facts(values: Any) -> dict[str, Any]:
    """Return what ``edgecnn_runner.machine.describe_machine`` does, of a device.

    Args:
        values: What it sent; not trusted.

    Returns:
        Each key with a text, or None where the device does not say; ``cores`` is a number.
    """
    given = values if isinstance(values, Mapping) else {}
    keys = ("model", "processor", "architecture", "system", "python", "numpy")
    texts: dict[str, Any] = {
        key: plain(given[key]) if isinstance(given.get(key), str) else None for key in keys
    }
    cores = given.get("cores")
    return texts | {"cores": cores if type(cores) is int else None}
