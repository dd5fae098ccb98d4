"""A process of its own that measures: how it starts, how long runs take, images, a steady load.

It is started by ``bench_children`` and ends with what it was asked. While it measures it says
nothing but a byte now and then, which tells what it is at: should it die, that is known.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.devices.on_device.raw_model import RawModel
from edgecnn_runner.errors import ContractError
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.session import Session

if TYPE_CHECKING:
    import numpy.typing as npt

    from edgecnn_runner.contract import Contract

LONGEST_STEP_S = 120
"""What takes longer, a run or the loading of a file, hangs: the kernel ends the process."""

_IMAGE_RUNS = 30
_IMAGE_S = 0.3
_HASH = 2654435761  # Knuth's multiplicative hash, The Art of Computer Programming, 6.4


def main(asked: Mapping[str, Any]) -> None:
    """Do what is asked, and end.

    Args:
        asked: ``mode`` (``start``, ``times``, ``images`` or ``sustain``), and what that wants.
    """
    # Runtimes chat on standard output.
    out = os.dup(1)
    os.dup2(2, 1)
    signal.alarm(LONGEST_STEP_S)
    modes = {"start": _start, "times": _times, "images": _images, "sustain": _sustain}
    modes[asked["mode"]](asked, out)
    sys.stderr.flush()
    os._exit(0)  # not by way of the runtimes' own clean-up


def test_image(contract: Contract) -> npt.NDArray[np.uint8]:
    """Return an image of the model's size that looks like noise, the same each time.

    By arithmetic, since numpy's generators take longer to import than many models to load.
    """
    spec = contract.input
    shape = (spec.height, spec.width, spec.channels)
    numbers = np.arange(spec.height * spec.width * spec.channels, dtype=np.uint32)
    return ((numbers * np.uint32(_HASH)) >> np.uint32(24)).astype(np.uint8).reshape(shape)


def opened(file: str, *, threads: int, runtime: str) -> tuple[Session | RawModel, Any]:
    """Load a file; return it with what to call its ``classify`` with.

    One with a contract takes an image. One without is no image classifier: others are sent with a
    contract that stands in for theirs. It takes an array for each of its inputs.
    """
    try:
        session = Session.open(file, threads=threads, runtime=runtime)
    except ContractError:  # to look before would cost each start of the others
        if read_container(file).contract is not None:
            raise
        raw = RawModel(file, threads=threads, runtime=runtime)
        return raw, raw.values
    return session, test_image(session.contract)


def _error(error: Exception) -> dict[str, Any]:
    to_dict = getattr(error, "to_dict", None)
    if to_dict is not None:
        told: dict[str, Any] = to_dict()
        return told
    memory = isinstance(error, MemoryError)
    return {
        "error": "DeviceError",
        "problem": "the device has too little memory for it"
        if memory
        else "the runtime fails with this file",
        "observed": f"{type(error).__name__}: {error}"[:500],
        "expected": "a class and its score",
        "remedy": "take a smaller variant"
        if memory
        else "look at its words; another runtime or variant may do",
    }


def _peak_memory_bytes() -> int | None:
    """Return the most memory that this program has had resident.

    By VmHWM, which begins anew with each program: ``getrusage`` carries over what the process had
    before, that is the size of the one that started it.
    """
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        parts = line.split()
        if parts[:1] == ["VmHWM:"] and len(parts) == 3 and parts[1].isdigit():
            return int(parts[1]) * 1024
    from edgecnn_runner.machine import peak_memory_bytes

    return peak_memory_bytes()


def _start(asked: Mapping[str, Any], out: int) -> None:
    """Load one file and classify one image; a byte says that it is done, then JSON what it took."""
    try:
        session, image = opened(asked["file"], threads=asked["threads"], runtime=asked["runtime"])
        begin = time.perf_counter_ns()
        session.classify(image)
        first_ns = time.perf_counter_ns() - begin
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        os.write(out, b"!" + json.dumps({"error": _error(error)}).encode())
        return
    os.write(out, b".")
    told = {
        "first_ns": first_ns,
        "load_ns": session.load_ns,
        "peak_memory_bytes": _peak_memory_bytes(),
        "runtime": session.runtime,
        "kernels": session.kernels,
    }
    os.write(out, json.dumps(told).encode())


def _times(asked: Mapping[str, Any], out: int) -> None:
    """Time files in turn; a byte says which one it is at, and the result goes into a file."""
    from edgecnn.devices.on_device.bench_rounds import (
        Contender,
        measure_in_turn,
        settle,
        warm_up,
    )

    def beat(index: int) -> None:
        signal.alarm(LONGEST_STEP_S)
        os.write(out, bytes([index]))

    sessions: list[Session | RawModel | None] = []
    contenders: list[Contender] = []
    for index, one in enumerate(asked["entries"]):
        beat(index)
        session = None
        contender = Contender(_nothing, None)
        try:
            session, fed = opened(one["file"], threads=asked["threads"], runtime=one["runtime"])
            contender = Contender(session.classify, fed)
        except Exception as error:  # noqa: BLE001
            contender.error = error
        sessions.append(session)
        contenders.append(contender)
    gc.collect()
    gc.disable()
    between: Callable[[], object] = settle if asked["threads"] > 1 else _nothing
    for index, contender in enumerate(contenders):
        if contender.error is None:
            try:
                between()
                warm_up(contender, beat=lambda index=index: beat(index))  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001
                contender.error = error
    measure_in_turn(
        contenders,
        runs=asked["runs"],
        seconds=asked["seconds"],
        seed=asked["seed"],
        beat=beat,
        between=between,
    )
    signal.alarm(LONGEST_STEP_S)
    told = []
    for index, (contender, session) in enumerate(zip(contenders, sessions, strict=True)):
        samples = np.array([s for turn in contender.turns for s in turn], "<u8")
        Path(f"{asked['result']}.{index}").write_bytes(samples.tobytes())
        told.append(
            {
                "turns": [len(turn) for turn in contender.turns],
                "warmup": contender.warmup,
                "stable": contender.stable,
                "kernels": "unknown" if session is None else session.kernels,
                "error": None if contender.error is None else _error(contender.error),
            }
        )
    Path(asked["result"]).write_text(json.dumps(told), encoding="utf-8")


def _nothing(*_: object) -> None:
    pass


def _images(asked: Mapping[str, Any], out: int) -> None:
    """Time the decoding of an image file, and the way from its pixels to each model's input."""
    from edgecnn_runner.images.preprocess import prepare

    told: dict[str, Any] = {"decode_ns": [], "preprocess_ns": []}
    data = Path(asked["picture"]).read_bytes()
    try:
        from edgecnn_runner.images.decode import read_image
    except ImportError:  # no Pillow: pixels of the same size then
        height, width = asked["size"]
        pixels = (np.arange(height * width * 3, dtype=np.uint32) * np.uint32(_HASH)) >> np.uint32(
            24
        )
        rgb = pixels.astype(np.uint8).reshape(height, width, 3)
    else:
        rgb = read_image(data)
        told["decode_ns"] = _repeated(lambda: read_image(data))
    for height, width, channels, rule in asked["inputs"]:
        bring = functools.partial(
            prepare, rgb, height=height, width=width, channels=channels, rule=rule
        )
        signal.alarm(LONGEST_STEP_S)
        told["preprocess_ns"].append(_repeated(bring))
    Path(asked["result"]).write_text(json.dumps(told), encoding="utf-8")
    os.write(out, b".")


