from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from onnx import save_model

from edgecnn.convert.memory import available_bytes, memory_warning, needed_bytes
from edgecnn.convert.source.paths import Source
from graph.onnx_files import float_cnn

GB = 10**9


def a_machine(root: Path, *, available_gb: float, swap_gb: float = 0) -> Path:
    """Make the files by which Linux tells of its memory."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(
        f"MemTotal:       99999999 kB\nMemAvailable:   {int(available_gb * GB / 1024)} kB\n"
        f"SwapFree:       {int(swap_gb * GB / 1024)} kB\nHugePages_Total:       0\n"
    )
    return root


def write_group(root: Path, group: str, limit: str, used: str, inactive: int = 0) -> None:
    """Make a control group of version 2."""
    place = root / "sys/fs/cgroup" / group
    place.mkdir(parents=True, exist_ok=True)
    (place / "memory.max").write_text(f"{limit}\n")
    (place / "memory.current").write_text(f"{used}\n")
    (place / "memory.stat").write_text(f"anon 5\ninactive_file {inactive}\n")


def source_of(path: Path) -> Source:
    return Source(path=path, kind="keras", origin="foreign", name="m", sha256="0")


@pytest.fixture
def large(tmp_path: Path) -> Source:
    """A source of 100 MB, of which nothing is written."""
    path = tmp_path / "m.keras"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    return source_of(path)


def test_free_memory_and_swap_count(tmp_path: Path) -> None:
    root = a_machine(tmp_path, available_gb=3, swap_gb=1)
    assert available_bytes(root) == pytest.approx(4 * GB, abs=4096)


def test_where_the_system_does_not_tell_nothing_is_said(tmp_path: Path, large: Source) -> None:
    assert available_bytes(tmp_path) is None
    assert memory_warning(large, tmp_path) is None


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    root = a_machine(tmp_path, available_gb=30)
    (root / "proc/self/cgroup").write_text("0::/a/b\n")
    write_group(root, ".", "max", "1")
    write_group(root, "a", str(4 * GB), str(3 * GB), inactive=GB)
    write_group(root, "a/b", "max", "5")
    assert available_bytes(root) == 2 * GB


def test_a_container_sees_its_own_group_as_the_root(tmp_path: Path) -> None:
    root = a_machine(tmp_path, available_gb=30)
    (root / "proc/self/cgroup").write_text("0::/docker/0123\n")
    write_group(root, ".", str(GB), "1000")
    assert available_bytes(root) == GB - 1000


def test_groups_of_version_1_count(tmp_path: Path) -> None:
    root = a_machine(tmp_path, available_gb=30)
    (root / "proc/self/cgroup").write_text("5:cpu,cpuacct:/x\n4:memory:/x\n0::/\nnonsense\n")
    place = root / "sys/fs/cgroup/memory/x"
    place.mkdir(parents=True)
    (place / "memory.limit_in_bytes").write_text(f"{GB}\n")
    (place / "memory.usage_in_bytes").write_text(f"{GB // 4}\n")
    assert available_bytes(root) == GB - GB // 4
    (place / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert available_bytes(root) == pytest.approx(30 * GB, abs=4096)


def test_enough_memory_is_not_mentioned(tmp_path: Path, large: Source) -> None:
    root = a_machine(tmp_path / "root", available_gb=4)
    assert needed_bytes(100_000_000, "keras") < 4 * GB
    assert memory_warning(large, root) is None


def test_a_shortage_is_told_with_what_helps(tmp_path: Path, large: Source) -> None:
    root = a_machine(tmp_path / "root", available_gb=2)
    said = memory_warning(large, root)
    assert said is not None
    assert "100.00 MB of weights take about 3.00 GB, and 2.00 GB are free" in said
    assert "swap" in said


def test_a_small_network_is_never_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "small.keras"
    path.write_bytes(b"0" * 1000)
    root = a_machine(tmp_path / "root", available_gb=0.1)
    assert memory_warning(source_of(path), root) is None
    assert memory_warning(source_of(tmp_path / "gone"), root) is None


def test_weights_in_other_files_count(tmp_path: Path) -> None:
    save_model(
        float_cnn(), tmp_path / "m.onnx", save_as_external_data=True, location="m.data",
        size_threshold=0, all_tensors_to_one_file=True,
    )  # fmt: skip
    with (tmp_path / "m.data").open("r+b") as file:
        file.truncate(200_000_000)
    network = dataclasses.replace(source_of(tmp_path / "m.onnx"), kind="onnx")
    folder = dataclasses.replace(source_of(tmp_path / "saved"), kind="saved_model")
    (tmp_path / "saved/variables").mkdir(parents=True)
    with (tmp_path / "saved/variables/variables.data").open("wb") as file:
        file.truncate(200_000_000)
    root = a_machine(tmp_path / "root", available_gb=1)
    for source in (network, folder):
        said = memory_warning(source, root)
        assert said is not None
        assert "200.00 MB" in said


@pytest.fixture
def limited_group() -> Iterator[Path]:
    """A control group of this system with a limit of 1 GB, in which a test's process runs."""
    version_2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    place = Path("/sys/fs/cgroup") / ("" if version_2 else "memory")
    group = place / f"edgecnn-test-{uuid.uuid4().hex}"
    limit = "memory.max" if version_2 else "memory.limit_in_bytes"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no right to make a control group")
    try:
        try:
            (group / limit).write_text(str(GB))
        except OSError:
            pytest.skip("control groups do not limit memory here")
        yield group
    finally:
        group.rmdir()


def test_a_real_limit_is_seen(limited_group: Path) -> None:
    program = (
        "import os, sys\n"
        "open(sys.argv[1] + '/cgroup.procs', 'w').write(str(os.getpid()))\n"
        "from edgecnn.convert.memory import available_bytes\n"
        "print(available_bytes())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(limited_group)],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    assert 0 < int(done.stdout) < GB
