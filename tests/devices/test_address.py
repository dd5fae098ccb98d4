from __future__ import annotations

import pytest

from edgecnn.devices import choose_device
from edgecnn.devices.address import parse_address
from edgecnn.errors import UsageError


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("ssh://pi@raspberrypi.local", "pi", "raspberrypi.local", None),
        ("ssh://pi@192.168.1.20:2222", "pi", "192.168.1.20", 2222),
        ("ssh://pi@[fe80::1%eth0]:22/", "pi", "fe80::1%eth0", 22),
        ("ssh://[::1]", None, "::1", None),
        ("ssh://my_pi", None, "my_pi", None),
        ("ssh://j.doe-2@pi", "j.doe-2", "pi", None),
    ],
)
def test_ssh(text: str, user: str | None, host: str, port: int | None) -> None:
    address = parse_address(text)
    assert (address.kind, address.user, address.host, address.port) == ("ssh", user, host, port)
    assert address.text == text


@pytest.mark.parametrize(
    "text", ["pi@host", "pi@192.168.1.20:2222", "pi@[::1]", "pi@[fe80::1%eth0]:22", "my.pi@a.b"]
)
def test_a_user_and_a_host_are_an_ssh_device(text: str) -> None:
    assert parse_address(text) == parse_address(f"ssh://{text}")


@pytest.mark.parametrize(
    "text",
    [
        "", "pi", "pi@", "@host", "@", "pi@host:", "pi@host:22:3", "pi@host:0", "pi@::1", "pi@[::1",
        "-oProxy@host", "./pi@host", "pi@host/", "pi@ho st", "pi@a@b", "http://pi@host",
        "ssh:", "ssh://", "ssh://@host", "ssh://pi@", "ssh://pi@host:0",
        "ssh://pi@host:65536", "ssh://pi@host:x", "ssh://pi@host/folder", "ssh://-oProxy@host",
        "ssh://pi@-host", "ssh://pi@ho st", "ssh://pi@a@b", "ssh://pi@[::1", "ssh://pi@host\n",
        "http://host", "cmd:", "cmd:  ", "cmd", "cmd:python 'x", "LOCAL",
    ],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert caught.value.remedy


def test_a_password_is_refused_and_not_repeated() -> None:
    for text in ("ssh://pi:geheim@host", "pi:geheim@host", "pi:geheim/@host"):
        with pytest.raises(UsageError, match="password") as caught:
            parse_address(text)
        assert "geheim" not in str(caught.value)


def test_a_command_is_split_and_no_shell_sees_it() -> None:
    address = parse_address("cmd:chroot '/srv/my pi' python3.11 $HOME; reboot")
    assert address.command == ("chroot", "/srv/my pi", "python3.11", "$HOME;", "reboot")


def test_options_fit_their_address() -> None:
    assert choose_device(None) is None
    assert choose_device("local") is None
    chosen = choose_device("ssh://pi@host", prefix="/home/pi//edgecnn/")
    assert chosen is not None
    assert chosen.prefix == "/home/pi/edgecnn"
    with pytest.raises(UsageError, match="--identity is for"):
        choose_device("cmd:python3", identity=__file__)  # type: ignore[arg-type]  # any path
    with pytest.raises(UsageError, match="--prefix is for"):
        choose_device(None, prefix="/x")
    with pytest.raises(UsageError, match="from its root on"):
        choose_device("cmd:python3", prefix="x")
