"""Downloads, against a real HTTP server on the loopback interface."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data.small_release import Small, make_archive, md5
from edgecnn.data.cifar10 import load_cifar10
from edgecnn.data.download import PublishedFile, fetch
from edgecnn.errors import ChecksumError, DownloadError, WorkspaceError
from edgecnn.progress import ProgressTask


class Server:
    """Serves one body for every path, and counts the requests."""

    def __init__(self) -> None:
        self.body = b""
        self.status = 200
        self.promised: int | None = None
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                self.send_response(outer.status)
                length = len(outer.body) if outer.promised is None else outer.promised
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/"

    def serve(self, small: Small, archive: bytes | None = None) -> PublishedFile:
        self.body = small.archive if archive is None else archive
        return dataclasses.replace(small.release, base_url=self.url, archive_md5=md5(self.body))


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(
        target=running.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    yield running
    running.server.shutdown()
    running.server.server_close()
    thread.join()


class Recorder:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.total = 0
        self.done = 0

    @contextlib.contextmanager
    def task(self, description: str, total: int) -> Iterator[ProgressTask]:
        self.total += total
        yield self

    def message(self, text: str) -> None:
        pass

    def advance(self, steps: int = 1) -> None:
        self.done += steps

    def note(self, text: str) -> None:
        pass


def test_a_download_is_checked_unpacked_and_kept(
    small: Small, server: Server, tmp_path: Path
) -> None:
    release = server.serve(small)
    progress = Recorder()
    folder = fetch(release, cache=tmp_path / "cache", progress=progress)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == small.files
    assert progress.done == progress.total == len(small.archive)
    # The archive is not kept beside what came out of it.
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [release.folder]
    assert fetch(release, cache=tmp_path / "cache") == folder
    assert server.requests == ["/small.tar.gz"]


def test_the_data_set_loads_from_a_download(
    small: Small, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGECNN_DATA", raising=False)
    loaded = load_cifar10(
        root=None,
        path=None,
        validation=0.2,
        seed=0,
        release=server.serve(small),
        cache=tmp_path,
    )
    assert len(loaded.test) == 40


def test_an_archive_with_another_checksum_is_not_unpacked(
    small: Small, server: Server, tmp_path: Path
) -> None:
    release = server.serve(small)
    server.body = make_archive({"data_batch_1": b"something else"})
    with pytest.raises(ChecksumError, match="not what was published") as caught:
        fetch(release, cache=tmp_path)
    assert release.archive_md5 in str(caught.value)
    assert files_below(tmp_path) == []


def test_a_member_with_another_checksum_is_refused(
    small: Small, server: Server, tmp_path: Path
) -> None:
    release = server.serve(small, make_archive({**small.files, "data_batch_2": b"other"}))
    with pytest.raises(ChecksumError, match="data_batch_2"):
        fetch(release, cache=tmp_path)
    assert not (tmp_path / release.folder / "data_batch_2").exists()


def test_a_missing_address_is_a_download_error_that_says_how_to_do_without(
    small: Small, server: Server, tmp_path: Path
) -> None:
    release = server.serve(small)
    server.status = 404
    with pytest.raises(DownloadError, match="404") as caught:
        fetch(release, cache=tmp_path)
    for words in ("EDGECNN_DATA", "--data", release.folder, release.archive):
        assert words in caught.value.remedy
    assert files_below(tmp_path) == []


def test_a_connection_cut_short_leaves_nothing_and_can_be_repeated(
    small: Small, server: Server, tmp_path: Path
) -> None:
    release = server.serve(small)
    server.body, server.promised = small.archive[:1000], len(small.archive)
    with pytest.raises(DownloadError, match="cannot download"):
        fetch(release, cache=tmp_path)
    assert files_below(tmp_path) == []
    server.body, server.promised = small.archive, None
    assert (fetch(release, cache=tmp_path) / "test_batch").exists()


def test_no_server_at_all_is_a_download_error(small: Small, tmp_path: Path) -> None:
    # Port 9 is "discard"; nothing listens there.
    release = dataclasses.replace(small.release, base_url="http://127.0.0.1:9/")
    with pytest.raises(DownloadError, match="cannot download"):
        fetch(release, cache=tmp_path)


def test_a_cache_that_cannot_be_made_is_a_workspace_error(
    small: Small, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(WorkspaceError, match="cache"):
        fetch(server.serve(small), cache=tmp_path / "cache")
    assert server.requests == []


def test_an_archive_without_the_files_is_refused(
    small: Small, server: Server, tmp_path: Path
) -> None:
    files = {name: data for name, data in small.files.items() if name != "test_batch"}
    with pytest.raises(DownloadError, match="lacks cifar-10-batches-py/test_batch"):
        fetch(server.serve(small, make_archive(files)), cache=tmp_path)


def test_something_that_is_no_archive_is_refused(
    small: Small, server: Server, tmp_path: Path
) -> None:
    with pytest.raises(DownloadError, match="cannot be unpacked"):
        fetch(server.serve(small, b"<html>log in first</html>"), cache=tmp_path)


def test_no_member_decides_where_a_file_is_written(
    small: Small, server: Server, tmp_path: Path
) -> None:
    hostile = make_hostile_archive(small.files)
    folder = fetch(server.serve(small, hostile), cache=tmp_path / "deep" / "cache")
    assert {path.name for path in folder.iterdir()} == set(small.files)
    everything = set(files_below(tmp_path))
    assert everything == {folder / name for name in small.files}
    assert all(not path.is_symlink() for path in everything)


def make_hostile_archive(files: dict[str, bytes]) -> bytes:
    """The wanted files, among members that a careless extraction would follow."""
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:

        def add(
            name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
        ) -> None:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, len(data)
            tar.addfile(member, io.BytesIO(data))

        add("../../escaped", b"out")
        add("/tmp/escaped-absolute", b"out")
        add("cifar-10-batches-py/extra", b"unexpected")
        # A link in the place of a wanted file, before the file itself.
        add("cifar-10-batches-py/data_batch_1", kind=tarfile.SYMTYPE, link="/etc/passwd")
        for name, data in files.items():
            add(f"cifar-10-batches-py/{name}", data)
    return buffer.getvalue()


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]
