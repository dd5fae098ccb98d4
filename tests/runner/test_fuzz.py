"""Damaged model files give a result or a typed error, and never end the process.

Each damaged file is opened and run in a worker process; one that dies, hangs or says anything
else is a failure that names the seed and the case.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

import edgecnn_runner
from edgecnn_runner import errors
from edgecnn_runner.formats.container import read_container
from runner.fixture_files import FIXTURES, FOREIGN, HAS_ONNX, HAS_TFLITE

OURS = ["rgb-int8.tflite", "rgb-fp32.tflite", "rgb-int8.onnx", "rgb-fp32.onnx"]
# -1, 0, and the ends of 32-bit integers.
WORDS = [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80"]
ANSWERS = {"RESULT", *errors.__all__} - {"EdgeError"}


def runnable(names: list[str]) -> list[str]:
    have = {"tflite": HAS_TFLITE, "onnx": HAS_ONNX}
    return [name for name in names if have[name.rpartition(".")[2]]]


def damage(data: bytes, rng: random.Random, start: int, end: int, other: bytes) -> bytes:
    """Flip, overwrite, splice or cut ``data`` somewhere between ``start`` and ``end``."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 8])):
        at = rng.randrange(start, end)
        kind = rng.random()
        if kind < 0.55:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind < 0.75:
            word = rng.choice(
                [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80"]
            )
            changed[at : at + 4] = word
        elif kind < 0.85:
            length = rng.randrange(1, 64)
            source = rng.randrange(len(other))
            changed[at : at + length] = other[source : source + length]
        elif kind < 0.95:
            changed[at] = rng.randrange(256)
        else:
            del changed[max(at, 9) :]
            break
        end = min(end, len(changed))
        if start >= end:
            break
    return bytes(changed)


class Worker:
    """The worker process, made again after it died."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "model.bin"
        self.process: subprocess.Popen[str] | None = None

    def answer(self, data: bytes, input_range: str) -> str:
        self.file.write_bytes(data)
        if self.process is None:
            self.process = self.start()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{self.file} {input_range}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().strip()
        if line:
            return line
        code = self.process.wait(timeout=30)
        self.close()
        return f"the process ended with {code}"

    def start(self) -> subprocess.Popen[str]:
        package, tests = Path(edgecnn_runner.__file__).parents[1], Path(__file__).parents[1]
        return subprocess.Popen(
            [sys.executable, "-m", "runner.fuzz_worker"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(package), str(tests)])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def close(self) -> None:
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            _close(stream)
        self.process = None


def _close(stream: IO[str] | None) -> None:
    assert stream is not None
    # What it held for a worker that died cannot be delivered any more.
    with suppress(BrokenPipeError):
        stream.close()


@contextmanager
def worker(folder: Path) -> Iterator[Worker]:
    made = Worker(folder)
    try:
        yield made
    finally:
        made.close()


def fuzz_ours(folder: Path, seed: int, count: int) -> Counter[str]:
    """Damage files with a contract: in the model, in the contract, and anywhere."""
    rng, seen = random.Random(seed), Counter[str]()
    names = runnable(OURS)
    with worker(folder) as runner:
        for case in range(count):
            name, other = names[case % len(names)], rng.choice(names)
            data, splice = ((FIXTURES / each).read_bytes() for each in (name, other))
            border = read_container(FIXTURES / name).payload_size
            places = [(0, border), (border, len(data)), (0, len(data))]
            start, end = places[case // len(names) % 3]
            answer = runner.answer(damage(data, rng, start, end, splice), "-")
            assert answer in ANSWERS, f"{name}, seed {seed}, case {case}: {answer}"
            seen[answer] += 1
    return seen


def fuzz_foreign(folder: Path, seed: int, count: int) -> Counter[str]:
    """Damage files without a contract, which only a trial run can tell from sound ones.

    A damaged one is to be refused by what looks at it or by the runtime. A crash of the trial's
    process is a failure here, though a user would see a typed error.
    """
    rng, seen = random.Random(seed), Counter[str]()
    names = runnable([*FOREIGN])
    with worker(folder) as runner:
        for case in range(count):
            name, other = names[case % len(names)], rng.choice(names)
            data, splice = ((FIXTURES / each).read_bytes() for each in (name, other))
            damaged = damage(data, rng, 0, len(data), splice)
            answer = runner.answer(damaged, FOREIGN[name][0])
            assert answer in ANSWERS, f"{name}, seed {seed}, case {case}: {answer}"
            seen[answer] += 1
    return seen


def test_damaged_files_with_a_contract_are_refused(tmp_path: Path) -> None:
    seen = fuzz_ours(tmp_path, seed=1, count=400)
    # What still gives a result was damaged where nothing is said: dates in the archive.
    assert seen["RESULT"] < 0.1 * seen.total()
    assert seen["ArtifactError"] > 50
    assert seen["ContractError"] > 50


@pytest.mark.slow
def test_damaged_foreign_files_give_a_result_or_a_typed_error(tmp_path: Path) -> None:
    seen = fuzz_foreign(tmp_path, seed=2, count=40)
    assert seen["RESULT"] > 0
    assert seen["ArtifactError"] > 0


@pytest.mark.slow
@pytest.mark.long
def test_many_damaged_files_give_a_result_or_a_typed_error(tmp_path: Path) -> None:
    fuzz_ours(tmp_path, seed=3, count=6000)
    seen = fuzz_foreign(tmp_path, seed=4, count=400)
    assert seen["RESULT"] > 0
    assert seen["ArtifactError"] > 0


def test_a_worker_that_dies_is_noticed(tmp_path: Path) -> None:
    with worker(tmp_path) as runner:
        sound = (FIXTURES / OURS[0]).read_bytes()
        assert runner.answer(sound, "-") in {"RESULT", "RuntimeMissingError"}
        assert runner.process is not None
        runner.process.kill()
        runner.process.wait()
        with pytest.raises((AssertionError, BrokenPipeError)):
            assert runner.answer(sound, "-") in ANSWERS