def _repeated(work: Callable[[], object]) -> list[int]:
    """Time something at least 30 times and 0.3 s long, after three times that are not counted."""
    for _ in range(3):
        work()
    samples: list[int] = []
    while len(samples) < _IMAGE_RUNS or sum(samples) < _IMAGE_S * 1e9:
        begin = time.perf_counter_ns()
        work()
        samples.append(time.perf_counter_ns() - begin)
    return samples


def _sustain(asked: Mapping[str, Any], out: int) -> None:
    """Run one file without pause; a line of JSON for each second."""
    session, image = opened(asked["file"], threads=asked["threads"], runtime=asked["runtime"])
    classify: Callable[[Any], object] = session.classify
    clock = time.perf_counter_ns
    gc.disable()
    end = clock() + int(asked["seconds"] * 1e9)
    while (begin := clock()) < end:
        signal.alarm(LONGEST_STEP_S)
        samples: list[int] = []
        while clock() - begin < 1_000_000_000:
            started = clock()
            classify(image)
            samples.append(clock() - started)
        samples.sort()
        told = {
            "n": len(samples),
            "median_ns": samples[(len(samples) - 1) // 2],
            "p90_ns": samples[max(0, -(-9 * len(samples) // 10) - 1)],
        }
        os.write(out, json.dumps(told).encode() + b"\n")
