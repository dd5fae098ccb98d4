"""The server of web bundles, asked byte by byte what no browser would ask."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Iterator

import pytest

from edgecnn.serve.addresses import place_of
from edgecnn.serve.certificate import self_signed
from edgecnn.serve.server import MOST, BundleServer, serving

FILES = {"index.html": b"the page", "app.js": b"the app", "model/contract.json": b"the contract"}
LARGE = bytes(32 << 20)
"""More than the buffers of both ends take."""


@pytest.fixture(scope="module")
def server() -> Iterator[BundleServer]:
    with serving(FILES) as running:
        yield running


def connected(server: BundleServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def said_to(server: BundleServer, text: str) -> bytes:
    """All that comes back for some bytes, until the server ends the connection."""
    with connected(server) as raw:
        with contextlib.suppress(OSError):  # it may have ended it already
            raw.sendall(text.encode("latin-1"))
            raw.shutdown(socket.SHUT_WR)
        parts = []
        # What it did not read of us ends the connection with a reset.
        with contextlib.suppress(ConnectionResetError):
            while part := raw.recv(65536):
                parts.append(part)
    return b"".join(parts)


def asked(host: str, path: str = "/model/contract.json") -> str:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1:8000", "192.168.1.20:8000", "[::1]", "[::1]:8000", "[FE80::1]",
        "[::ffff:127.0.0.1]", "localhost", "LOCALHOST:8000", "localhost.", "localhost.:8000",
        "127.0.0.1:",
    ],
)  # fmt: skip
def test_addresses_and_localhost_are_answered(server: BundleServer, host: str) -> None:
    answer = said_to(server, asked(host))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"the contract")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8000", "EVIL.example.", "127.0.0.1.evil.example",
        "localhost.evil.example", "evil-localhost", "1.2.3", "2130706433", "256.0.0.1", "[1::2::3]",
    ],
)  # fmt: skip
def test_another_name_gets_nothing_but_the_right_address(server: BundleServer, host: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        answer = said_to(server, asked(host).replace("GET", method))
        head, _, body = answer.decode().partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 421 Misdirected Request\r\n")
        text = f"421 Misdirected Request: open http://127.0.0.1:{server.port}/\n"
        assert body == ("" if method == "HEAD" else text)


def test_the_targets_own_host_counts_too(server: BundleServer) -> None:
    for host, status in (("127.0.0.1:1", 200), ("evil.example", 421), ("user@127.0.0.1", 400)):
        answer = said_to(server, asked("127.0.0.1", f"http://{host}/app.js"))
        assert answer.startswith(f"HTTP/1.1 {status} ".encode()), host


def test_a_server_for_others_has_this_machines_names() -> None:
    names = [name for name in place_of("0.0.0.0").names if name.endswith(".local")]
    if not names:
        pytest.skip("this machine's name cannot be one in a URL")
    with serving(FILES, place_of("0.0.0.0")) as everywhere, serving(FILES) as here:
        for name in (names[0], names[0].removesuffix(".local"), names[0].upper() + ".:80"):
            assert said_to(everywhere, asked(name)).startswith(b"HTTP/1.1 200 "), name
            assert said_to(here, asked(name)).startswith(b"HTTP/1.1 421 "), name
        assert said_to(everywhere, asked("evil.example")).startswith(b"HTTP/1.1 421 ")


def test_without_a_host(server: BundleServer) -> None:
    old = said_to(server, "GET /app.js HTTP/1.0\r\n\r\n")
    assert old.startswith(b"HTTP/1.1 200 ")
    assert said_to(server, "GET /app.js HTTP/1.0\r\nHost: x.example\r\n\r\n").startswith(
        b"HTTP/1.1 421 "
    )
    assert said_to(server, "GET /app.js\r\n\r\n").startswith(b"HTTP/1.1 200 ")  # HTTP/0.9
    twice = "Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n"
    for headers in ("", "Host:\r\n", "Host: a b\r\n", "Host: ::1\r\n", twice):
        answer = said_to(server, f"GET /app.js HTTP/1.1\r\n{headers}\r\n")
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n"), headers


@pytest.mark.parametrize(
    "line",
    [
        "GET http://[/ HTTP/1.1", "GET /x HTTP/<script>", "GET /<script>", "\x16\x03\x01 <script>",
        "GET /x <script> HTTP/1.1", "<script>", "GET /x HTTP/1.1.1<script>",
    ],
)  # fmt: skip
def test_a_line_that_is_no_request_is_refused_and_not_repeated(
    server: BundleServer, line: str
) -> None:
    answer = said_to(server, f"{line}\r\nHost: 127.0.0.1\r\n\r\n")
    wanted = 404 if line == "GET /<script>" else 400
    assert answer.startswith(f"HTTP/1.1 {wanted} ".encode())
    assert b"script" not in answer.partition(b"\r\n\r\n")[2]
    assert b"\r\nContent-Type: text/plain; charset=utf-8\r\n" in answer
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in answer


SECOND = "GET /app.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Content-Length: {len(SECOND)}", 200),
        ("Transfer-Encoding: chunked", 200),
        (f"content-length: {len(SECOND)}\r\nConnection: keep-alive", 200),
        (f"Content-Length: {len(SECOND)}\r\nExpect: 100-continue", 200),
        # What is no header to Python, and may be one to a server before this one.
        (f"Content-Length : {len(SECOND)}", 400),
        (f"no header\r\nContent-Length: {len(SECOND)}", 400),
    ],
)
def test_a_body_is_not_taken_for_a_request(server: BundleServer, header: str, status: int) -> None:
    first = f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n\r\n"
    answer = said_to(server, first + SECOND)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in answer
    assert b"the app" not in answer


def test_two_requests_are_two_answers(server: BundleServer) -> None:
    answer = said_to(server, asked("127.0.0.1", "/") + SECOND)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert b"Connection: close" not in answer
    assert answer.endswith(b"the app")


@pytest.mark.parametrize("https", [False, True])
def test_idle_connections_do_not_keep_others_out(https: bool) -> None:
    own = self_signed(["127.0.0.1"])
    trust = ssl.create_default_context(cadata=own.certificate.decode())
    with (
        serving(FILES, context=own.context if https else None) as server,
        contextlib.ExitStack() as stack,
    ):
        idle = [stack.enter_context(connected(server)) for _ in range(3 * MOST)]
        for _ in range(6):  # as a browser
            kept = (
                http.client.HTTPSConnection("127.0.0.1", server.port, context=trust, timeout=20)
                if https
                else http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            )
            stack.callback(kept.close)
            kept.request("GET", "/")
            assert kept.getresponse().read() == b"the page"
        assert len(server.connections) <= MOST
        # Those that waited longest were ended, and the latest not.
        assert idle[0].recv(1) == b""
        idle[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):
            idle[-1].recv(1)


def test_one_that_is_being_answered_is_not_ended_for_others() -> None:
    with serving({"model/model.onnx": LARGE}) as server, contextlib.ExitStack() as stack:
        slow = stack.enter_context(connected(server))
        slow.sendall(asked("127.0.0.1", "/model/model.onnx").encode())
        found = slow.recv(1000)
        for _ in range(3 * MOST):
            stack.enter_context(connected(server))
        late = stack.enter_context(connected(server))
        late.sendall(asked("127.0.0.1", "/none").encode())
        assert late.recv(1000).startswith(b"HTTP/1.1 404 ")
        slow.sendall(b"GET / HTTP/1.0\r\n\r\n")  # so that it ends
        size = len(found)
        while part := slow.recv(1 << 20):
            size += len(part)
        assert size > len(LARGE)


def test_where_all_are_being_answered_one_more_is_closed() -> None:
    with serving({"app.js": b"the app", "large": LARGE}) as server, contextlib.ExitStack() as stack:
        for _ in range(MOST):
            slow = stack.enter_context(connected(server))
            slow.sendall(asked("127.0.0.1", "/large").encode())
            assert slow.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert said_to(server, SECOND) == b""
        slow.close()
        until = time.monotonic() + 20
        while not (answer := said_to(server, SECOND)) and time.monotonic() < until:
            time.sleep(0.05)
        assert answer.endswith(b"the app")


def test_a_connection_that_ends_unused_is_not_told() -> None:
    lines: list[str] = []
    with serving(FILES, said=lines.append, patience_s=0.2) as server, connected(server) as kept:
        kept.sendall(asked("127.0.0.1", "/").encode())
        while kept.recv(1000):
            pass
    assert lines == ['"GET / HTTP/1.1" 200 -']
