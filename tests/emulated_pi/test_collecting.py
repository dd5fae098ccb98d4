"""Pictures collected on a Raspberry Pi: by the unit's own command, and left by every removal."""

from __future__ import annotations

import re
import shlex
import shutil
import stat
from pathlib import Path

import pytest
from PIL import Image

from emulated_pi.bundles import Bundles, put
from emulated_pi.pi import Pi
from emulated_pi.pictures import write_photos

pytestmark = [pytest.mark.slow, pytest.mark.emulated_pi, pytest.mark.long]  # two bundles

FOLDER = "/var/lib/edgecnn-resnet8-collected"
EVERY, AT_MOST = 2, 3
UNIT = "edgecnn-collect@resnet8.service"


def started_as(unit: Path) -> list[str]:
    """Return what a unit starts, with frames in a folder in the place of a camera."""
    line = re.search(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    assert line is not None
    program, *options = shlex.split(line[1])
    assert options.pop(0) == "$EDGECNN_ARGUMENTS"
    return [program, "camera", "--source", "/root/frames", *options]


def collect(pi: Pi, unit: Path) -> list[Path]:
    """Have the unit's command collect from 20 frames; return the pictures."""
    shutil.rmtree(pi.home / "frames", ignore_errors=True)
    (pi.home / "frames").mkdir()
    names = write_photos(pi.home / "frames")
    for number in range(len(names), 20):
        shutil.copy(pi.home / "frames" / names[number % len(names)],
                    pi.home / "frames" / f"more-{number:02}.jpg")  # fmt: skip
    done = pi.run(*started_as(unit), timeout=300)
    assert done.code == 0, done.err
    # It says on the terminal, and so in the journal, that images are kept, and when no more are.
    assert done.err.startswith(f"keeping images: every {EVERY}nd frame")
    assert ": it is full, and no more are kept" in done.err
    return sorted((pi.root / FOLDER.strip("/")).iterdir())


def check(pictures: list[Path]) -> None:
    assert len(pictures) == AT_MOST
    for path in pictures:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with Image.open(path) as image:
            assert (image.format, image.size, image.info) == ("PNG", (32, 32), {})


def test_by_install_sh(pi: Pi, bundles: Bundles) -> None:
    bundle = bundles.made("1.0", system=pi.suite, collect=(FOLDER, EVERY, AT_MOST))
    done = pi.run(f"{put(bundle, pi)}/install.sh")
    assert (done.code, done.err) == (0, "")
    assert f"it can collect images, only in {FOLDER}, at most {AT_MOST}" in done.out
    unit = pi.root / "etc/systemd/system" / UNIT
    pictures = collect(pi, unit)
    check(pictures)
    assert collect(pi, unit) == pictures, "there is no room for more"
    done = pi.run("edgecnn-resnet8", "camera", "--source", "frames",
                  "--collect", "/root/elsewhere", "--every", "1", "--at-most", "1")  # fmt: skip
    assert done.code == 2
    assert not (pi.home / "elsewhere").exists()
    done = pi.run("/opt/edgecnn/resnet8/current/install.sh", "--uninstall", "--purge")
    assert done.code == 0, done.err
    assert f"left: {AT_MOST} files that were collected, in {FOLDER}" in done.out
    assert not unit.exists()
    check(pictures)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="there is no dpkg-deb here")
def test_by_apt(pi: Pi, bundles: Bundles) -> None:
    package = bundles.made("1.0", system=pi.suite, form="deb", collect=(FOLDER, EVERY, AT_MOST))
    shutil.copy(package, pi.home)
    apt = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", "--quiet")
    done = pi.run(*apt, "install", f"./{package.name}", timeout=300)
    assert done.code == 0, done.err
    unit = pi.root / "usr/lib/systemd/system" / UNIT
    pictures = collect(pi, unit)
    check(pictures)
    done = pi.run(*apt, "purge", "edgecnn-resnet8", timeout=300)
    assert done.code == 0, done.err
    assert f"left: collected images, in {FOLDER}; they are yours to delete" in done.out
    assert not unit.exists()
    check(pictures)
