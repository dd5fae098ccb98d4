"""What a device has and lacks for running models; each lack with its fix."""

from __future__ import annotations

import re
import shlex
from typing import Final

from edgecnn.commands.doctor import Check, State
from edgecnn.devices import DeviceOptions, open_device
from edgecnn.devices.facts import DeviceFacts, Release, Room, look
from edgecnn.report.text import size_text
from edgecnn_installer.device import Lack, Needs, lacks
from edgecnn_installer.main import PREFIX
from edgecnn_runner.runtimes.choice import RUNTIMES

_ANY_BUNDLE: Final = Needs(
    architectures=("aarch64", "x86_64"),
    pythons=("3.11", "3.13"),  # those of bookworm and trixie
    glibc=(2, 28),  # the runtimes' own
    free_bytes=150_000_000,  # the largest bundle, unpacked, beside the one before it
)
_DEPLOY: Final = "edgecnn deploy BUNDLE {}"


def check_device(options: DeviceOptions) -> list[Check]:
    """Look at a device; takes some seconds, since its runtimes are started.

    Args:
        options: The device.

    Returns:
        One check per thing looked at, in reading order.

    Raises:
        DeviceConnectionError: If it cannot be reached.
        DeviceError: If no Python answers there.
    """
    with open_device(options) as device:
        facts = look(device, prefix=options.prefix, start=True)
    return checks_of(facts, device=options.address.text, prefix=options.prefix)


def checks_of(facts: DeviceFacts, *, device: str, prefix: str = PREFIX) -> list[Check]:
    """Judge what a device says of itself.

    Args:
        facts: From ``look`` with ``start``.
        device: Its address, for the fixes.
        prefix: Where models are to be installed.
    """
    address = shlex.quote(device)
    lacking = {lack.what: lack for lack in lacks(_ANY_BUNDLE, facts.has(device, prefix))}
    return [
        _machine(facts, lacking.get("processor")),
        _python(facts, lacking.get("python")),
        _judged("C library", facts.libc, lacking.get("libc")),
        *_runtimes(facts, address),
        *_installed(facts, address),
        _rights(facts, facts.rooms[prefix], prefix),
        _room(facts.rooms[prefix], lacking.get("room")),
        _systemd(facts),
        _cameras(facts),
    ]


def _judged(name: str, found: str, lack: Lack | None, *, state: State = "bad") -> Check:
    """Return the check of something that a bundle needs: ``state`` if the device lacks it."""
    if lack is None:
        return Check(name=name, state="ok", found=found)
    fix = f"{lack.expected} is needed: {lack.remedy}"
    return Check(name=name, state=state, found=found, fix=fix)


def _machine(facts: DeviceFacts, lack: Lack | None) -> Check:
    board = facts.machine["model"] or facts.machine["processor"] or "unknown board"
    found = (
        f"{board}, {facts.machine['architecture']}, {facts.machine['cores']} cores, "
        f"{size_text(facts.memory_bytes)} of memory; {facts.system}"
    )
    return _judged("Machine", found, lack)


def _python(facts: DeviceFacts, lack: Lack | None) -> Check:
    found = f"{facts.python.implementation} {facts.python.version}, {facts.python.bits} bits"
    if tuple(map(int, re.findall(r"\d+", facts.python.version)[:2])) < (3, 11):
        fix = "Python 3.11 or newer is needed: update the system to bookworm or trixie"
        return Check(name="Python", state="bad", found=found, fix=fix)
    return _judged("Python", found, lack, state="note")


def _runtimes(facts: DeviceFacts, address: str) -> list[Check]:
    checks = []
    for name, info in RUNTIMES.items():
        places = facts.runtimes[name].found
        problems = [f"{one.place}: {one.problem}" for one in places if one.problem]
        works = [one for one in places if not one.problem]
        if works:
            found = "starts, of " + ", ".join(one.place for one in works)
            checks.append(Check(name=info.package, state="ok", found=found))
        elif problems:
            fix = f"install a bundle with it: {_DEPLOY.format(address)}"
            checks.append(Check(name=info.package, state="bad", found="; ".join(problems), fix=fix))
    if not any(check.state == "ok" for check in checks):
        checks.append(
            Check(
                name="Runtime",
                state="note",
                found="none, neither of its own Python nor in an installed bundle",
                fix=f"install a bundle: {_DEPLOY.format(address)}",
            )
        )
    return checks


def _installed(facts: DeviceFacts, address: str) -> list[Check]:
    if not facts.installed:
        fix = _DEPLOY.format(address)
        return [Check(name="Models", state="note", found="none is installed", fix=fix)]
    return [_release(one, address) for one in facts.installed]


def _release(one: Release, address: str) -> Check:
    return Check(
        name=f"Model {one.model}",
        state="bad" if one.problem else "ok",
        found=one.problem or f"{one.release} in {one.prefix}, files as they were packaged",
        fix=f"install it again: {_DEPLOY.format(address)}" if one.problem else "",
    )


def _rights(facts: DeviceFacts, room: Room, prefix: str) -> Check:
    usual = prefix == PREFIX
    fine = facts.sudo if usual else room.writable
    may = "sudo without a password" if facts.sudo else "sudo asks for a password, or is not there"
    if not usual:
        may = f"may {'' if fine else 'not '}write in {room.folder}"
    return Check(
        name="Rights",
        state="ok" if fine else "note",
        found=facts.user if facts.uid == 0 and fine else f"{facts.user}, {may}",
        fix=""
        if fine
        else f"install models in a folder of your own: --prefix /home/{facts.user}/edgecnn",
    )


def _room(room: Room, lack: Lack | None) -> Check:
    if room.free is None:
        fix = f"look at the disk there: df -h {shlex.quote(room.folder)}"
        return Check(name="Disk", state="bad", found=f"unknown room in {room.folder}", fix=fix)
    return _judged("Disk", f"{size_text(room.free)} free in {room.folder}", lack)


def _systemd(facts: DeviceFacts) -> Check:
    return Check(
        name="systemd",
        state="ok" if facts.systemd else "note",
        found="runs" if facts.systemd else "does not run here: no service, no guard by the system",
        fix="" if facts.systemd else "start the runner by hand: edgecnn-run watch or camera",
    )


def _cameras(facts: DeviceFacts) -> Check:
    if not facts.cameras:
        return Check(
            name="Camera",
            state="note",
            found="none",
            fix="connect one, and look for it there: rpicam-hello --list-cameras",
        )
    unreadable = [one for one in facts.cameras if not one.readable]
    return Check(
        name="Camera",
        state="note" if unreadable else "ok",
        found=", ".join(f"{one.name} ({one.device})" for one in facts.cameras),
        fix=f"sudo usermod -aG video {facts.user}, there" if unreadable else "",
    )
