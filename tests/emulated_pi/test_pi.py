"""Is the emulated Raspberry Pi what the other tests take it for?"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from emulated_pi.pi import CORES, Pi

pytestmark = [pytest.mark.slow, pytest.mark.emulated_pi]

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()
except OSError as error:
    sys.exit(f"{type(error).__name__} {error.errno}")
print("connected")
"""

# What a core says that it is, from its own register, which no file of the kernel can change.
REGISTER = """
import ctypes, json, mmap, platform, struct, sys
code = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
code.write(struct.pack("<II", 0xD5380000, 0xD65F03C0))  # mrs x0, midr_el1; ret
call = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
print(json.dumps({
    "midr": call(), "machine": platform.machine(), "bits": struct.calcsize("P") * 8,
    "python": sys.version_info[:2],
    "cpuinfo": open("/proc/cpuinfo").read(), "hwcap": ctypes.CDLL(None).getauxval(16),
}))
"""

# Linux' names of the bits of AT_HWCAP on arm64, from the lowest (asm/hwcap.h).
HWCAPS = (
    "fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32", "atomics", "fphp",
    "asimdhp", "cpuid", "asimdrdm", "jscvt", "fcma", "lrcpc", "dcpop", "sha3", "sm3", "sm4",
    "asimddp",
)  # fmt: skip


@pytest.mark.parametrize("cpu", CORES)
def test_it_computes_as_the_core_that_its_files_name(fresh: Pi, cpu: str) -> None:
    done = fresh.run("python3", "-c", REGISTER, cpu=cpu)
    found = json.loads(done.out)
    assert (found["machine"], found["bits"]) == ("aarch64", 64)
    assert found["python"] == {"bookworm": [3, 11], "trixie": [3, 13]}[fresh.suite]
    assert f"{found['midr']:#x}" == f"{CORES[cpu].midr:#x}"
    assert found["cpuinfo"] == CORES[cpu].cpuinfo()
    features = [name for bit, name in enumerate(HWCAPS) if found["hwcap"] >> bit & 1]
    assert features == CORES[cpu].features.split()


def test_it_has_no_network(fresh: Pi) -> None:
    """The same program connects outside of the tree, so it could tell."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        port = str(server.getsockname()[1])
        here = [sys.executable, "-c", CONNECT, "127.0.0.1", port]
        done = subprocess.run(here, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "connected\n")
        # 101 is ENETUNREACH: the loopback is down, too. 192.0.2.1 is nobody's (RFC 5737).
        for host in ("127.0.0.1", "192.0.2.1"):
            found = fresh.run("python3", "-c", CONNECT, host, port)
            assert (found.code, found.err) == (1, "OSError 101\n")
    names = fresh.run("cat", "/proc/net/dev").out.splitlines()[2:]
    assert [name.split(":")[0].strip() for name in names] == ["lo"]


def test_nothing_outlives_a_command(fresh: Pi) -> None:
    done = fresh.run("sh", "-c", "sleep 4321 & echo started")
    assert (done.code, done.out) == (0, "started\n")
    assert fresh.run("sh", "-c", "exit 34").code == 34
    assert fresh.run("sh", "-c", "kill -9 $$").code == 128 + 9
    with pytest.raises(subprocess.TimeoutExpired):
        fresh.run("sleep", "4321", timeout=1)
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in running if b"4321" in line]
    assert str(fresh.root) not in Path("/proc/self/mountinfo").read_text()
    assert not list((fresh.root / "proc").iterdir())
