from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from edgecnn_installer.bundle import check_files, parse_manifest, read_manifest
from edgecnn_installer.problems import BundleError
from edgecnn_installer.releases import Place
from edgecnn_installer.service import Service
from raspberry_pi.small_bundle import install, make_bundle, seal, sign, signing_key

pytestmark = pytest.mark.slow  # install.sh is a process of its own


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "bundle")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return tmp_path / "prefix"


def active(prefix: Path) -> str:
    """Return the version of the active release; empty if there is none."""
    link = prefix / "small/current"
    return (link / "PRIVACY.md").read_text().removeprefix("of ") if link.exists() else ""


def tree(folder: Path) -> dict[str, Any]:
    """Return all that lies in a folder: links by their target, files by their bytes."""
    return {
        str(path.relative_to(folder)): path.readlink() if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_a_bundle_is_checked_tested_and_made_active(bundle: Path, prefix: Path) -> None:
    done = install(bundle, "--prefix", prefix)
    assert (done.returncode, done.stderr) == (0, "")
    assert active(prefix) == "1.0"
    release = (prefix / "small/current").resolve()
    check_files(release, read_manifest(release))
    assert "small-int8.tflite: 16 golden images as expected, by test 1.0" in done.stdout
    assert f"try it: {prefix}/small/current/bin/edgecnn-run classify" in done.stdout
    assert not [name for name in tree(prefix) if "__pycache__" in name or ".new" in name]


def test_check_changes_nothing(bundle: Path, prefix: Path) -> None:
    assert install(bundle, "--prefix", prefix, "--check").returncode == 0
    assert not prefix.exists()


def test_upgrade_roll_back_and_uninstall(bundle: Path, prefix: Path, tmp_path: Path) -> None:
    install(bundle, "--prefix", prefix)
    for version in ("2.0", "3.0"):
        newer = make_bundle(tmp_path / version, version=version)
        done = install(newer, "--prefix", prefix, "--json")
        assert json.loads(done.stdout)["release"].startswith(f"{version}-")
    assert active(prefix) == "3.0"
    assert len(list((prefix / "small/releases").iterdir())) == 2, "only one is kept to go back to"
    installed = prefix / "small/current"
    assert install(installed, "--rollback").returncode == 0, "an installed release knows its place"
    assert active(prefix) == "2.0"
    assert install(installed, "--rollback").returncode == 0
    assert active(prefix) == "3.0"
    assert install(installed, "--uninstall").returncode == 0
    assert not prefix.exists()


def test_there_is_nothing_to_roll_back_to(bundle: Path, prefix: Path) -> None:
    install(bundle, "--prefix", prefix)
    done = install(bundle, "--prefix", prefix, "--rollback")
    assert done.returncode == 2
    assert "no release to roll back to" in done.stderr
    assert active(prefix) == "1.0"


def test_the_same_bundle_again_mends_what_was_damaged(bundle: Path, prefix: Path) -> None:
    install(bundle, "--prefix", prefix)
    for _ in range(3):
        (prefix / "small/current/models/small-int8.tflite").write_text("MODEL")
        assert install(bundle, "--prefix", prefix).returncode == 0
        release = (prefix / "small/current").resolve()
        check_files(release, read_manifest(release))
    assert len(list((prefix / "small/releases").iterdir())) == 2


def break_nothing(bundle: Path) -> None:
    """Leave it as it is."""


def alter(bundle: Path) -> None:
    (bundle / "models/small-int8.tflite").write_text("MODEL")


def truncate(bundle: Path) -> None:
    (bundle / "models/small-int8.tflite").write_text("mod")


def remove(bundle: Path) -> None:
    (bundle / "models/small-int8.tflite").unlink()


def link(bundle: Path) -> None:
    remove(bundle)
    (bundle / "models/small-int8.tflite").symlink_to("/etc/hostname")


def add(bundle: Path) -> None:
    (bundle / "models/more").write_text("x")


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (alter, "models/small-int8.tflite"),
        (truncate, "models/small-int8.tflite"),
        (remove, "models/small-int8.tflite"),
        (link, "models/small-int8.tflite"),
        (add, "models/more"),
    ],
)
def test_an_altered_bundle_is_refused_with_the_file_named(
    harm: Any, named: str, bundle: Path, prefix: Path, tmp_path: Path
) -> None:
    install(make_bundle(tmp_path / "old", version="0.9"), "--prefix", prefix)
    before = tree(prefix)
    harm(bundle)
    done = install(bundle, "--prefix", prefix, "--json")
    assert done.returncode == 32
    assert done.stderr.startswith(f"error: {named} is not the file that was packaged")
    assert json.loads(done.stdout)["error"] == "BundleError"
    assert tree(prefix) == before


