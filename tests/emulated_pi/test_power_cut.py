"""An installation cut off in its midst, as by a power cut: a whole release is active all the same.

``tests/raspberry_pi/test_installer.py`` cuts a small one off at every call that changes something;
here it is a whole bundle, at moments that are seen from outside.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from emulated_pi.bundles import Bundles, active, put
from emulated_pi.pi import Pi

pytestmark = [pytest.mark.slow, pytest.mark.emulated_pi]


def copied(place: Path) -> bool:
    """Tell whether the last file is there; the copy is compared with the manifest and tested."""
    return bool(list(place.glob("releases/.new-2.0-*/service/resnet8.conf")))


def remembered(place: Path) -> bool:
    return (place / "previous").is_symlink()


def switched(place: Path) -> bool:
    return (place / "current").readlink().name.startswith("2.0-")


@pytest.fixture
def upgrading(installed: Pi, bundles: Bundles) -> Pi:
    """A Pi with version 1.0 installed and 2.0 in /root/bundle."""
    folder = put(bundles.made("2.0", system=installed.suite), installed)
    (installed.root / folder.lstrip("/")).rename(installed.home / "bundle")
    return installed


@pytest.mark.parametrize(
    ("moment", "then"),
    [
        pytest.param(copied, ["1.0"], marks=pytest.mark.long),
        pytest.param(remembered, ["1.0", "2.0"], marks=pytest.mark.long),
        (switched, ["2.0"]),
    ],
)
def test_a_whole_release_stays_active(
    moment: Callable[[Path], bool], then: list[str], upgrading: Pi
) -> None:
    place = upgrading.root / "opt/edgecnn/resnet8"
    running = upgrading.start("bundle/install.sh")
    try:
        end = time.monotonic() + 60
        while not moment(place):
            assert running.process.poll() is None, "it was over before"
            assert time.monotonic() < end
            time.sleep(0.0005)
    finally:
        running.cut_off()
    assert running.process.returncode == -9
    assert active(upgrading) in then
    if moment is copied:  # once is enough: what the cut left does not disturb the next one
        done = upgrading.run("bundle/install.sh")
        assert (done.code, done.err) == (0, "")
        assert active(upgrading) == "2.0"
        assert sorted(path.name[:4] for path in (place / "releases").iterdir()) == ["1.0-", "2.0-"]
