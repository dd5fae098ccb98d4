"""A bundle from the workstation to a Raspberry Pi and off it again, with no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulated_pi.bundles import Bundles, active, put, spoil_golden_vectors
from emulated_pi.pi import Pi
from emulated_pi.pictures import classified_here, write_photos

pytestmark = [pytest.mark.slow, pytest.mark.emulated_pi]


def scores(row: dict[str, Any]) -> dict[str, float]:
    return {entry["label"]: entry["score"] for entry in row["ranked"]}


def test_install_classify_uninstall(pi: Pi, bundles: Bundles, tmp_path: Path) -> None:
    """As its README says: copy the file, unpack it, run install.sh."""
    bundle = bundles.made("1.0", system=pi.suite, signed=True)
    before = pi.state()
    (pi.home / bundle.name).write_bytes(bundle.read_bytes())
    assert pi.run("tar", "xzf", bundle.name).code == 0
    folder = bundle.name.removesuffix(".tar.gz")
    done = pi.run(f"{folder}/install.sh")
    assert (done.code, done.err) == (0, "")
    assert "resnet8-int8.tflite: 16 golden images as expected, by ai-edge-litert 2." in done.out
    assert "active: /opt/edgecnn/resnet8/releases/1.0-" in done.out
    assert "try it: edgecnn-resnet8 classify photo.jpg" in done.out
    assert active(pi) == "1.0"
    for name in ("etc/systemd/system/edgecnn-resnet8.service", "etc/edgecnn/resnet8.conf"):
        assert (pi.root / name).is_file()

    names = write_photos(pi.home)
    done = pi.run("edgecnn-resnet8", "classify", *names, "--top", "10", "--json")
    assert (done.code, done.err) == (0, "")
    here = classified_here(pi.home, names)
    for row in done.json():
        expected = here[row["image"]]
        assert row["label"] == expected["label"], row["image"]
        # Integer kernels of two processors may round otherwise.
        assert scores(row) == pytest.approx(scores(expected), abs=0.1), row["image"]

    done = pi.run("/opt/edgecnn/resnet8/current/install.sh", "--check")
    assert (done.code, done.err) == (0, "")

    for name in names:
        (pi.home / name).unlink()
    done = pi.run(f"{folder}/install.sh", "--uninstall")
    assert (done.code, done.err) == (0, "")
    assert "removed: /opt/edgecnn/resnet8" in done.out
    pi.run("rm", "-r", folder, bundle.name)
    assert pi.state() == before


def test_upgrade_and_roll_back(installed: Pi, bundles: Bundles) -> None:
    before = installed.state()
    folder = put(bundles.made("2.0", system=installed.suite), installed)
    done = installed.run(f"{folder}/install.sh", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json()["release"].startswith("2.0-")
    assert active(installed) == "2.0"
    previous = installed.root / "opt/edgecnn/resnet8/previous"
    assert previous.readlink().name.startswith("1.0-")

    done = installed.run("/opt/edgecnn/resnet8/current/install.sh", "--rollback")
    assert (done.code, done.err) == (0, "")
    assert "16 golden images as expected" in done.out
    assert active(installed) == "1.0"
    assert previous.readlink().name.startswith("2.0-")
    unit = "etc/systemd/system/edgecnn-resnet8.service"
    assert before[unit][3] == installed.state()[unit][3]
    version = installed.run("edgecnn-resnet8", "--version")
    assert version.out.startswith("edgecnn-run ")


def test_a_bundle_damaged_on_the_way_is_refused(installed: Pi, bundles: Bundles) -> None:
    folder = put(bundles.made("2.0", system=installed.suite), installed)
    path = installed.root / folder.lstrip("/") / "models/resnet8-int8.tflite"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    before = installed.state()
    done = installed.run(f"{folder}/install.sh", "--json")
    assert done.code == 32
    assert "models/resnet8-int8.tflite is not the file that was packaged" in done.err
    assert done.json()["error"] == "BundleError"
    assert installed.state() == before
    assert active(installed) == "1.0"


def test_a_model_that_answers_wrongly_there_is_not_switched_to(
    installed: Pi, bundles: Bundles
) -> None:
    """Golden vectors of other answers, properly packaged: the device does not reproduce them."""
    folder = put(bundles.made("2.0", system=installed.suite), installed)
    spoil_golden_vectors(installed.root / folder.lstrip("/"))
    before = installed.state()
    done = installed.run(f"{folder}/install.sh")
    assert done.code == 16
    assert "does not pass its self-test on this device" in done.err
    assert "this device does not reproduce the golden vectors" in done.err
    assert installed.state() == before
    assert active(installed) == "1.0"