def test_bytecode_is_no_damage_to_what_is_installed(bundle: Path, prefix: Path) -> None:
    install(bundle, "--prefix", prefix)
    release = (prefix / "small/current").resolve()
    bytecode = release / "installer/edgecnn_installer/__pycache__"
    bytecode.mkdir()
    (bytecode / "main.cpython-311.pyc").write_bytes(b"")
    check_files(release, read_manifest(release), compiled=True)
    assert install(release, "--check").returncode == 0
    with pytest.raises(BundleError, match=r"main\.cpython-311\.pyc is not the file"):
        check_files(release, read_manifest(release))
    (bytecode / "main.cpython-311.pyc").rename(bytecode / "other.cpython-311.pyc")
    with pytest.raises(BundleError, match=r"other\.cpython-311\.pyc is not the file"):
        check_files(release, read_manifest(release), compiled=True)
    assert install(release, "--check").returncode == 32


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 2, "kind": "edgecnn bundle"}'])
def test_a_damaged_manifest_is_refused(text: str, bundle: Path, prefix: Path) -> None:
    (bundle / "manifest.json").write_text(text)
    done = install(bundle, "--prefix", prefix)
    assert done.returncode == 32
    assert "manifest.json cannot be read" in done.stderr
    assert not prefix.exists()


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../x", "a//b", "", "./x", "a\nb"])
def test_a_path_out_of_the_bundle_is_refused(name: str, bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"][name] = {"sha256": "", "bytes": 0, "executable": False}
    with pytest.raises(ValueError, match="no path inside"):
        parse_manifest(json.dumps(manifest).encode())


@pytest.mark.parametrize("key", ["model", "version"])
@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a b", "ä", "x" * 65, "a\n"])
def test_a_name_that_is_none_is_refused(key: str, name: str, bundle: Path) -> None:
    seal(bundle, **{key: name})
    with pytest.raises(BundleError, match="no plain name"):
        read_manifest(bundle)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": "armv7l"}, "another processor"),
        ({"python": "2.7"}, "another Python"),
        ({"glibc": "9.99"}, "C library is too old"),
    ],
)
def test_a_device_that_cannot_take_it(
    changes: dict[str, Any], said: str, tmp_path: Path, prefix: Path
) -> None:
    done = install(make_bundle(tmp_path / "other", **changes), "--prefix", prefix)
    assert done.returncode == 34
    assert said in done.stderr
    assert "nothing was changed" in done.stderr
    assert not prefix.exists()


def test_a_python_that_is_not_here(bundle: Path) -> None:
    script = bundle / "install.sh"
    script.write_text(script.read_text().replace("wanted=3", "wanted=4"))
    done = install(bundle)
    assert done.returncode == 34
    assert "which is not here" in done.stderr


@pytest.mark.parametrize(
    "selftest", ["#!/bin/sh\necho no >&2; exit 16\n", "#!/bin/sh\nkill -9 $$\n"]
)
def test_a_failed_self_test_leaves_the_old_release_active(
    selftest: str, bundle: Path, prefix: Path, tmp_path: Path
) -> None:
    install(bundle, "--prefix", prefix)
    before = tree(prefix)
    done = install(
        make_bundle(tmp_path / "bad", version="2.0", selftest=selftest), "--prefix", prefix
    )
    assert done.returncode == 16
    assert "the release that was active still is" in done.stderr
    assert tree(prefix) == before


