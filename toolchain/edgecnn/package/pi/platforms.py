"""What a bundle is for: a system, its Python and C library, and a runtime that exists for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from edgecnn.errors import UsageError
from edgecnn.package.request import ANY_BUILD, PackageRequest


@dataclass(frozen=True, kw_only=True)
class System:
    """A release of the device's operating system.

    Attributes:
        name: Debian's name of it, which Raspberry Pi OS has, too.
        python: Version of its ``python3``.
        glibc: Version of its C library.
        runtimes: Keys of ``edgecnn_runner.runtimes.choice.RUNTIMES`` that exist for its Python,
            with the one to take first.
    """

    name: str
    python: str
    glibc: tuple[int, int]
    runtimes: tuple[str, ...]


SYSTEMS: Final[Mapping[str, System]] = {
    # picamera2's libraries are built against numpy 1 there, so the bundles carry 1.26, which the
    # last tflite-runtime needs as well.
    "bookworm": System(
        name="bookworm",
        python="3.11",
        glibc=(2, 36),
        runtimes=("litert", "onnxruntime", "tflite-runtime"),
    ),
    # The last tflite-runtime was built for Python 3.9 to 3.11.
    "trixie": System(
        name="trixie", python="3.13", glibc=(2, 41), runtimes=("litert", "onnxruntime")
    ),
}
"""The systems that bundles are made for."""

ARCHITECTURES: Final[Mapping[str, str]] = {"aarch64": "arm64", "x86_64": "amd64"}
"""What ``uname -m`` says to what Debian calls it. Bundles are for arm64; the same for this
workstation's processor serve its checks."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What a bundle is for.

    Attributes:
        system: The operating system.
        runtime: A key of ``edgecnn_runner.runtimes.choice.RUNTIMES``.
        architecture: A key of ``ARCHITECTURES``.
    """

    system: System
    runtime: str
    architecture: str = "aarch64"

    @property
    def python_tag(self) -> str:
        """The interpreter's tag in file names, for example ``cp311``."""
        return "cp" + self.system.python.replace(".", "")

    @property
    def lock(self) -> Path:
        """The versions and digests of its libraries, in the form of pip's requirements."""
        return Path(__file__).parent / "locks" / f"{self.system.name}-{self.runtime}.txt"

    def wheel_tags(self) -> list[str]:
        """Return the platform tags of wheels that the system can load, the newest first.

        PEP 600: ``manylinux_2_28_aarch64`` needs glibc 2.28 or newer; ``manylinux2014`` is 2.17.
        """
        major, newest = self.system.glibc
        tags = [f"manylinux_{major}_{minor}" for minor in range(newest, 16, -1)]
        return [f"{tag}_{self.architecture}" for tag in (*tags, "manylinux2014")]


def choose_platform(
    system: str, runtime: str | None, request: PackageRequest = ANY_BUILD
) -> Platform:
    """Return the platform that ``--os`` and ``--runtime`` name.

    Args:
        system: A key of ``SYSTEMS``.
        runtime: A runtime; None for the first of the system's.
        request: What was asked for, which remedies give again.

    Raises:
        UsageError: If there is no such system, or the runtime does not exist for it; it names
            those that do.
    """
    combinations = "; ".join(
        f"--os {name} with --runtime {', '.join(one.runtimes)}" for name, one in SYSTEMS.items()
    )
    chosen = SYSTEMS.get(system)
    if chosen is None:
        raise UsageError(
            f"bundles for {system} cannot be made",
            observed=f"--os {system}",
            expected=combinations,
            remedy="name the release of the device's system, which is in /etc/os-release there: "
            + "; or: ".join(
                replace(request, system=name, runtime=_kept(runtime, one)).command()
                for name, one in SYSTEMS.items()
            ),
        )
    wanted = chosen.runtimes[0] if runtime is None else runtime
    if wanted not in chosen.runtimes:
        raise UsageError(
            f"there is no {wanted} for Python {chosen.python} of {system}",
            observed=f"--os {system} --runtime {wanted}",
            expected=combinations,
            remedy=f"take what there is: {replace(request, runtime=chosen.runtimes[0]).command()}"
            + "".join(
                f"; or, for another system: {replace(request, system=name).command()}"
                for name, one in SYSTEMS.items()
                if wanted in one.runtimes
            ),
        )
    return Platform(system=chosen, runtime=wanted)


def _kept(runtime: str | None, system: System) -> str | None:
    """Return a runtime where a system has it; else None, for the system's first."""
    return runtime if runtime in system.runtimes else None
