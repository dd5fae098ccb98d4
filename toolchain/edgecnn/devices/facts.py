"""What a device says of itself, checked: it is not trusted to send what it should."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from edgecnn.devices.ask import Task, ask
from edgecnn.devices.types import Device, printable
from edgecnn.errors import DeviceError
from edgecnn_installer.main import PREFIX

_MOST_TEXT: Final = 500


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


def look(
    device: Device, *, prefix: str | None = None, start: bool = False, as_root: bool = False
) -> DeviceFacts:
    """Ask a device what it is, has and holds.

    Args:
        device: Where.
        prefix: A folder that models are installed below, besides the usual one.
        start: Whether to start each runtime there, and to compare installed files with their
            manifests; both take some seconds.
        as_root: See ``types.PythonCall``.

    Raises:
        EdgeError: See ``ask``; ``DeviceError`` if the answer makes no sense.
    """
    from pydantic import TypeAdapter, ValidationError

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
    values = plain(ask(device, task).values)
    try:
        values["machine"] = machine_facts(values.get("machine"))
        facts = TypeAdapter(DeviceFacts).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise _makes_no_sense(
            device, f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from error
    if not facts.rooms.keys() >= set(prefixes) or not facts.runtimes.keys() >= RUNTIMES.keys():
        raise _makes_no_sense(device, "folders or runtimes that were asked for are missing")
    return facts


def _makes_no_sense(device: Device, observed: str) -> DeviceError:
    return DeviceError(
        f"{device.name} describes itself in a way that makes no sense",
        observed=observed,
        expected="what our program there says",
        remedy="check that the address starts a plain Python on the device",
    )


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


def plain(value: Any) -> Any:
    """Return JSON from a device with texts that are fit to be shown, and of bounded length."""
    if isinstance(value, str):
        return printable(value, most=_MOST_TEXT)
    if isinstance(value, Mapping):
        return {printable(str(key), most=_MOST_TEXT): plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value