def test_a_first_installation_that_fails_leaves_nothing(prefix: Path, tmp_path: Path) -> None:
    bad = make_bundle(tmp_path / "bad", selftest="#!/bin/sh\nexit 1\n")
    assert install(bad, "--prefix", prefix).returncode == 16
    assert not prefix.exists()


def test_a_pinned_key_counts_from_then_on(bundle: Path, prefix: Path, tmp_path: Path) -> None:
    private, public = signing_key(tmp_path, "key")
    assert install(bundle, "--prefix", prefix, "--key", public).returncode == 33
    assert not prefix.exists()
    sign(bundle / "manifest.json", private, bundle / "manifest.json.sig")
    assert install(bundle, "--prefix", prefix, "--key", public).returncode == 0
    unsigned = make_bundle(tmp_path / "unsigned", version="2.0")
    done = install(unsigned, "--prefix", prefix)
    assert done.returncode == 33
    assert done.stderr.startswith("error: manifest.json.sig is missing")
    other = signing_key(tmp_path, "other")[0]
    sign(unsigned / "manifest.json", other, unsigned / "manifest.json.sig")
    assert install(unsigned, "--prefix", prefix).returncode == 33
    assert active(prefix) == "1.0"
    sign(unsigned / "manifest.json", private, unsigned / "manifest.json.sig")
    assert install(unsigned, "--prefix", prefix).returncode == 0
    assert active(prefix) == "2.0"


WAITS = """#!/bin/sh
touch "$0.started"
sleep 60
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_before_the_switch_the_old_release_is_active(
    number: signal.Signals, bundle: Path, prefix: Path, tmp_path: Path
) -> None:
    install(bundle, "--prefix", prefix)
    slow = make_bundle(tmp_path / "slow", version="2.0", selftest=WAITS)
    command = [str(slow / "install.sh"), "--prefix", str(prefix)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as program:
        end = time.monotonic() + 60
        while not list((prefix / "small/releases").glob("*/bin/*.started")):
            assert time.monotonic() < end
            time.sleep(0.02)
        os.killpg(program.pid, number)
    assert program.returncode in (-number, 130)
    assert active(prefix) == "1.0"
    assert install(make_bundle(tmp_path / "3", version="3.0"), "--prefix", prefix).returncode == 0
    assert active(prefix) == "3.0"
    assert len(list((prefix / "small/releases").iterdir())) == 2, "what the kill left is gone"


@pytest.mark.parametrize("same", [False, True], ids=["newer", "same"])
@pytest.mark.parametrize("step", [1, 10, *range(18, 30), 100])  # in between it makes folders
def test_wherever_a_kill_falls_a_whole_release_is_active(
    step: int, same: bool, bundle: Path, prefix: Path, tmp_path: Path
) -> None:
    """Each call that changes the file system is the last one once."""
    install(bundle, "--prefix", prefix)
    newer = bundle if same else make_bundle(tmp_path / "newer", version="2.0")
    code = f"""
import os, sys
sys.path.insert(0, {str(newer / "installer")!r})
from pathlib import Path
from edgecnn_installer.main import main
left = {step}
def hook(event, arguments):
    global left
    if event in ("os.rename", "os.symlink", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)
