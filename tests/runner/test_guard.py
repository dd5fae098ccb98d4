from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecnn_runner.errors import PrivacyError
from edgecnn_runner.files import atomic_file
from edgecnn_runner.guard import Allowed, guarded, notify_address


def refused(allowed: Allowed, act: Callable[[], object]) -> PrivacyError:
    """Return the error of an act under guard, which must not happen."""
    with guarded(allowed), pytest.raises(PrivacyError) as caught:
        act()
    return caught.value


@pytest.mark.parametrize(
    "act",
    [
        lambda: socket.socket(),
        lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
        lambda: socket.socket(socket.AF_UNIX),
        lambda: socket.getaddrinfo("localhost", 80),
        lambda: socket.gethostbyname("localhost"),
        lambda: socket.create_connection(("127.0.0.1", 9)),
    ],
    ids=["inet", "inet6", "unix", "getaddrinfo", "gethostbyname", "create_connection"],
)
def test_no_socket_is_opened(act: Callable[[], object]) -> None:
    error = refused(Allowed(), act)
    assert error.exit_code == 18
    assert "network" in error.problem


def test_a_file_may_be_read_and_none_written(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("kept")
    with guarded(Allowed()):
        assert there.read_text() == "kept"
        assert [path.name for path in tmp_path.iterdir()] == ["there"]
    acts: list[Callable[[], object]] = [
        lambda: (tmp_path / "new").write_text("x"),
        lambda: there.open("r+b"),
        lambda: os.open(there, os.O_WRONLY | os.O_APPEND),
        lambda: there.unlink(),
        lambda: there.rename(tmp_path / "moved"),
        lambda: (tmp_path / "folder").mkdir(),
        lambda: (tmp_path / "link").symlink_to(there),
        lambda: os.truncate(there, 0),
        lambda: there.chmod(0o777),
        lambda: shutil.copyfile(there, tmp_path / "copy"),
        lambda: shutil.rmtree(tmp_path),
        lambda: tempfile.mkstemp(dir=tmp_path),
    ]
    for act in acts:
        assert "write" in refused(Allowed(), act).problem
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"there": "kept"}


@pytest.mark.parametrize(
    "act",
    [
        lambda: subprocess.run([sys.executable, "-c", ""], check=True),
        lambda: os.system("true"),
        lambda: os.posix_spawn("/bin/true", ["true"], {}),
        lambda: os.execv("/bin/true", ["true"]),
        lambda: subprocess.run([sys.executable, "-m", "edgecnn_runner.runtimes.probe"], check=True),
    ],
    ids=["subprocess", "system", "posix_spawn", "exec", "almost the trial"],
)
def test_no_program_is_started(act: Callable[[], object]) -> None:
    assert "program" in refused(Allowed(), act).problem


def test_the_result_and_its_temporary_file_may_be_written(tmp_path: Path) -> None:
    output = tmp_path / "result"
    with guarded(Allowed(output=output)):
        with atomic_file(output) as file:
            file.write(b"1")
        with output.open("ab") as lines:
            lines.write(b"2")
    assert output.read_bytes() == b"12"
    for other in ("results", ".result.x", ".other.x.part"):
        assert refused(Allowed(output=output), (tmp_path / other).touch)


def test_a_link_to_elsewhere_is_not_the_result(tmp_path: Path) -> None:
    """What is compared is where a path leads, on both sides."""
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "result", tmp_path / "link"
    link.symlink_to(target)
    with guarded(Allowed(output=link)):
        target.write_text("through its own name")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.symlink_to(tmp_path / "victim")
    assert refused(Allowed(output=link), lambda: elsewhere.write_text("x"))


def test_images_may_be_deleted_in_the_watched_folder_only(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    (inbox / "inner").mkdir(parents=True)
    places = [inbox / "a", inbox / "inner" / "b", tmp_path / "c"]
    for place in places:
        place.touch()
    with guarded(Allowed(deletes_in=inbox)):
        places[0].unlink()
    for place in places[1:]:
        assert refused(Allowed(deletes_in=inbox), place.unlink)
    assert refused(Allowed(deletes_in=inbox), (inbox / "new").touch)
    assert [place.exists() for place in places] == [False, True, True]


def test_the_service_manager_alone_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        with guarded(Allowed(notify=path)):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"READY=1", path)
                with pytest.raises(PrivacyError):
                    sender.connect(str(tmp_path / "other"))
            with pytest.raises(PrivacyError):
                socket.socket(socket.AF_INET)
        assert receiver.recv(100) == b"READY=1"
    assert notify_address("@name") == "\0name"


def test_devices_are_no_files(tmp_path: Path) -> None:
    with guarded(Allowed()), Path("/dev/null").open("wb") as nowhere:
        nowhere.write(b"x")


def test_outside_of_the_block_all_is_as_before(tmp_path: Path) -> None:
    with pytest.raises(KeyError), guarded(Allowed()):
        raise KeyError
    (tmp_path / "file").touch()
    with guarded(Allowed(output=tmp_path / "a")), guarded(Allowed(output=tmp_path / "b")):
        (tmp_path / "b").touch()
    subprocess.run([sys.executable, "-c", ""], check=True)


def test_a_swallowed_refusal_is_still_a_refusal(tmp_path: Path) -> None:
    """A library that tries, and ignores what comes of it, has not written."""
    with guarded(Allowed()):
        try:
            (tmp_path / "cache").touch()
        except Exception:  # noqa: BLE001 - as careless as some library
            tried = True
    assert tried
    assert not list(tmp_path.iterdir())
