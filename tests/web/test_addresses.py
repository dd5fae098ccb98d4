"""What ``--host`` means, and what is shown for it."""

from __future__ import annotations

import io
import ipaddress
import re
import socket

import pytest
from cryptography import x509
from rich.console import Console

from edgecnn.cli.serve import print_place, qr_code
from edgecnn.commands.serve import Served
from edgecnn.errors import UsageError
from edgecnn.serve.addresses import ServedAddress, place_of
from edgecnn.serve.certificate import self_signed


@pytest.mark.parametrize("host", ["nowhere", "256.1.1.1", ""])
def test_what_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        place_of(host)


@pytest.mark.parametrize(
    "host", ["224.0.0.1", "239.255.255.250", "ff02::1", "255.255.255.255", "::ffff:224.0.0.1"]
)
def test_an_address_of_many_machines_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="of many machines"):
        place_of(host)


def test_names_of_a_certificate() -> None:
    assert place_of("127.0.0.1").names == ("127.0.0.1", "localhost")
    assert place_of("::1").url(1, https=True) == "https://[::1]:1/"
    everywhere = place_of("0.0.0.0")
    assert {"127.0.0.1", "localhost"} <= set(everywhere.names)
    assert not everywhere.is_loopback


def test_an_address_in_a_network_comes_with_this_machines_name() -> None:
    name = socket.gethostname().lower()
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name) or name.startswith("localhost"):
        pytest.skip(f"this machine's name cannot be one in a URL: {name}")
    names = place_of("192.168.1.20").names
    assert names[0] == "192.168.1.20"  # what is shown
    assert {name, name.split(".")[0] + ".local"} <= set(names)
    made = x509.load_pem_x509_certificate(self_signed(names).certificate)
    found = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == list(names[1:])
    assert found.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("192.168.1.20")]


@pytest.mark.parametrize(
    ("host", "loopback", "listen"),
    [
        ("127.0.0.1", True, "127.0.0.1"),
        ("127.3.2.1", True, "127.3.2.1"),
        ("::1", True, "::1"),
        ("localhost", True, "127.0.0.1"),
        ("::ffff:127.0.0.1", True, "127.0.0.1"),
        ("::ffff:192.168.1.20", False, "192.168.1.20"),
        ("192.168.1.20", False, "192.168.1.20"),
        ("::", False, "::"),
    ],
)
def test_loopback_is_known_in_every_form(host: str, loopback: bool, listen: str) -> None:
    place = place_of(host)
    assert (place.is_loopback, place.listen) == (loopback, listen)


@pytest.mark.parametrize(
    ("shown", "loopback", "with_code"),
    [
        ("192.168.1.20", False, True),
        ("127.0.0.1", True, False),
        ("localhost", True, False),
        ("127.0.0.1", False, False),  # --host 0.0.0.0 without a network
    ],
)
def test_a_code_is_shown_of_what_a_phone_can_reach(
    shown: str, loopback: bool, with_code: bool
) -> None:
    place = ServedAddress(listen="0.0.0.0", shown=shown, names=(shown,), is_loopback=loopback)
    url = place.url(8000, https=False)
    console = Console(file=io.TextIOWrapper(raw := io.BytesIO(), encoding="utf-8"))
    print_place(console, Served(url=url, fingerprint=None, place=place))
    text = raw.getvalue().decode()
    assert url in text
    assert (qr_code(url, encoding="utf-8", coloured=False) in text) == with_code
