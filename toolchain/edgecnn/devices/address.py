"""Addresses of devices: ``local``, ``pi@host``, ``ssh://pi@host:port``, ``cmd:COMMAND``."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final, Literal

from edgecnn.errors import UsageError

_SSH: Final = re.compile(
    r"""ssh://
    (?:(?P<user>[^@/:\s-][^@/:\s]*)@)?
    (?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[\w.][\w.-]*))
    (?::(?P<port>[0-9]{1,5}))?
    /?""",
    re.VERBOSE,
)
_BARE: Final = re.compile(r"[^@/]*@[^/]*")
_PASSWORD: Final = re.compile(r"(ssh://)?[^@/]+:(?!//).*@")
_EXPECTED: Final = (
    "local, USER@HOST or USER@HOST:PORT (also with ssh:// before it, IPv6 as [::1]), or cmd: and a "
    "command that starts Python"
)


@dataclass(frozen=True, kw_only=True)
class Address:
    """A device's address.

    Attributes:
        text: As it was typed; ``pi@host`` with the ``ssh://`` that it means.
        kind: What sort it is.
        host: Name or number of an ``ssh`` device; empty for others.
        user: The user there; None for what the SSH configuration says, or the own name.
        port: None for what the SSH configuration says, or 22.
        command: The program and arguments of a ``cmd`` device; empty for others.
    """

    text: str
    kind: Literal["local", "ssh", "cmd"]
    host: str = ""
    user: str | None = None
    port: int | None = None
    command: tuple[str, ...] = ()


def parse_address(text: str) -> Address:
    """Return the address that a text means.

    Args:
        text: What was typed. A ``cmd:`` is split as a shell would, and no shell ever sees it; what
            has an @ and no slash means a device of ``ssh``.

    Raises:
        UsageError: If it is none; a password in it is refused, and not repeated.
    """
    if text == "local":
        return Address(text=text, kind="local")
    if text.startswith("cmd:"):
        return Address(text=text, kind="cmd", command=_command(text))
    if _PASSWORD.match(text):
        raise UsageError(
            "a password does not belong into a device's address: others would see it",
            observed="ssh://USER:PASSWORD@...",
            expected="ssh://USER@HOST",
            remedy="leave it out, and let the device know your key: ssh-copy-id USER@HOST",
        )
    full = f"ssh://{text}" if _BARE.fullmatch(text) else text
    found = _SSH.fullmatch(full)
    if found is None:
        raise _no_address(text)
    port = None if found["port"] is None else int(found["port"])
    if port is not None and not 1 <= port <= 65535:
        raise _no_address(text)
    host = found["ipv6"] or found["host"]
    return Address(text=full, kind="ssh", host=host, user=found["user"], port=port)


def _command(text: str) -> tuple[str, ...]:
    try:
        command = tuple(shlex.split(text.removeprefix("cmd:")))
    except ValueError as error:
        raise UsageError(
            "the command of a device cannot be split into words",
            observed=f"{text}: {error}",
            expected="words as a shell takes them, each quote closed",
            remedy="close the quote, for example cmd:'chroot /srv/pi python3.11'",
        ) from error
    if not command:
        raise _no_address(text)
    return command


def _no_address(text: str) -> UsageError:
    return UsageError(
        "this is no device's address",
        observed=text,
        expected=_EXPECTED,
        remedy="for example pi@raspberrypi.local, or 'cmd:chroot /srv/pi python3.11'",
    )
