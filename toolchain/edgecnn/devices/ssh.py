"""``ssh://`` devices, by asyncssh; its one user in the whole program, with its two helpers."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgecnn.devices.address import Address
from edgecnn.devices.ssh_connect import connect
from edgecnn.devices.types import LOADER, Completed, PythonCall, StderrTail
from edgecnn.errors import DeviceConnectionError

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection, SSHClientProcess

_CHUNK: Final = 1 << 16
_LOOK_S: Final = 0.5
_CLOSE_S: Final = 5.0


class SshDevice:
    """See ``types.Device``. Connects when something is asked of it, and again when that was lost.

    Args:
        address: An ``ssh`` address.
        identity: A private key; None for the agent's and the default ones.
        known_hosts: The file of known host keys; None for the user's and the system's.
    """

    def __init__(
        self, address: Address, *, identity: Path | None, known_hosts: Path | None
    ) -> None:
        self.name = address.text
        self._address, self._identity, self._known_hosts = address, identity, known_hosts
        self._runner: asyncio.Runner | None = None
        self._connection: SSHClientConnection | None = None

    def run_python(self, call: PythonCall) -> Completed:
        """See ``types.Device``."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(self._run(call))

    def close(self) -> None:
        """See ``types.Device``."""
        if self._runner is not None:
            with contextlib.suppress(Exception):  # it may be lost already
                self._runner.run(self._disconnect())
            self._runner.close()
        self._runner = self._connection = None

    async def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            await asyncio.wait_for(self._connection.wait_closed(), _CLOSE_S)

    async def _run(self, call: PythonCall) -> Completed:
        import asyncssh

        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(
                self._address, identity=self._identity, known_hosts=self._known_hosts
            )
        command = shlex.join([call.python, "-I", "-B", "-c", LOADER])
        if call.as_root:
            command = f"sudo -n {command}"
        try:
            process = await self._connection.create_process(command, encoding=None)
        except (asyncssh.Error, OSError) as error:
            raise _lost(self.name, str(error)) from error
        exchange = _Exchange(process, call)
        try:
            return await exchange.run(self.name, self._connection)
        finally:
            process.close()


class _Exchange:
    """Writes the request and reads the answer at the same time."""

    def __init__(self, process: SSHClientProcess[bytes], call: PythonCall) -> None:
        self._process, self._call = process, call
        self._tail = StderrTail()
        self._heard = time.monotonic()

    async def run(self, name: str, connection: SSHClientConnection) -> Completed:
        reading = asyncio.ensure_future(self._read())
        tasks: list[asyncio.Future[Any]] = [
            reading,
            asyncio.ensure_future(self._write()),
            asyncio.ensure_future(self._read_stderr()),
        ]
        try:
            while not reading.done():
                await asyncio.wait([reading], timeout=_LOOK_S)
                self._call.looked()
                if time.monotonic() - self._heard > self._call.silence_s:
                    raise _silent(name, self._call.silence_s, self._tail.text())
                for task in tasks:
                    if task.done():
                        task.result()  # what a listener raised, for example at Ctrl-C
            reading.result()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait_closed(), _CLOSE_S)
            await asyncio.wait([tasks[2]], timeout=_LOOK_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        code = self._process.returncode
        if code is None and connection.is_closed():
            raise _lost(name, self._tail.text())
        return Completed(code=code, stderr=self._tail.text())

    async def _write(self) -> None:
        import asyncssh

        try:
            for part in self._call.request:
                whole = memoryview(part)
                for start in range(0, len(whole), _CHUNK):
                    chunk = bytes(whole[start : start + _CHUNK])
                    self._process.stdin.write(chunk)
                    await self._process.stdin.drain()
                    self._heard = time.monotonic()
                    self._call.sent(len(chunk))
        except (OSError, asyncssh.Error):
            return  # it has ended, or refused the rest; what it says about that is to be read

    async def _read(self) -> None:
        import asyncssh

        try:
            while data := await self._process.stdout.read(_CHUNK):
                self._heard = time.monotonic()
                self._call.received(data)
        except (OSError, asyncssh.Error):
            return  # lost: the connection knows

    async def _read_stderr(self) -> None:
        import asyncssh

        try:
            while data := await self._process.stderr.read(_CHUNK):
                self._tail.add(data)
        except (OSError, asyncssh.Error):
            return


def _lost(name: str, said: str) -> DeviceConnectionError:
    return DeviceConnectionError(
        f"the connection to {name} was lost",
        observed=said[-300:] or "it was closed on the way",
        expected="a connection until the answer is here",
        remedy="check the network and the device, and try again",
    )


def _silent(name: str, silence_s: float, said: str) -> DeviceConnectionError:
    return DeviceConnectionError(
        f"{name} has fallen silent, and was given up",
        observed=f"nothing for {silence_s:g} s" + (f"; it said: {said[-300:]}" if said else ""),
        expected="a sign of progress within that time",
        remedy="look at what the device is doing, and try again",
    )
