"""Which Host headers a server answers to.

A page of elsewhere can have its own name lead to this machine (DNS rebinding), and would then read
what is served here as if it were its own. Its requests still carry that name, which is none of this
server's. An address in place of a name cannot be made to lead elsewhere.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from typing import Final

__all__ = ["host_of", "is_own"]

# RFC 3986, section 3.2, of which HTTP allows host and port; escapes in a name are never needed.
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]*)?")


def host_of(authority: str) -> str | None:
    """Return the host of ``HOST`` or ``HOST:PORT``; None if that is neither.

    Args:
        authority: As a Host header has it.

    Returns:
        In lower case, without a name's final dot; brackets are kept.
    """
    found = _AUTHORITY.fullmatch(authority)
    return None if found is None else found[1].lower().removesuffix(".")


def is_own(host: str, names: Collection[str]) -> bool:
    """Tell whether a request to a host is meant for this machine.

    Args:
        host: As ``host_of`` returns it.
        names: What the server is called, in lower case.
    """
    if host == "localhost" or host in names:
        return True
    try:
        if host.startswith("["):
            ipaddress.IPv6Address(host[1:-1])
        else:
            ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True
