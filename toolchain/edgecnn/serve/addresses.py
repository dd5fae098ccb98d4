"""Where a server can be reached: this machine's address in its network, and URLs."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final

from edgecnn.errors import UsageError

LAN: Final = "lan"
"""What stands for this machine's address in its network on the command line."""

# Of the range for documentation (RFC 5737). Nothing is sent there: connecting a datagram socket
# only makes the system choose the address that it would send from.
_ANYWHERE: Final = ("192.0.2.1", 9)
_BROADCAST: Final = ipaddress.IPv4Address("255.255.255.255")
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True, kw_only=True)
class ServedAddress:
    """Where to listen, and what to call it.

    Attributes:
        listen: The address to bind to.
        shown: The address that a browser is to be given.
        names: All that it is called, in lower case: what a certificate should be for.
        is_loopback: Whether only this machine can reach it.
    """

    listen: str
    shown: str
    names: tuple[str, ...]
    is_loopback: bool

    @property
    def shows_others_the_way(self) -> bool:
        """Whether another device gets anywhere with the address that is shown."""
        return self.shown != "localhost" and not ipaddress.ip_address(self.shown).is_loopback

    def url(self, port: int, *, https: bool) -> str:
        """Return where a browser finds it."""
        host = f"[{self.shown}]" if ":" in self.shown else self.shown
        return f"{'https' if https else 'http'}://{host}:{port}/"


def place_of(host: str) -> ServedAddress:
    """Find what ``--host`` means.

    Args:
        host: An address of this machine, ``0.0.0.0`` or ``::`` for all of them, ``localhost``, or
            ``lan``.

    Raises:
        UsageError: If it is none of these, or there is no network.
    """
    if host == "localhost":
        return ServedAddress(
            listen="127.0.0.1", shown="localhost", names=("localhost", "127.0.0.1"),
            is_loopback=True,
        )  # fmt: skip
    if host == LAN:
        found = _lan_address()
        if found is None:
            raise UsageError(
                "this machine has no address in a network",
                observed=f"--host {LAN}, and no way out but loopback",
                expected="a network that a phone is in, too",
                remedy="connect it, or name an address: --host ADDRESS",
            )
        host = found
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise UsageError(
            f"--host {host} is no address",
            observed=host,
            expected=f"{LAN}, localhost, or an address such as 127.0.0.1",
            remedy=f"for a phone in the same network: --host {LAN}",
        ) from error
    # An IPv4 address in IPv6's form is that address, loopback's too.
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_multicast or address == _BROADCAST:
        raise UsageError(
            f"--host {host} is an address of many machines",
            observed=host,
            expected="an address of this machine alone",
            remedy=f"for a phone in the same network: --host {LAN}",
        )
    names: tuple[str, ...] = (str(address),)
    if address.is_unspecified:
        own = _lan_address()
        names = (*([] if own is None else [own]), "127.0.0.1", "localhost", *_own_names())
    elif address.is_loopback:
        names = (*names, "localhost")
    else:
        names = (*names, *_own_names())
    return ServedAddress(
        listen=str(address), shown=names[0], names=names, is_loopback=address.is_loopback
    )


def _own_names() -> tuple[str, ...]:
    """Return what this machine calls itself, and its name in a network without a name server."""
    name = socket.gethostname().lower()
    first = name.partition(".")[0]
    if not _HOST_NAME.fullmatch(name) or first == "localhost":
        return ()
    return tuple(dict.fromkeys((name, first, f"{first}.local")))


def _lan_address() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        try:
            way.connect(_ANYWHERE)
        except OSError:
            return None
        address = str(way.getsockname()[0])
    return None if ipaddress.ip_address(address).is_loopback else address
