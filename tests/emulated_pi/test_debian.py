"""A bundle as a Debian package: apt installs it with no network, upgrades it and removes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from emulated_pi.bundles import Bundles, put
from emulated_pi.pi import Pi
from emulated_pi.pictures import write_photos

pytestmark = [
    pytest.mark.slow,
    pytest.mark.emulated_pi,
    pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="there is no dpkg-deb here"),
]

APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", "--quiet")
CURRENT = "opt/edgecnn/resnet8/current"
# What apt and dpkg write for themselves.
KEPT_BY_APT = ("var/cache/apt", "var/lib/apt", "var/lib/dpkg", "var/log", "var/cache/debconf")


def left(before: dict[str, tuple[object, ...]], after: dict[str, tuple[object, ...]]) -> list[str]:
    """Return what is other than before, but for what package managers keep of themselves."""
    changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    return sorted(name for name in changed if not name.startswith(KEPT_BY_APT))


def copied(pi: Pi, bundle: Path) -> str:
    shutil.copy(bundle, pi.home)
    return f"./{bundle.name}"


@pytest.mark.long  # takes minutes
def test_apt_installs_upgrades_and_purges_it(pi: Pi, bundles: Bundles) -> None:
    one = copied(pi, bundles.made("1.0", system=pi.suite, form="deb"))
    two = copied(pi, bundles.made("1.1", system=pi.suite, form="deb"))
    before = pi.state()
    done = pi.run(*APT, "install", one, timeout=300)
    assert done.code == 0, done.err
    assert "self-test: resnet8-int8.tflite: 16 golden images as expected" in done.out
    assert "1.0" in pi.run("dpkg-query", "--show", "edgecnn-resnet8").out
    assert pi.run("dpkg", "--verify", "edgecnn-resnet8").out == ""
    (name, *_) = write_photos(pi.home)
    done = pi.run("edgecnn-resnet8", "classify", name, "--json")
    assert done.code == 0, done.err
    assert len(done.json()) == 1

    # A change of the configuration is the user's, and stays.
    configuration = pi.root / "etc/edgecnn/resnet8.conf"
    text = configuration.read_text().replace("--interval 2", "--interval 9")
    configuration.write_text(text)
    done = pi.run(*APT, "install", two, timeout=300)
    assert done.code == 0, done.err
    assert "1.1" in pi.run("dpkg-query", "--show", "edgecnn-resnet8").out
    assert configuration.read_text() == text
    assert '"version": "1.1"' in (pi.root / CURRENT / "manifest.json").read_text()
    assert pi.run("edgecnn-resnet8", "selftest").code == 0

    # install.sh keeps its hands off what is apt's.
    for option in ("--uninstall", "--rollback"):
        done = pi.run(f"/{CURRENT}/install.sh", option)
        assert done.code == 2
        assert "was installed by apt" in done.err
        assert "sudo apt purge edgecnn-resnet8" in done.err
    folder = put(bundles.made("2.0", system=pi.suite), pi)
    done = pi.run(f"{folder}/install.sh")
    assert done.code == 2
    assert "resnet8 was installed by apt; nothing was changed" in done.err
    assert '"version": "1.1"' in (pi.root / CURRENT / "manifest.json").read_text()

    (pi.root / "var/lib/edgecnn-resnet8").mkdir()
    (pi.root / "var/lib/edgecnn-resnet8/results.jsonl").write_text("{}\n")
    done = pi.run(*APT, "remove", "edgecnn-resnet8", timeout=300)
    assert done.code == 0, done.err
    assert not (pi.root / "opt/edgecnn").exists()
    assert configuration.exists()
    done = pi.run(*APT, "purge", "edgecnn-resnet8", timeout=300)
    assert done.code == 0, done.err
    for path in pi.home.glob("*.jpg"):
        path.unlink()
    # The system's own package of base files does not have /opt here, so that dpkg removes it.
    assert [n for n in left(before, pi.state()) if not n.startswith("root/") and n != "opt"] == []


def test_what_install_sh_has_installed_is_not_written_over(installed: Pi, bundles: Bundles) -> None:
    package = copied(installed, bundles.made("1.0", system=installed.suite, form="deb"))
    before = installed.state()
    done = installed.run(*APT, "install", package, timeout=300)
    assert done.code != 0
    assert "resnet8 was installed by install.sh" in done.err
    assert [name for name in left(before, installed.state()) if name != "root"] == []
