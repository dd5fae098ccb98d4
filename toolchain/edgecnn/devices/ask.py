"""One task for a device: sent, its progress shown, its answer checked, its errors told as ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import edgecnn.errors
from edgecnn.devices.protocol import Blob, FrameReader, Message, code_zip, encode_request, size_of
from edgecnn.devices.types import Completed, Device, PythonCall, printable
from edgecnn.errors import DeviceError, EdgeError

_NO_PROGRAM: Final = (126, 127)
"""What a shell's exit code is when there is no such program, or none that it may start."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a device is to do.

    Attributes:
        name: A module of ``on_device``.
        parameters: JSON-ready.
        blobs: What it needs.
        largest_reply: Bytes that blobs of the reply may have together.
        silence_s: Seconds without a sign after which the device is given up.
        any_python: Whether a Python older than the runner's can do it.
        python: The Python to start, where the device lets choose.
        as_root: Whether root has to do it.
    """

    name: str
    parameters: Mapping[str, Any]
    blobs: Sequence[Blob] = ()
    largest_reply: int = 0
    silence_s: float = 180.0
    any_python: bool = False
    python: str = "python3"
    as_root: bool = False


@dataclass
class _Reply:
    heard: Callable[[Message], None]
    last: Message | None = field(default=None)

    def take(self, frame: Message) -> None:
        if frame.kind in ("progress", "phase"):
            self.heard(frame)
        elif self.last is None:
            self.last = frame


def ask(
    device: Device,
    task: Task,
    *,
    heard: Callable[[Message], None] = lambda _: None,
    sending: Callable[[int, int], None] = lambda _done, _total: None,
) -> Message:
    """Let a device do a task.

    Args:
        device: Where.
        task: What.
        heard: Is given frames of the kinds ``progress`` and ``phase`` as they come.
        sending: Is given how many bytes have gone out, and of how many.

    Returns:
        The last frame, of the kind ``done``.

    Raises:
        EdgeError: What the device tells, of its own class; ``DeviceError`` where Python does not
            start or fails there, ``DeviceConnectionError`` from the way there.
    """
    blobs = [Blob(name="code.zip", data=code_zip()), *task.blobs]
    nonce, parts = encode_request(task.name, task.parameters, blobs, any_python=task.any_python)
    total, gone = size_of(parts), 0

    def sent(count: int) -> None:
        nonlocal gone
        gone += count
        sending(gone, total)

    reply = _Reply(heard)
    reader = FrameReader(nonce=nonce, largest=task.largest_reply, take=reply.take)
    completed = device.run_python(
        PythonCall(
            request=parts,
            received=reader.feed,
            sent=sent,
            silence_s=task.silence_s,
            python=task.python,
            as_root=task.as_root,
        )
    )
    if reply.last is None:
        raise _no_answer(device, completed, task, begun=reader.begun)
    if reply.last.kind == "error":
        raise error_of(reply.last.values)
    if reply.last.kind == "failed":
        text = printable(str(reply.last.values.get("traceback", "")))
        raise DeviceError(
            f"the program on {device.name} fails",
            observed=text.strip() or "no reason given",
            expected="an answer",
            remedy="look at its last line: a library of the device may be damaged; otherwise "
            "please report it in the project's issue tracker with this text",
        )
    return reply.last


def error_of(values: Mapping[str, Any]) -> EdgeError:
    """Return the error that a device, or its ``install.sh``, tells of.

    Args:
        values: As ``EdgeError.to_dict`` gives them; not trusted.
    """
    kind = getattr(edgecnn.errors, str(values.get("error")), None)
    if not (isinstance(kind, type) and issubclass(kind, EdgeError) and kind is not EdgeError):
        kind = DeviceError
    texts = {
        name: printable(str(values.get(name) or missing))
        for name, missing in (
            ("problem", "the device tells an error without saying which"),
            ("observed", "nothing said"),
            ("expected", "nothing said"),
            ("remedy", "look at the device"),
        )
    }
    problem = texts.pop("problem")
    error: EdgeError = kind(problem, **texts)
    return error


def _no_answer(device: Device, completed: Completed, task: Task, *, begun: bool) -> DeviceError:
    said = completed.stderr.splitlines()
    how = "unknown" if completed.code is None else completed.code
    observed = f"exit code {how}" + (f": {' | '.join(said[-3:])}" if said else "")
    if completed.code in _NO_PROGRAM and not begun:
        return DeviceError(
            f"{device.name} has no Python that can be started",
            observed=observed,
            expected=f"{task.python}, for an ssh:// device; for cmd: what the command names",
            remedy="install it there: sudo apt install python3",
        )
    if task.as_root and not begun and any("sudo" in line for line in said):
        return DeviceError(
            f"{device.name} lets this user do nothing as root without a password",
            observed=observed,
            expected="sudo without a password, or root",
            remedy="install it elsewhere: --prefix DIR; or allow it there, with visudo",
        )
    return DeviceError(
        f"{device.name} ends before it answers" if begun else f"{device.name} does not answer",
        observed=observed,
        expected="a Python that runs the program it gets on standard input",
        remedy="check that the command passes standard input on (docker exec wants -i), and look "
        "at what it says; a device that runs out of memory ends programs, too",
    )
