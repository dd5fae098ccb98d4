"""Bundles that a Raspberry Pi must not take: of another processor, another system, another key."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest

from command import Finished
from edgecnn.package.pi.platforms import choose_platform
from edgecnn.package.pi.tree import BundlePlan, lay_out, write_manifest
from edgecnn.package.pi.wheels import collect_wheels
from edgecnn.package.proven import find_proven
from emulated_pi.bundles import RESNET8, Bundles, put
from emulated_pi.pi import Pi
from raspberry_pi.small_bundle import signing_key

pytestmark = [pytest.mark.slow, pytest.mark.emulated_pi]


@pytest.fixture(scope="module")
def changing(fresh: Pi) -> Iterator[Pi]:
    """A Pi for all tests of this file; each leaves it as it was."""
    with fresh.copied() as pi:
        yield pi


def refused(pi: Pi, *command: str) -> Finished:
    """Run what must be refused with code 34, and change nothing."""
    before = pi.state()
    done = pi.run(*command)
    assert (done.code, done.out) == (34, "")
    assert "nothing was changed" in done.err
    assert pi.state() == before
    return done


def test_of_another_processor(changing: Pi) -> None:
    platform = replace(choose_platform("bookworm", "litert"), architecture="x86_64")
    plan = BundlePlan(
        proven=find_proven(RESNET8, None, ["tflite-int8"]),
        platform=platform,
        version="1.0",
        wheels=collect_wheels(platform),
    )
    folder = changing.home / "x86"
    folder.mkdir()
    lay_out(plan, folder)
    write_manifest(plan, folder)
    for command in (["x86/install.sh"], ["python3", "x86/installer/start.py"]):
        done = refused(changing, *command)
        assert "this bundle is for another processor" in done.err
        assert "observed: aarch64" in done.err
        assert "expected: x86_64" in done.err
    shutil.rmtree(folder)


@pytest.mark.long  # the same refusal as of another processor; a minute
def test_of_another_python(changing: Pi, bundles: Bundles) -> None:
    other = {"bookworm": "trixie", "trixie": "bookworm"}[changing.suite]
    folder = put(bundles.made("1.0", system=other), changing)
    done = refused(changing, f"{folder}/install.sh")
    assert "this bundle is for Python 3.1" in done.err
    assert "which is not here" in done.err
    assert "edgecnn package BUILD --os bookworm (Python 3.11) or trixie (3.13)" in done.err
    done = refused(changing, "python3", f"{folder}/installer/start.py")
    assert "this bundle is for another Python" in done.err
    shutil.rmtree(changing.root / folder.lstrip("/"))


@pytest.fixture(scope="module")
def signed(changing: Pi, bundles: Bundles, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A signed bundle on the Pi, with its public key beside it: key.pem; other.pem is another."""
    bundle = bundles.made("1.0", system=changing.suite, signed=True)
    folder = put(bundle, changing)
    (public,) = bundle.parent.glob("*.pub.pem")
    shutil.copy(public, changing.home / "key.pem")
    _, other = signing_key(tmp_path_factory.mktemp("keys"), "other")
    shutil.copy(other, changing.home / "other.pem")
    return folder


@pytest.mark.parametrize("by", ["openssl", "edgecnn"])
def test_not_signed_with_the_key(by: str, changing: Pi, signed: str) -> None:
    """By the openssl there, and by our own check where there is none."""
    openssl, away = changing.root / "usr/bin/openssl", changing.root / "usr/bin/openssl.away"
    manifest = changing.root / signed.lstrip("/") / "manifest.json"
    packaged = manifest.read_bytes()
    if by == "edgecnn":
        openssl.rename(away)
    try:
        before = changing.state()
        check = (f"{signed}/install.sh", "--check", "--json", "--key")
        done = changing.run(*check, "key.pem")
        assert (done.code, done.err) == (0, "")
        assert done.json()["signature"] == by
        done = changing.run(*check, "other.pem")
        assert done.code == 33
        assert "manifest.json is not what was signed with the pinned key" in done.err
        assert changing.state() == before
        manifest.write_bytes(packaged.replace(b'"version": "1.0"', b'"version": "9.0"'))
        assert manifest.read_bytes() != packaged
        done = changing.run(*check, "key.pem")
        assert done.code == 33
        assert done.json()["error"] == "SignatureError"
    finally:
        manifest.write_bytes(packaged)
        if by == "edgecnn":
            away.rename(openssl)


def test_not_signed_at_all_where_a_key_is_pinned(changing: Pi, signed: str) -> None:
    signature = changing.root / signed.lstrip("/") / "manifest.json.sig"
    signature.unlink()
    pinned = changing.root / "opt/edgecnn/trusted.pub.pem"
    pinned.parent.mkdir()
    shutil.copy(changing.home / "key.pem", pinned)
    before = changing.state()
    done = changing.run(f"{signed}/install.sh")
    assert done.code == 33
    assert "manifest.json.sig is missing" in done.err
    assert changing.state() == before