sys.addaudithook(hook)
sys.exit(main(Path({str(newer)!r}), ["--prefix", {str(prefix)!r}]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode in (0, -9), done.stderr
    assert active(prefix) in ("1.0", "2.0")
    release = (prefix / "small/current").resolve()
    check_files(release, read_manifest(release))
    if done.returncode == 0:
        assert active(prefix) == ("1.0" if same else "2.0")
    assert step not in (1, 10, 20) or done.returncode == -9
    assert step != 100 or done.returncode == 0


def test_two_at_once_do_not_mix(bundle: Path, prefix: Path) -> None:
    place = Place(prefix / "small")
    with place.locked():
        done = install(bundle, "--prefix", prefix)
    assert done.returncode == 34
    assert "another installation is at work" in done.stderr


def test_a_disk_that_is_too_small(bundle: Path, small_disk: Path) -> None:
    done = install(bundle, "--prefix", small_disk / "prefix")
    assert done.returncode == 34
    assert "too little room" in done.stderr
    assert not (small_disk / "prefix").exists()


def test_unit_configuration_and_command_come_and_go(bundle: Path, tmp_path: Path) -> None:
    system = tmp_path / "system"
    service = Service(model="small", system=system)
    current = Path("/opt/edgecnn/small/current")
    with service.placed(bundle, current):
        pass
    assert service.unit.read_text() == "[Service]\n# 1.0\n"
    assert service.command.readlink() == current / "bin/edgecnn-run"
    service.configuration.write_text("mine")
    newer = make_bundle(tmp_path / "newer", version="2.0")
    with service.placed(newer, current):
        pass
    assert service.unit.read_text() == "[Service]\n# 2.0\n"
    assert service.configuration.read_text() == "mine", "what the user wrote stays"
    before = tree(system)
    with pytest.raises(KeyError), service.placed(bundle, current):
        raise KeyError
    assert tree(system) == before
    service.results[1].mkdir(parents=True)
    assert service.remove(results=False) == [f"results in {service.results[1]}"]
    assert service.remove(results=True) == []
    assert tree(system) == {}


def terms(folder: Path) -> dict[str, Any]:
    return {"folder": str(folder), "every": 30, "at_most": 500}


def test_the_unit_that_collects_comes_and_goes_with_the_release_that_may(
    bundle: Path, tmp_path: Path
) -> None:
    service = Service(model="small", system=tmp_path / "system")
    current = Path("/opt/edgecnn/small/current")
    collecting = make_bundle(tmp_path / "newer", version="2.0", collect=terms(tmp_path / "kept"))
    assert service.collecting.name == "edgecnn-collect@small.service"
    with service.placed(collecting, current):
        pass
    assert service.collecting.read_text() == "[Service]\n# 2.0, collecting\n"
    before = tree(service.system)
    with pytest.raises(KeyError), service.placed(bundle, current):
        raise KeyError
    assert tree(service.system) == before, "an update that failed takes nothing away"
    with service.placed(bundle, current):
        assert not service.collecting.exists(), "what this release may not do does not go on"
    assert not service.collecting.exists()
    with service.placed(collecting, current):
        pass
    service.remove(results=True)
    assert tree(service.system) == {}


def test_what_was_collected_outlives_every_removal(prefix: Path, tmp_path: Path) -> None:
    kept = tmp_path / "what was kept"
    kept.mkdir()
    (kept / "frame-1.png").write_bytes(b"picture")
    bundle = make_bundle(tmp_path / "may", collect=terms(kept))
    said = f"it can collect images, only in {kept}, at most 500"
    for options in ((), ("--check",)):
        assert said in install(bundle, "--prefix", prefix, *options).stdout
    # The release that may collect is not the active one any more.
    never = make_bundle(tmp_path / "may not", version="2.0")
    assert "it can collect" not in install(never, "--prefix", prefix).stdout
    done = install(prefix / "small/current", "--uninstall", "--purge")
    assert done.returncode == 0, done.stderr
    assert f"left: 1 files that were collected, in {kept}; nothing here deletes them" in done.stdout
    assert f"sudo rm -r '{kept}'" in done.stdout
    assert [path.name for path in kept.iterdir()] == ["frame-1.png"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing")
def test_the_unit_is_shut_in(tmp_path: Path) -> None:
    from importlib import resources

    text = (resources.files("edgecnn_installer") / "templates/edgecnn.service").read_text()
    unit = tmp_path / "edgecnn-small.service"
    unit.write_text(text.replace("@MODEL@", "small").replace("@PREFIX@", "/opt/edgecnn"))
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=12", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Overall exposure level" in done.stdout + done.stderr


def test_help_says_what_it_does(bundle: Path) -> None:
    done = install(bundle, "--help")
    assert done.returncode == 0
    assert "It needs no network" in " ".join(done.stdout.split())
    assert install(bundle, "--purge").returncode == 2
