"""``edgecnn serve``, asked by real HTTP and HTTPS requests."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecnn.cli.serve import qr_code
from edgecnn.errors import BundleError, UsageError
from edgecnn.package.web.opened import is_web_bundle, read_web_bundle
from edgecnn.package.web.stage import place_files
from edgecnn.serve.addresses import place_of
from edgecnn.serve.certificate import self_signed
from edgecnn.serve.policy import HEADERS
from web.made import files_of


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve") / "resnet8-1.0-web"
    place_files(files_of("resnet8"), folder)
    return folder


@contextlib.contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run the command; yields the process and what it printed as JSON."""
    command = [sys.executable, "-m", "edgecnn", "serve", str(folder), "--port", "0", "--json"]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process, json.loads(_first_object(process))
        finally:
            if process.poll() is None:
                process.kill()


def _first_object(process: subprocess.Popen[str]) -> str:
    """Read the JSON that it prints; a process that ends without ends the reading, too."""
    assert process.stdout is not None
    assert process.stderr is not None
    text = ""
    while not text.rstrip().endswith("}"):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        text += line
    return text


def ask(
    url: str, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Ask for a path as it is written, with nothing about it put in order."""
    port = int(url.rstrip("/").rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


@pytest.fixture(scope="module")
def url(bundle: Path) -> Iterator[str]:
    with served(bundle) as (_, said):
        assert said["fingerprint"] is None
        yield said["url"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/app.css", "text/css; charset=utf-8"),
        ("/manifest.webmanifest", "application/manifest+json"),
        ("/vendor/ort-wasm-simd-threaded.wasm", "application/wasm"),
        ("/icons/icon-192.png", "image/png"),
        ("/privacy.json", "application/json"),
        ("/model/model.onnx", "application/octet-stream"),
        ("/app.js?x=1", "text/javascript; charset=utf-8"),
    ],
)
def test_files_have_their_types_and_all_headers(
    bundle: Path, url: str, path: str, kind: str
) -> None:
    status, headers, body = ask(url, path)
    assert (status, headers["Content-Type"]) == (200, kind)
    name = path.partition("?")[0].strip("/") or "index.html"
    assert body == (bundle / name).read_bytes()
    assert {key: headers[key] for key in HEADERS} == dict(HEADERS)
    for wanted in ("default-src 'none'", "frame-ancestors 'none'"):
        assert wanted in headers["Content-Security-Policy"]
    assert headers["Server"] == "edgecnn"
    status, again, body = ask(url, path, "HEAD")
    assert (status, body, again["Content-Length"]) == (200, b"", headers["Content-Length"])
    status, _, body = ask(url, path, headers={"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/..", "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "//etc/passwd",
        "/etc/passwd", "/model/", "/model", "/icons/", "/secret.txt", "/index.html/",
        "/app.js%00", "/./app.js", "/\\..\\secret.txt", "/SHA256SUMS/../secret.txt",
        "http://127.0.0.1/secret.txt",
    ],
)  # fmt: skip
def test_nothing_but_the_bundle_is_served(bundle: Path, url: str, path: str) -> None:
    (bundle / "secret.txt").write_text("in the folder, and not packaged")
    (bundle.parent / "secret.txt").write_text("beside the folder")
    status, headers, body = ask(url, path)
    assert status == 404
    assert b"secret" not in body
    assert headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    (bundle / "secret.txt").unlink()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "ODD"])
def test_only_get_and_head_are_answered(url: str, method: str) -> None:
    status, headers, body = ask(url, "/", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert body == b"405 Method Not Allowed\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_cleanly(bundle: Path, number: signal.Signals) -> None:
    with served(bundle) as (process, said):
        port = int(said["url"].rstrip("/").rpartition(":")[2])
        kept = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        kept.request("GET", "/")
        kept.getresponse().read()
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert re.fullmatch(
            r"visit 1: the page was opened at \d\d:\d\d:\d\d\n", process.stderr.read()
        )
        kept.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.parametrize("options", [(), ("--verbose",), ("--quiet",)])
def test_one_line_is_said_of_a_visit_and_one_of_a_file_if_asked_for(
    bundle: Path, options: tuple[str, ...]
) -> None:
    with served(bundle, *options) as (process, said):
        url = said["url"]
        for path in ("/", "/app.js", "/index.html", "/app.css", "/none"):
            ask(url, path)
        ask(url, "/", "HEAD")
        ask(url, "/", headers={"Sec-Fetch-Dest": "empty"})  # as a worker asks for it
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=20)
    visits = [line.split(":")[0] for line in text.splitlines() if line.startswith("visit ")]
    assert visits == ([] if options == ("--quiet",) else ["visit 1", "visit 2"])
    files = re.findall(r'"(?:GET|HEAD) (\S+) HTTP/1\.1" (\d+)', text)
    if options == ("--verbose",):
        assert len(files) == 7
        assert ("/app.js", "200") in files
        assert ("/none", "404") in files
    else:
        assert files == []
        assert len(text.splitlines()) == len(visits)


def test_by_default_only_this_machine_reaches_it(url: str) -> None:
    assert url.startswith("http://127.0.0.1:")
    port = int(url.rstrip("/").rpartition(":")[2])
    try:
        own = place_of("lan").listen
    except UsageError:
        pytest.skip("this machine is in no network")
    with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
        socket.create_connection((own, port), timeout=5)


def test_https_with_a_certificate_of_its_own(bundle: Path, tmp_path: Path) -> None:
    with served(bundle, "--https", "--host", "localhost") as (_, said):
        assert said["url"].startswith("https://localhost:")
        port = int(said["url"].rstrip("/").rpartition(":")[2])
        pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=20)
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
        assert said["fingerprint"].replace(":", "") == digest
        # Who trusts exactly this certificate reaches it, by name and by address.
        trust = ssl.create_default_context(cadata=pem)
        for name in ("localhost", "127.0.0.1"):
            connection = http.client.HTTPSConnection(name, port, context=trust, timeout=20)
            with contextlib.closing(connection):
                connection.request("GET", "/")
                answer = connection.getresponse()
                assert answer.status == 200
                assert answer.read() == (bundle / "index.html").read_bytes()
        # Nobody else does: that is what the browser warns of.
        stranger = http.client.HTTPSConnection("localhost", port, timeout=20)
        with contextlib.closing(stranger), pytest.raises(ssl.SSLCertVerificationError):
            stranger.request("GET", "/")
        # And a client that never shakes hands does not keep others waiting.
        with socket.create_connection(("127.0.0.1", port), timeout=20):
            connection = http.client.HTTPSConnection("localhost", port, context=trust, timeout=20)
            with contextlib.closing(connection):
                connection.request("GET", "/app.js")
                assert connection.getresponse().status == 200


def test_no_key_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = self_signed(["127.0.0.1"])
    assert list(tmp_path.iterdir()) == []
    assert made.fingerprint != self_signed(["127.0.0.1"]).fingerprint


def test_what_is_printed_for_people(bundle: Path) -> None:
    command = [sys.executable, "-m", "edgecnn", "serve", str(bundle), "--port", "0", "--https"]
    with subprocess.Popen(
        [*command, "--host", "0.0.0.0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUTF8": "1"},
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while not lines or "single file" not in lines[-1]:
                line = process.stdout.readline()
                assert line, process.stderr.read() if process.stderr else ""
                lines.append(line)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()  # a process that is left would be waited for
    text = "".join(lines)
    address = next(line.split(" ")[0] for line in lines if line.startswith("https://"))
    assert "installing for offline use does not" in text
    assert "will warn" in text
    fingerprint = text.split("SHA-256: ")[1].split("\n")[0]
    assert len(fingerprint) == 95
    assert qr_code(address, encoding="utf-8", coloured=False) in text


def test_the_code_says_the_address() -> None:
    """Read back by a decoder that is not the encoder's: OpenCV's."""
    cv2 = pytest.importorskip("cv2")
    import numpy as np

    code = qr_code("https://192.168.1.20:8000/", encoding="utf-8", coloured=False)
    halves = {" ": (0, 0), "█": (255, 255), "▀": (255, 0), "▄": (0, 255)}
    rows = []
    for line in code.splitlines():
        pairs = [halves[character] for character in line]
        rows += [[upper for upper, _ in pairs], [lower for _, lower in pairs]]
    image = np.array(rows, np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    image = np.pad(image, 32, constant_values=255)
    assert cv2.QRCodeDetector().detectAndDecode(image)[0] == "https://192.168.1.20:8000/"
    assert qr_code("https://x/", encoding="ascii", coloured=False) == ""


def test_a_port_that_is_taken(bundle: Path, url: str) -> None:
    port = url.rstrip("/").rpartition(":")[2]
    command = [sys.executable, "-m", "edgecnn", "serve", str(bundle), "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--port 0" in done.stderr


def test_an_altered_bundle_is_not_served(bundle: Path, tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        shutil.copytree(bundle, tmp_path / name)
        return tmp_path / name

    assert is_web_bundle(bundle)
    altered = copy("altered")
    (altered / "app.js").write_text("alert(1)")
    missing = copy("missing")
    (missing / "app.css").unlink()
    linked = copy("linked")
    (linked / "app.css").unlink()
    (linked / "app.css").symlink_to(bundle / "app.css")  # the right bytes, from elsewhere
    climbing = copy("climbing")
    digest = hashlib.sha256(b"x").hexdigest()
    (tmp_path / "x").write_text("x")
    with (climbing / "SHA256SUMS").open("a") as sums:
        sums.write(f"{digest}  ../x\n")
    for folder in (altered, missing, linked, climbing):
        with pytest.raises(BundleError, match="is not what was packaged"):
            read_web_bundle(folder)
    with pytest.raises(BundleError, match="is no web bundle"):
        read_web_bundle(tmp_path)
    page = tmp_path / "resnet8-1.0-classifier.html"
    page.write_text("<!doctype html>")
    with pytest.raises(BundleError, match="needs no server") as caught:
        read_web_bundle(page)
    assert "open it in a browser" in str(caught.value.remedy)
    command = [sys.executable, "-m", "edgecnn", "serve", str(altered)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 32


@pytest.mark.parametrize("name", ["app.css", "SHA256SUMS"])
def test_a_named_pipe_in_a_bundle_does_not_keep_it_waiting(
    bundle: Path, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "piped"
    shutil.copytree(bundle, folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    command = [sys.executable, "-m", "edgecnn", "serve", str(folder), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 32
    assert "not a regular file" in done.stderr
