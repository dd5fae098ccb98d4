"""Two builds in one folder: one goes on, the other says who is at work, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from command import Finished, edgecnn
from edgecnn.build.lock import LOCK_FILE

pytestmark = pytest.mark.slow

Demo = tuple[Path, Finished]

RECIPE = """
[model]
name = "{name}"
architecture = "tiny_cnn"

[data]
name = "digits"
test = 0.33

[convert]
variants = ["tflite-fp32"]

[train]
epochs = {epochs}
batch_size = 64

[limits]
max_drop = 5.0
min_agreement = 90.0
max_class_drop = 20.0
"""


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "edgecnn", *map(str, arguments)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(there: Path) -> None:
    limit = time.monotonic() + 120
    while not there.exists():
        assert time.monotonic() < limit, f"{there} did not appear"
        time.sleep(0.02)


def a_recipe(folder: Path, name: str, epochs: int) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(RECIPE.format(name=name, epochs=epochs))
    return path


def test_two_builds_at_once_in_one_folder_end_as_one_build_and_one_refusal(tmp_path: Path) -> None:
    recipes = [a_recipe(tmp_path, name, epochs=4) for name in ("one", "two")]
    out = tmp_path / "build"
    with (
        started("build", recipes[0], "--out", out) as first,
        started("build", recipes[1], "--out", out) as second,
    ):
        errors = {process: process.communicate(timeout=300)[1] for process in (first, second)}
    codes = {process: process.returncode for process in errors}
    assert sorted(codes.values()) == [0, 31], errors
    (refused,) = [process for process in errors if codes[process] == 31]
    (going,) = [process for process in errors if codes[process] == 0]
    said = errors[refused]
    assert "another edgecnn is at work in" in said
    # A process that was asked about in the moment of its start may not have said its number yet.
    assert f"process {going.pid} on " in said or "has not said its number" in said
    assert "remedy:" in said
    assert "--out FOLDER" in said
    assert not (out / LOCK_FILE).exists()
    # What is there is whole, and of the one recipe alone.
    again = edgecnn("build", recipes[[first, second].index(going)], "--out", out)
    assert again.code == 0, again.err
    for stage in ("train", "convert", "verify"):
        assert f"{stage}: up to date" in again.err


def test_a_killed_build_leaves_no_lock_and_its_training_goes_on_after_another(
    tmp_path: Path,
) -> None:
    out = tmp_path / "build"
    long, short = a_recipe(tmp_path, "long", epochs=300), a_recipe(tmp_path, "short", epochs=1)
    with started("train", long, "--out", out) as process:
        wait_for(out / "checkpoint")
        while not list(out.glob("checkpoint/*/epoch-*.npz")):
            time.sleep(0.02)
        assert edgecnn("verify", out).code == 29  # no build yet, and reading needs no lock
        refused = edgecnn("train", short, "--out", out)
        assert refused.code == 31, refused.err
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (out / LOCK_FILE).exists()
    done = edgecnn("train", short, "--out", out)
    assert done.code == 0, done.err
    assert "starting afresh" in done.err
    # Trying something short out does not cost what the long one has done.
    with started("train", long, "--out", out) as process:
        assert process.stderr is not None
        assert any("resuming after epoch" in line for line in process.stderr)


def test_readers_do_not_mind_a_writer(demo: Demo) -> None:
    folder, _ = demo
    code = (
        "import sys; from pathlib import Path; from edgecnn.build.lock import build_lock\n"
        "with build_lock(Path(sys.argv[1])):\n    print('has it', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"has it\n"
            artifact = folder / "digits-int8.tflite"
            assert edgecnn("inspect", artifact).code == 0
            assert edgecnn("run", artifact, folder / "sample.png").code == 0
            for arguments in (("verify", folder), ("convert", folder), ("demo", "--out", folder)):
                done = edgecnn(*arguments)
                assert done.code == 31, done.err
                assert f"kill {holder.pid}" in done.err
        finally:
            holder.kill()
