"""A Raspberry Pi without the board: Debian's arm64 system in a folder, its programs run by QEMU.

The tree comes from ``.ci/make-pi-tree``. A command in it runs as root of a chroot, in namespaces
of its own: no network, no mounts and no processes outlive it. What it computes is what an arm64
processor computes; how long it takes says nothing of a board, and is never reported.

QEMU gives a program the instructions of the core that ``QEMU_CPU`` names, but the kernel beneath
shows it the workstation's /proc/cpuinfo and /sys. LiteRT's choice of kernels goes by those: with
the workstation's it crashes, and with none it runs without XNNPACK. So both say here what they
say on a board with that core, but for its number of cores, which is the workstation's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from command import Finished

_HARNESS_FAILED: Final = 125

SHOWN_AT: Final = Path("/mnt")
"""Where a server sees the tree as ``Pi.shown_by`` has it: each folder above is root's alone."""

# $1 is the tree, $2 its /proc/cpuinfo, $3 the number of the last core.
_HARDWARE: Final = """
{
    mount -t proc proc "$1/proc"
    mount --bind "$2" "$1/proc/cpuinfo"
    mount -t tmpfs -o mode=755,size=64k tmpfs "$1/sys"
    mkdir -p "$1/sys/devices/system/cpu"
    echo "0-$3" >"$1/sys/devices/system/cpu/possible"
    echo "0-$3" >"$1/sys/devices/system/cpu/present"
    mount -o remount,ro "$1/sys"
} || exit 125
"""
# Its own shell is the first process of the namespace: that one is shielded from signals, and
# with its end all others end.
_ENTER: Final = f"""{_HARDWARE}
root=$1; shift 3
chroot "$root" "$@"
exit $?
"""
_SHOW: Final = f"""
mount --bind "$1" {SHOWN_AT} || exit 125
cpuinfo=$2 last=$3; shift 3
set -- {SHOWN_AT} "$cpuinfo" "$last" "$@"
{_HARDWARE}
shift 3
exec "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Core:
    """A processor core as it identifies itself.

    Attributes:
        boards: Which Raspberry Pis have it.
        variant: Major revision.
        part: Arm's number of the design.
        revision: Minor revision.
        features: What Linux calls the instructions that QEMU gives it.
    """

    boards: str
    variant: int
    part: int
    revision: int
    features: str

    @property
    def midr(self) -> int:
        """Its main identification register (Arm ARM, MIDR_EL1)."""
        return 0x41 << 24 | self.variant << 20 | 0xF << 16 | self.part << 4 | self.revision

    def cpuinfo(self) -> str:
        """Return what /proc/cpuinfo says on arm64 of as many cores as there are here."""
        lines = (
            "BogoMIPS\t: 108.00",
            f"Features\t: {self.features}",
            "CPU implementer\t: 0x41",
            "CPU architecture: 8",
            f"CPU variant\t: {self.variant:#x}",
            f"CPU part\t: {self.part:#x}",
            f"CPU revision\t: {self.revision}",
        )
        count = os.cpu_count() or 1
        return "".join(
            "\n".join((f"processor\t: {number}", *lines)) + "\n\n" for number in range(count)
        )


_V8: Final = "fp asimd aes pmull sha1 sha2 crc32 cpuid"
CORES: Final[Mapping[str, Core]] = {
    "cortex-a53": Core(boards="3, Zero 2 W", variant=0, part=0xD03, revision=4, features=_V8),
    "cortex-a72": Core(boards="4", variant=0, part=0xD08, revision=3, features=_V8),
    "cortex-a76": Core(
        boards="5",
        variant=4,
        part=0xD0B,
        revision=1,
        features="fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc "
        "dcpop asimddp",
    ),
}
"""QEMU's names of the cores to what they are."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A program that runs in the tree."""

    process: subprocess.Popen[str]

    def signal(self, number: signal.Signals) -> None:
        """Send the program a signal; it must have shown that it runs."""
        os.kill(_program(self.process.pid), number)

    def finish(self, timeout: float = 60) -> Finished:
        """Wait for its end."""
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.cut_off()
            raise
        return Finished(self.process.returncode, out, err)

    def cut_off(self) -> None:
        """End everything at once, as a power cut does."""
        self.process.kill()  # the first process of the namespace goes with it, and all others
        self.process.communicate()


