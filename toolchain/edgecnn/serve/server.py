"""Serves a web bundle: the files that it was packaged with, from memory, and nothing else.

There is no path on a disk behind a request, so none can be reached that way. Content types and
headers are fixed (``policy``), whatever the system's tables say. Requests to another name than this
machine's are refused (``hosts``).
"""

from __future__ import annotations

import contextlib
import hashlib
import http
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from email import errors as header_errors
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from edgecnn.serve.addresses import ServedAddress, place_of
from edgecnn.serve.policy import HEADERS, MIME_TYPES, PAGE

_PATIENCE_S: Final = 30.0
_ALLOWED: Final = "GET, HEAD"
# Lines among the headers that are none. Python takes what follows for a body, Content-Length too;
# another server before this one may not. (Other defects are about bodies of several parts.)
_NO_HEADER: Final = (
    header_errors.FirstHeaderLineIsContinuationDefect,
    header_errors.MisplacedEnvelopeHeaderDefect,
    header_errors.MissingHeaderBodySeparatorDefect,
)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD; ``BundleServer`` says with what."""

    server: BundleServer
    protocol_version = "HTTP/1.1"
    # Of a line that names none. Python's is 0.9, which is answered without status and headers.
    default_request_version = "HTTP/1.0"

    def version_string(self) -> str:
        """Return what to call this server: nobody needs to know its Python's version."""
        return "edgecnn"

    def handle_one_request(self) -> None:
        """Wait for a request, and answer it."""
        self.server.connections.wait(self.connection)
        super().handle_one_request()

    def parse_request(self) -> bool:
        """Read a request's headers; answer it here if it is not to be answered otherwise."""
        self.server.connections.work(self.connection)
        if not super().parse_request():
            return False
        # No body is read, and what is left of one would be taken for the next request.
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True
        status = self._refusal()
        if status == http.HTTPStatus.MISDIRECTED_REQUEST:
            self._refuse(status, f"{status.phrase}: open {self.server.url}")
        elif status is not None:
            self.send_error(status)
        return status is None

    def _refusal(self) -> http.HTTPStatus | None:
        try:
            target = urlsplit(self.path).netloc
        except ValueError:
            return http.HTTPStatus.BAD_REQUEST
        hosts = self.headers.get_all("Host", [])
        wrong = any(isinstance(defect, _NO_HEADER) for defect in self.headers.defects)
        # RFC 9112, section 3.2: exactly one, but for HTTP/1.0.
        missing = not hosts and self.request_version != "HTTP/1.0"
        if wrong or missing or len(hosts) > 1:
            return http.HTTPStatus.BAD_REQUEST
        for authority in [*hosts, *([target] if target else [])]:
            host = host_of(authority)
            if host is None:
                return http.HTTPStatus.BAD_REQUEST
            if not is_own(host, self.server.place.names):
                return http.HTTPStatus.MISDIRECTED_REQUEST
        return None

    def handle_expect_100(self) -> bool:
        """Ask for no body; it would not be read."""
        return True

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Send a file's headers."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        name = unquote_to_bytes(urlsplit(self.path).path.removeprefix("/")).decode("latin-1")
        body = self.server.files.get(name or PAGE)
        if body is None:
            self.send_error(http.HTTPStatus.NOT_FOUND)
            return
        # A worker takes the page once more, to keep it, and says so. Over plain HTTP to another
        # machine a browser says nothing, and has no workers.
        wanted = self.headers.get("Sec-Fetch-Dest", "document")
        if with_body and (name or PAGE) == PAGE and wanted == "document":
            self.server.visited()
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if self.headers.get("If-None-Match") == tag:
            self.send_response(http.HTTPStatus.NOT_MODIFIED)
            self.send_header("ETag", tag)
            self.end_headers()
            return
        self.send_response(http.HTTPStatus.OK)
        suffix = PurePosixPath(name or PAGE).suffix
        self.send_header("Content-Type", MIME_TYPES.get(suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", tag)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Send a status in one plain line; what was asked for is not repeated in it."""
        del message, explain  # Python's own quote the request
        status = http.HTTPStatus(code)
        # Python's own answer to a method that it finds no do_METHOD for is 501.
        if status == http.HTTPStatus.NOT_IMPLEMENTED:
            status = http.HTTPStatus.METHOD_NOT_ALLOWED
        self._refuse(status, status.phrase)

    def _refuse(self, status: http.HTTPStatus, text: str) -> None:
        body = f"{status.value} {text}\n".encode()
        self.close_connection = True  # what follows in a refused request's body is not read
        self.send_response(status)
        if status == http.HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", _ALLOWED)
        self.send_header("Content-Type", MIME_TYPES[".txt"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if getattr(self, "command", None) != "HEAD":
            self.wfile.write(body)

    def end_headers(self) -> None:
        """Send the headers that every answer has, errors too."""
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        super().end_headers()

    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing of connections that ended because nothing was asked for a while."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Pass a line on, without control characters; who asked is not kept."""
        self.server.said((format % args).encode("unicode_escape").decode("ascii"))


class BundleServer(ThreadingHTTPServer):
    """A web server of one bundle; listens when it is made.

    Args:
        files: Name to bytes.
        place: Where to listen, and the names to answer to.
        port: 0 for any that is free.
        context: For HTTPS; None for HTTP.
        said: Is told of each request in a line.
        visited: Is told when somebody opens the page.
        headers: What every answer has.
        patience_s: After how many seconds without a request a connection ends.

    Raises:
        OSError: If the address cannot be had.
    """

    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self,
        files: Mapping[str, bytes],
        place: ServedAddress,
        port: int,
        *,
        context: ssl.SSLContext | None = None,
        said: Callable[[str], object] = lambda _: None,
        visited: Callable[[], object] = lambda: None,
        headers: Mapping[str, str] = HEADERS,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self.files, self.place, self.headers = files, place, headers
        self.said, self.visited = said, visited
        self.connections = Connections()
        self._context, self._patience_s = context, patience_s
        if ":" in place.listen:
            self.address_family = socket.AF_INET6
        super().__init__((place.listen, port), _Handler)

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return self.place.url(self.port, https=self._context is not None)

    def server_bind(self) -> None:
        """Bind, without asking a name server what this machine is called."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.port

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection; with TLS, hands are not shaken yet, for that can take its time."""
        connection, address = super().get_request()
        connection.settimeout(self._patience_s)
        if self._context is not None:
            connection = self._context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection, if there is room for it."""
        if self.connections.admit(request):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer one connection, in a thread of its own; with TLS, shake hands there."""
        if isinstance(request, ssl.SSLSocket):
            request.do_handshake()
        super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self.connections.remove(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening, and end the connections that browsers keep open for later."""
        super().server_close()
        self.connections.end()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that ended early, as of a phone that distrusts us."""


@contextlib.contextmanager
def serving(
    files: Mapping[str, bytes],
    place: ServedAddress | None = None,
    *,
    port: int = 0,
    context: ssl.SSLContext | None = None,
    headers: Mapping[str, str] = HEADERS,
    said: Callable[[str], object] = lambda _: None,
    visited: Callable[[], object] = lambda: None,
    patience_s: float = _PATIENCE_S,
) -> Iterator[BundleServer]:
    """Serve a bundle in a thread while the block runs.

    Args:
        files: Name to bytes.
        place: Where to listen; None for this machine alone.
        port: 0 for any that is free.
        context: For HTTPS.
        headers: What every answer has.
        said: Is told of each request.
        visited: Is told when somebody opens the page.
        patience_s: After how many seconds without a request a connection ends.

    Yields:
        The server. At the end of the block its port refuses connections.

    Raises:
        OSError: If the address cannot be had.
    """
    server = BundleServer(
        files,
        place_of("127.0.0.1") if place is None else place,
        port,
        context=context,
        headers=headers,
        said=said,
        visited=visited,
        patience_s=patience_s,
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


MOST: Final = 64
"""A browser opens six to one server; each costs a thread here."""


class Connections:
    """Open connections, no more than ``MOST``.

    Where there would be more, the one that has waited longest for a request ends. Browsers keep
    such for later, and open another where they find one ended. One that is being answered stays.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        # To whether it waits for a request; the one that waits longest comes first.
        self._waits: dict[socket.socket, bool] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._waits)

    def admit(self, connection: socket.socket) -> bool:
        """Take one in; False if there is no room."""
        with self._changing:
            if len(self._waits) >= MOST:
                waiting = next((one for one, waits in self._waits.items() if waits), None)
                if waiting is None:
                    return False
                del self._waits[waiting]
                _end(waiting)
            self._waits[connection] = True
        return True

    def wait(self, connection: socket.socket) -> None:
        """Note that one waits for a request."""
        with self._changing:
            if self._waits.pop(connection, None) is not None:
                self._waits[connection] = True

    def work(self, connection: socket.socket) -> None:
        """Note that one has a request that is to be answered."""
        with self._changing:
            if connection in self._waits:
                self._waits[connection] = False

    def remove(self, connection: socket.socket) -> None:
        """Forget one, before it is closed: its number may be another's then."""
        with self._changing:
            self._waits.pop(connection, None)

    def end(self) -> None:
        """End all of them."""
        with self._changing:
            for connection in self._waits:
                _end(connection)


def _end(connection: socket.socket) -> None:
    """Let whoever reads from a connection find its end."""
    with contextlib.suppress(OSError):
        # Not TLS's own, which would take the encryption from under a thread that is writing.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


# A page of elsewhere can have its own name lead to this machine (DNS rebinding), and would then
# read what is served here as if it were its own. Its requests still carry that name, which is none
# of this server's. An address in place of a name cannot be made to lead elsewhere.

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
