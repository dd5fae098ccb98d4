"""What strace shows, and what it amounts to."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.package.privacy.traced import (
    SystemCall,
    other_programs,
    strange_sockets,
    written_paths,
)


def call(text: str, *, failed: bool = False) -> SystemCall:
    name, _, arguments = text.partition("(")
    return SystemCall(name=name, arguments=arguments.removesuffix(")"), failed=failed)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP)", ["socket(AF_INET)"]),
        ("socket(AF_INET6, SOCK_DGRAM, IPPROTO_IP)", ["socket(AF_INET6)"]),
        ("socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE)", ["socket(AF_NETLINK)"]),
        ("socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))", ["socket(AF_PACKET)"]),
        ("socket(AF_VSOCK, SOCK_STREAM, 0)", ["socket(AF_VSOCK)"]),
        ("io_uring_setup(8, {flags=0})", ["io_uring_setup"]),
        ('connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/x"}, 9)', ["connect to /x"]),
        (
            'connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path=@"/run/notify"}, 9)',
            ["connect to @/run/notify"],
        ),
        (
            'connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(80)}, 16)',
            ["connect"],
        ),
        ('bind(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/run/notify"}, 9)', ["bind"]),
        ("socket(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC, 0)", []),
        ("socketpair(AF_UNIX, SOCK_STREAM, 0, [3, 4])", []),
        ('sendto(3<socket:[1]>, "READY=1", 7, 0, {sa_family=AF_UNIX, sun_path="/run/notify"}, 14)',
         []),
        ('openat(AT_FDCWD</>, "/socket(AF_INET", O_RDONLY)', []),
    ],
)  # fmt: skip
def test_sockets(text: str, found: list[str]) -> None:
    for failed in (False, True):  # what the kernel refused was tried all the same
        assert strange_sockets([call(text, failed=failed)], allowed="/run/notify") == found


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('openat(AT_FDCWD</work>, "a/../b.txt", O_WRONLY|O_CREAT|O_TRUNC, 0666)', ["/work/b.txt"]),
        ('openat(AT_FDCWD</work>, "/x/y", O_RDWR)', ["/x/y"]),
        ('openat(5</srv/d>, "e", O_RDONLY|O_CREAT, 0600)', ["/srv/d/e"]),
        ('openat(AT_FDCWD</>, "O_CREAT", O_RDONLY)', []),
        ('open("/a\\303\\244", O_WRONLY)', ["/aä"]),
        ('open("/a\\"b", O_WRONLY)', ['/a"b']),
        ('creat("/c", 0600)', ["/c"]),
        ('mkdir("d", 0777)', ["/d"]),
        ('rename("/e", "/f")', ["/e", "/f"]),
        ('renameat2(3</g>, "h", AT_FDCWD</i>, "j", 0)', ["/g/h", "/i/j"]),
        ('symlink("/target", "/k")', ["/k"]),
        ('symlinkat("/target", AT_FDCWD</>, "l")', ["/l"]),
        ("utimensat(3</m>, NULL, NULL, 0)", ["/m"]),
        ('openat(AT_FDCWD</>, "/dev/null", O_WRONLY)', []),
        ('execve("/bin/true", ["true", "O_CREAT"], 0x1)', []),
    ],
)
def test_writes(text: str, paths: list[str]) -> None:
    for failed in (False, True):
        assert written_paths([call(text, failed=failed)]) == paths


def test_paths_of_another_system_are_those_that_its_programs_know(tmp_path: Path) -> None:
    calls = [call(f'unlinkat(3<{tmp_path}/opt>, "x", 0)'), call('unlink("/opt/y")')]
    assert written_paths(calls, root=tmp_path) == ["/opt/x", "/opt/y"]


def test_programs() -> None:
    calls = [
        call('execve("/bin/sh", ["sh"], 0x1)'),
        call('execve("/usr/bin/curl", ["curl"], 0x1)'),
        call('execve("/usr/local/bin/wget", ["wget"], 0x1)', failed=True),
    ]
    assert other_programs(calls, allowed=["sh"]) == ["/usr/bin/curl", "/usr/local/bin/wget"]