@dataclass(frozen=True, kw_only=True)
class Pi:
    """A Raspberry Pi.

    Attributes:
        root: Its file system; may be read and changed from here while nothing runs in it.
        suite: Debian's name of its system.
    """

    root: Path
    suite: str

    @property
    def home(self) -> Path:
        """The folder that commands are run in."""
        return self.root / "root"

    def start(self, *command: str | Path, cpu: str = "cortex-a72") -> Running:
        """Start a program in the tree.

        Args:
            command: Paths in it are those of the tree.
            cpu: A key of ``CORES``.
        """
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "QEMU_CPU": cpu,
        }
        inside = ["/usr/bin/env", "--chdir=/root", *map(str, command)]
        process = subprocess.Popen(
            [*_NAMESPACES, *self._script(_ENTER, cpu), *inside],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        return Running(process=process)

    def run(self, *command: str | Path, cpu: str = "cortex-a72", timeout: float = 120) -> Finished:
        """Run a program in the tree, and wait for its end.

        Args:
            command: Paths in it are those of the tree.
            cpu: A key of ``CORES``.
            timeout: Seconds after which it, and what it started, is killed.
        """
        done = self.start(*command, cpu=cpu).finish(timeout)
        if done.code == _HARNESS_FAILED:
            raise RuntimeError(f"the tree cannot be entered: {done.err}")
        return done

    def shown_by(self, cpu: str = "cortex-a72") -> list[str]:
        """Return the command that shows the tree at ``SHOWN_AT`` to what its arguments start.

        Only those see it there. They are given no other namespaces: a server can be reached.
        """
        return ["unshare", "--mount", *self._script(_SHOW, cpu)]

    def _script(self, text: str, cpu: str) -> list[str]:
        cpuinfo = self.root.parent / f"{self.root.name}.{cpu}"
        cpuinfo.write_text(CORES[cpu].cpuinfo())
        last = (os.cpu_count() or 1) - 1
        return ["sh", "-euc", text, "pi", str(self.root), str(cpuinfo), str(last)]

    @contextlib.contextmanager
    def copied(self) -> Iterator[Pi]:
        """Have a Pi of the same state for a while, to be changed."""
        with tempfile.TemporaryDirectory(prefix="edgecnn-pi-") as folder:
            root = Path(folder) / "tree"
            subprocess.run(["cp", "-a", "--reflink=auto", self.root, root], check=True)
            yield Pi(root=root, suite=self.suite)

    def state(self) -> dict[str, tuple[object, ...]]:
        """Return all that lies in the tree: kind, rights, owner, and size and time or target."""
        found: dict[str, tuple[object, ...]] = {}
        for path in self.root.rglob("*"):
            status = path.lstat()
            found[str(path.relative_to(self.root))] = (
                status.st_mode,
                status.st_uid,
                status.st_gid,
                *(() if stat.S_ISDIR(status.st_mode) else (status.st_size, status.st_mtime_ns)),
                *((path.readlink(),) if stat.S_ISLNK(status.st_mode) else ()),
            )
        return found


_NAMESPACES: Final = (
    "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child=KILL",
)  # fmt: skip


def _program(outermost: int) -> int:
    """Return the process of a command in the tree, given that of ``unshare``."""
    (first,) = _children(outermost)
    (command,) = _children(first)
    return command


def _children(process: int) -> list[int]:
    return [
        int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]


def tree_of(suite: str) -> Path:
    """Return where ``.ci/make-pi-tree`` puts the tree of a Debian."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "edgecnn/trees" / f"{suite}-arm64.tar"


def why_not() -> str | None:
    """Return why arm64 programs cannot be run in a tree here, and the remedy; None if they can."""
    machine = os.uname().machine
    if machine != "x86_64":
        return f"the emulator is for x86-64, and this is {machine}"
    if os.geteuid() != 0:
        return "only root can enter a tree of another processor: run the tests as root"
    packages = {
        "qemu-aarch64-static": "qemu-user-static", "update-binfmts": "binfmt-support",
        "unshare": "util-linux", "chroot": "coreutils", "tar": "tar",
    }  # fmt: skip
    missing = [package for tool, package in packages.items() if shutil.which(tool) is None]
    if missing:
        return f"missing here: apt install {' '.join(missing)}"
    try:
        handler = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").read_text()
    except OSError:
        handler = "not there"
    if not handler.startswith("enabled"):
        return (
            "the kernel does not start arm64 programs: mount -t binfmt_misc binfmt_misc "
            "/proc/sys/fs/binfmt_misc; update-binfmts --enable qemu-aarch64"
        )
    done = subprocess.run([*_NAMESPACES, "true"], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"no namespaces here: {done.stderr.strip()}"


@contextlib.contextmanager
def unpacked(suite: str) -> Iterator[Pi]:
    """Have a Pi with a fresh system for a while."""
    with tempfile.TemporaryDirectory(prefix="edgecnn-pi-") as folder:
        root = Path(folder) / "tree"
        root.mkdir(mode=0o755)
        command: Sequence[str | Path] = (
            "tar", "--extract", "--numeric-owner", "--xattrs", "--preserve-permissions",
            "--file", tree_of(suite), "--directory", root,
        )  # fmt: skip
        subprocess.run(command, check=True)
        yield Pi(root=root, suite=suite)
