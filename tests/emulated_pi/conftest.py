"""Raspberry Pis for tests; where there can be none, the tests are skipped and say why.

On bookworm, unless EDGECNN_PI_SUITES names more: EDGECNN_PI_SUITES=bookworm,trixie. To have all
that is needed: apt install qemu-user-static binfmt-support debootstrap, and, as root,
``.ci/make-pi-tree bookworm``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from emulated_pi.bundles import Bundles, put
from emulated_pi.pi import Pi, tree_of, unpacked, why_not


def suites() -> list[str]:
    """Return the systems to test on."""
    return os.environ.get("EDGECNN_PI_SUITES", "bookworm").split(",")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "suite" in metafunc.fixturenames:
        metafunc.parametrize("suite", suites(), scope="session")


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    return Bundles(tmp_path_factory)


@pytest.fixture(scope="session")
def fresh(suite: str) -> Iterator[Pi]:
    """A Pi as its system was installed; not to be changed, but for home and /tmp."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    if not tree_of(suite).exists():
        reason = f"{tree_of(suite)} is not there; make it, as root: .ci/make-pi-tree {suite}"
        # Where everything else is there, nobody would see that these tests have stopped running.
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with unpacked(suite) as pi:
        yield pi


@pytest.fixture
def pi(fresh: Pi) -> Iterator[Pi]:
    """A Pi to change."""
    with fresh.copied() as copy:
        yield copy


@pytest.fixture(scope="session")
def with_1(fresh: Pi, bundles: Bundles) -> Iterator[Pi]:
    """A Pi on which version 1.0 is installed; not to be changed."""
    with fresh.copied() as pi:
        folder = put(bundles.made("1.0", system=pi.suite, signed=True), pi)
        done = pi.run(f"{folder}/install.sh")
        assert done.code == 0, done.err
        shutil.rmtree(pi.root / folder.lstrip("/"))
        yield pi


@pytest.fixture
def installed(with_1: Pi) -> Iterator[Pi]:
    """A Pi on which version 1.0 is installed, to change."""
    with with_1.copied() as copy:
        yield copy
