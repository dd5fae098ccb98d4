"""``edgecnn deploy`` to a real SSH server: installed, refused, taken back, lost on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from command import Finished, edgecnn
from devices.programs import tree, wait_until
from devices.sshd import Server, serving
from edgecnn.package.pi.debian import write_archive
from edgecnn_installer.bundle import check_files, read_manifest
from raspberry_pi.small_bundle import install, make_bundle, seal, sign, signing_key

pytestmark = pytest.mark.slow  # runs a server


@dataclass(frozen=True, kw_only=True)
class Pi:
    """A device: its server, its temporary folder, and where models are installed on it."""

    server: Server
    temporary: Path
    prefix: Path

    def deploy(self, bundle: Path, *options: str | Path) -> Finished:
        return edgecnn("deploy", bundle, self.server.address, *self.options(), *options)

    def options(self) -> tuple[str, ...]:
        return (*self.server.options, "--prefix", str(self.prefix))

    def active(self) -> str:
        """Return the version of the active release; empty if there is none."""
        note = self.prefix / "small/current/PRIVACY.md"
        return note.read_text().removeprefix("of ") if note.exists() else ""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "temporary").mkdir()
    environment = {"TMPDIR": str(folder / "temporary")}
    with serving(folder / "sshd", environment=environment) as running:
        yield running


@pytest.fixture
def pi(server: Server, tmp_path: Path) -> Iterator[Pi]:
    temporary = server.folder.parent / "temporary"
    yield Pi(server=server, temporary=temporary, prefix=tmp_path / "prefix")
    wait_until(lambda: not list(temporary.iterdir()))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "small-1.0")


def test_an_archive_is_installed_and_tests_itself(pi: Pi, bundle: Path, tmp_path: Path) -> None:
    archive = tmp_path / "small.tar.gz"
    write_archive(bundle, archive, name="small-1.0", date=0)
    done = pi.deploy(archive)
    assert done.code == 0, done.err
    assert pi.active() == "1.0"
    release = (pi.prefix / "small/current").resolve()
    check_files(release, read_manifest(release))
    assert f"active: {release}" in done.out
    assert "small-int8.tflite: 16 golden images as expected, by test 1.0" in done.out
    assert f"try it: {pi.prefix}/small/current/bin/edgecnn-run classify" in done.out
    assert "files as packaged" in done.err
    newer = make_bundle(tmp_path / "small-2.0", version="2.0")
    said = pi.deploy(newer, "--json", "--quiet")
    assert said.err == ""
    assert said.json()["before"] == release.name
    assert said.json()["release"].startswith("2.0-")
    assert said.json()["self_tests"][0]["images"] == 16
    assert pi.active() == "2.0"


AFTERWARDS = """#!/bin/sh
case "$0" in
*/.new-*) echo '{"images": 16, "runtime": "test 1.0"}' ;;
*) echo "image 3: class 'cat', expected 'dog'" >&2; exit 16 ;;
esac
"""


def test_a_self_test_that_fails_once_active_is_rolled_back(
    pi: Pi, bundle: Path, tmp_path: Path
) -> None:
    bad = make_bundle(tmp_path / "bad", version="2.0", selftest=AFTERWARDS)
    done = pi.deploy(bad)
    assert done.code == 16
    assert "small was uninstalled again, as it was before" in done.err
    assert "expected 'dog'" in done.err
    assert not pi.prefix.exists()
    private, public = signing_key(tmp_path, "key")
    sign(bad / "manifest.json", private, bad / "manifest.json.sig")
    assert pi.deploy(bad, "--key", public).code == 16
    assert not pi.prefix.exists(), "no key stays pinned either"
    assert pi.deploy(bundle).code == 0
    before = (pi.prefix / "small/current").readlink()
    done = pi.deploy(bad, "--json")
    assert (done.code, done.json()["error"]) == (16, "SelfTestError")
    assert f"rolled back: {before.name} is active again" in done.json()["problem"]
    assert (pi.prefix / "small/current").readlink() == before


def test_a_self_test_that_fails_before_changes_nothing(
    pi: Pi, bundle: Path, tmp_path: Path
) -> None:
    pi.deploy(bundle)
    before = tree(pi.prefix)
    bad = make_bundle(tmp_path / "bad", version="2.0", selftest="#!/bin/sh\nexit 16\n")
    done = pi.deploy(bad, "--json")
    assert (done.code, done.json()["error"]) == (16, "SelfTestError")
    assert "the release that was active still is" in done.json()["problem"]
    assert tree(pi.prefix) == before


def alter(bundle: Path) -> None:
    (bundle / "models/small-int8.tflite").write_text("MODEL")


def add(bundle: Path) -> None:
    (bundle / "models/more").write_text("x")


def spoil(bundle: Path) -> None:
    (bundle / "manifest.json").write_text("{}")


@pytest.mark.parametrize(
    ("harm", "said"),
    [(alter, "models/small-int8.tflite"), (add, "models/more"), (spoil, "manifest.json")],
)
def test_an_altered_bundle_is_refused_before_anything_is_sent(
    harm: Any, said: str, bundle: Path, tmp_path: Path
) -> None:
    harm(bundle)
    done = edgecnn("deploy", bundle, "ssh://nobody@127.0.0.1:9")
    assert done.code == 32
    assert said in done.err


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08"])
def test_what_is_no_bundle(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    assert edgecnn("deploy", path, "ssh://nobody@127.0.0.1:9").code == 32
    path.write_bytes(content)
    assert edgecnn("deploy", path, "ssh://nobody@127.0.0.1:9").code == 32


def test_signatures(pi: Pi, bundle: Path, tmp_path: Path) -> None:
    private, public = signing_key(tmp_path, "key")
    done = edgecnn("deploy", bundle, "ssh://nobody@127.0.0.1:9", "--key", public)
    assert (done.code, "manifest.json.sig is missing" in done.err) == (33, True), done.err
    other = signing_key(tmp_path, "other")[0]
    sign(bundle / "manifest.json", other, bundle / "manifest.json.sig")
    assert edgecnn("deploy", bundle, "ssh://nobody@127.0.0.1:9", "--key", public).code == 33
    sign(bundle / "manifest.json", private, bundle / "manifest.json.sig")
    assert pi.deploy(bundle, "--key", public).code == 0
    assert (pi.prefix / "trusted.pub.pem").read_bytes() == public.read_bytes()
    before = tree(pi.prefix)
    unsigned = make_bundle(tmp_path / "unsigned", version="2.0")
    done = pi.deploy(unsigned, "--json")
    assert (done.code, done.json()["error"]) == (33, "SignatureError"), (
        "the device's own key counts"
    )
    assert tree(pi.prefix) == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": "armv7l"}, "another processor"),
        ({"python": "2.7"}, "another Python"),
        ({"glibc": "9.99"}, "C library"),
    ],
)
def test_a_device_that_cannot_take_it_gets_nothing(
    changes: dict[str, Any], said: str, pi: Pi, tmp_path: Path
) -> None:
    done = pi.deploy(make_bundle(tmp_path / "other", **changes))
    assert done.code == 34
    assert said in done.err
    assert "nothing was copied" in done.err
    assert not pi.prefix.exists()


def test_a_full_disk(pi: Pi, bundle: Path, small_disk: Path) -> None:
    address = pi.server.address
    done = edgecnn("deploy", bundle, address, *pi.server.options, "--prefix", small_disk / "prefix")
    assert done.code == 34
    assert "has too little room" in done.err
    assert list(small_disk.iterdir()) == []


def large(bundle: Path, size: int) -> Path:
    """Make a bundle larger, so that its copy takes a while."""
    (bundle / "lib").mkdir()
    with (bundle / "lib/large.bin").open("wb") as file:
        file.truncate(size)
    seal(bundle, version="3.0")
    return bundle


def start(pi: Pi, bundle: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edgecnn", "deploy", bundle, pi.server.address, *pi.options()]
    return subprocess.Popen(
        [str(part) for part in (*command, "--json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_connection_lost_while_copying_leaves_the_device_as_it_was(
    pi: Pi, bundle: Path, tmp_path: Path
) -> None:
    assert pi.deploy(bundle).code == 0
    before = tree(pi.prefix)
    big = large(make_bundle(tmp_path / "big"), 400_000_000)
    with start(pi, big) as program:
        wait_until(lambda: list(pi.temporary.glob("*/bundle/lib/large.bin")), seconds=60)
        pi.server.cut()
        out, err = program.communicate(timeout=60)
    assert program.returncode == 37, err
    assert "was lost; nothing was installed" in json.loads(out)["problem"]
    wait_until(lambda: not list(pi.temporary.iterdir()))
    assert tree(pi.prefix) == before


WAITS = """#!/bin/sh
touch "$(dirname "$0")/../../../../started"
sleep 2
echo '{"images": 16, "runtime": "test 1.0"}'
"""


def test_a_connection_lost_while_installing_leaves_the_old_or_the_new_release(
    pi: Pi, bundle: Path, tmp_path: Path
) -> None:
    assert pi.deploy(bundle).code == 0
    slow = make_bundle(tmp_path / "slow", version="2.0", selftest=WAITS)
    with start(pi, slow) as program:
        wait_until((pi.prefix / "started").exists, seconds=60)
        pi.server.cut()
        out, err = program.communicate(timeout=60)
    assert program.returncode == 37, err
    said = json.loads(out)
    assert "the copy was complete, and the device goes on by itself" in said["problem"]
    assert f"edgecnn doctor --device {pi.server.address}" in said["remedy"]
    wait_until(lambda: pi.active() == "2.0")
    wait_until(lambda: not list(pi.temporary.iterdir()))
    release = (pi.prefix / "small/current").resolve()
    assert release.name.startswith("2.0-")


def test_an_interrupt_while_copying(pi: Pi, tmp_path: Path) -> None:
    big = large(make_bundle(tmp_path / "big"), 400_000_000)
    with start(pi, big) as program:
        wait_until(lambda: list(pi.temporary.glob("*/bundle/lib/large.bin")), seconds=60)
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=60)
    assert program.returncode == 130, err
    wait_until(lambda: not list(pi.temporary.iterdir()))
    assert not pi.prefix.exists()


def test_a_command_is_a_device_too(bundle: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    done = edgecnn("deploy", bundle, f"cmd:{sys.executable}", "--prefix", prefix)
    assert done.code == 0, done.err
    assert (prefix / "small/current").is_symlink()
    doctor = edgecnn("doctor", "--device", f"cmd:{sys.executable}", "--prefix", prefix, "--json")
    found = {check["name"]: check for check in doctor.json()["checks"]}
    assert found["Model small"]["state"] == "ok"
    (prefix / "small/current/PRIVACY.md").write_text("")
    doctor = edgecnn("doctor", "--device", f"cmd:{sys.executable}", "--prefix", prefix, "--json")
    assert doctor.code == 30
    found = {check["name"]: check for check in doctor.json()["checks"]}
    assert "PRIVACY.md is not the file that was packaged" in found["Model small"]["found"]


def test_who_may_not_install_is_told_so(bundle: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user here")
    command = f"cmd:setpriv --reuid=65534 --regid=65534 --clear-groups {sys.executable}"
    done = edgecnn("deploy", bundle, command)
    assert done.code == 34, done.err
    assert "may not install in /opt/edgecnn" in done.err
    done = edgecnn("deploy", bundle, command, "--prefix", "/root/edgecnn")
    assert done.code == 34
    assert "cannot be written" in done.err


def test_this_machine_is_not_deployed_to(bundle: Path) -> None:
    done = edgecnn("deploy", bundle, "local")
    assert done.code == 2
    assert "install.sh" in done.err
    assert install(bundle, "--help").returncode == 0
