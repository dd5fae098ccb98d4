"""Runs artifacts, in this process or on a device, through the runner's session in both."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.devices import DeviceOptions, open_device
from edgecnn.devices.ask import Task, ask
from edgecnn.devices.facts import DeviceFacts, look, machine_facts
from edgecnn.devices.protocol import Blob, Message, nonsense, other_file, plain
from edgecnn.devices.types import Device
from edgecnn.verify.results import LOCAL
from edgecnn_runner.contract import Contract
from edgecnn_runner.machine import describe_machine
from edgecnn_runner.runtimes.choice import RUNTIMES
from edgecnn_runner.runtimes.quiet import without_native_chatter
from edgecnn_runner.session import Session

_AT_ONCE: Final = 64 * 2**20
"""Bytes of images that a device holds at a time; all of CIFAR-10's test images are fewer."""


@dataclass
class Ran:
    """What ran an artifact; known as soon as it is loaded, and None before."""

    runtime: str | None = None
    kernels: str | None = None


class Scorer(Protocol):
    """Something that runs artifacts on images."""

    device: str
    """Its address, or ``local``."""

    def machine(self) -> Mapping[str, Any]:
        """Describe the machine that it runs them on."""

    def score(
        self,
        path: Path,
        contract: Contract,
        pixels: npt.NDArray[np.uint8],
        *,
        threads: int,
        ran: Ran,
        advance: Callable[[int], None],
    ) -> npt.NDArray[np.float32]:
        """Return the probabilities of images, one inference each.

        Args:
            path: The artifact.
            contract: Its contract, or the one made for a file that carries none.
            pixels: Shape (n, height, width, channels), uint8.
            threads: Threads of the runtime.
            ran: Is told what runs it.
            advance: Is told how many images were done since the last time.

        Returns:
            float32, shape (n, classes).

        Raises:
            EdgeError: If the artifact cannot be loaded or run, or the device is lost.
        """


@contextlib.contextmanager
def scorer_on(options: DeviceOptions | None) -> Iterator[Scorer]:
    """Give what runs artifacts here, or on a device, which is asked first what it is.

    Args:
        options: The device; None for this process.

    Yields:
        The scorer.

    Raises:
        DeviceConnectionError: If the device cannot be reached.
    """
    if options is None:
        yield LocalScorer()
        return
    with open_device(options) as device:
        facts = look(device, prefix=options.prefix)
        yield DeviceScorer(device, facts, prefixes=[*facts.rooms])


class LocalScorer:
    """Runs artifacts in this process."""

    device = LOCAL

    def machine(self) -> Mapping[str, Any]:
        """Describe this machine."""
        return describe_machine()

    def score(
        self,
        path: Path,
        contract: Contract,
        pixels: npt.NDArray[np.uint8],
        *,
        threads: int,
        ran: Ran,
        advance: Callable[[int], None],
    ) -> npt.NDArray[np.float32]:
        """Return the probabilities of images, one inference each."""
        with without_native_chatter():
            session = Session.open(path, contract=_given(contract), threads=threads)
        with session:
            ran.runtime, ran.kernels = session.runtime, session.kernels
            return session.predict(pixels, advance=advance)


class DeviceScorer:
    """Runs artifacts on a device.

    The artifact, the images and the runner of this workstation go there with each artifact, and
    are gone with it; images stay in memory there, so that many go in parts.

    Args:
        device: Where.
        facts: What it is.
        prefixes: Folders of it that models are installed below: a Python that has no runtime of
            its own gets the libraries of an installed bundle.
    """

    def __init__(self, device: Device, facts: DeviceFacts, prefixes: list[str]) -> None:
        self.device = device.name
        self._device, self._facts, self._prefixes = device, facts, prefixes
        self._machine: Mapping[str, Any] = facts.machine

    def machine(self) -> Mapping[str, Any]:
        """Describe the device, with the numpy that really ran, once something has."""
        return self._machine

    def score(
        self,
        path: Path,
        contract: Contract,
        pixels: npt.NDArray[np.uint8],
        *,
        threads: int,
        ran: Ran,
        advance: Callable[[int], None],
    ) -> npt.NDArray[np.float32]:
        """Return the probabilities of images, one inference each."""
        step = max(1, _AT_ONCE // max(1, math.prod(pixels.shape[1:])))
        parts = [
            self._score(
                path,
                contract,
                pixels[begin : begin + step],
                threads=threads,
                ran=ran,
                advance=advance,
            )
            for begin in range(0, max(1, len(pixels)), step)
        ]
        return np.concatenate(parts)

    def _score(
        self,
        path: Path,
        contract: Contract,
        pixels: npt.NDArray[np.uint8],
        *,
        threads: int,
        ran: Ran,
        advance: Callable[[int], None],
    ) -> npt.NDArray[np.float32]:
        data, model_format = path.read_bytes(), contract.variant.partition("-")[0]
        given = _given(contract)
        shape = (len(pixels), len(contract.labels))
        fitting = [name for name, info in RUNTIMES.items() if info.model_format == model_format]
        task = Task(
            name="predict",
            parameters={
                "model": path.name,
                "format": model_format,
                "modules": [RUNTIMES[name].module for name in fitting],
                "threads": threads,
                "contract": None if given is None else given.to_json(),
                "shape": list(pixels.shape),
                "prefixes": self._prefixes,
            },
            blobs=[
                Blob(name=path.name, data=data),
                Blob(name="images", data=_bytes_of(pixels), memory=True),
            ],
            largest_reply=4 * shape[0] * shape[1],
            python=self._facts.python_for(fitting),
        )
        done = 0

        def heard(frame: Message) -> None:
            nonlocal done
            if frame.kind == "phase":
                ran.runtime, ran.kernels = (
                    str(plain(frame.values.get(key, "unknown"))) for key in ("runtime", "kernels")
                )
                return
            now = frame.values.get("done")
            # Never backwards, nor beyond the end, whatever the device says.
            if type(now) is int and done < now <= len(pixels):
                advance(now - done)
                done = now

        last = ask(self._device, task, heard=heard)
        advance(len(pixels) - done)
        return self._checked(last, path, shape)

    def _checked(
        self, last: Message, path: Path, shape: tuple[int, int]
    ) -> npt.NDArray[np.float32]:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if last.values.get("model_sha256") != digest:
            told = last.values.get("model_sha256")
            raise other_file(self.device, "run", path.name, observed=told, expected=digest)
        sizes = [len(blob) for blob in last.blobs]
        if sizes != [4 * shape[0] * shape[1]] or not isinstance(last.values.get("machine"), dict):
            raise nonsense(
                self.device,
                "sends scores that do not fit",
                f"bytes: {sizes}",
                expected=f"{shape[0]} times {shape[1]} scores of 4 bytes",
            )
        self._machine = machine_facts(last.values["machine"])
        return np.frombuffer(last.blobs[0], "<f4").reshape(shape).astype(np.float32)


def _given(contract: Contract) -> Contract | None:
    """Return a contract that its file does not carry; the session reads any other there."""
    return None if contract.payload_sha256 else contract


def _bytes_of(pixels: npt.NDArray[np.uint8]) -> memoryview:
    return np.ascontiguousarray(pixels).data.cast("B")
