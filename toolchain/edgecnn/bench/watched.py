"""A device that is given up when it takes too long, or when the whole measurement is ended."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Final

from edgecnn.devices.types import Completed, Device, PythonCall
from edgecnn.errors import DeviceConnectionError

__all__ = ["StoppedError", "WatchedDevice"]

_MINUTE_S: Final = 60


class StoppedError(Exception):
    """The measurement was ended from outside, for example by Ctrl-C."""


class WatchedDevice:
    """See ``devices.types.Device``; what is asked of it ends in time.

    Silence is one sign of a device that hangs. One that goes on talking without an end is given
    up at the deadline.

    Args:
        device: The device.
        stop: Ends what it does, once it is set.
        longest_s: Seconds that each call may take.
    """

    def __init__(self, device: Device, *, stop: threading.Event, longest_s: float) -> None:
        self.name = device.name
        self._device, self._stop, self._longest_s = device, stop, longest_s

    def run_python(self, call: PythonCall) -> Completed:
        """See ``devices.types.Device``.

        Raises:
            StoppedError: If it was ended from outside.
            DeviceConnectionError: If it took too long, too.
        """
        end = time.monotonic() + self._longest_s

        def look() -> None:
            if self._stop.is_set():
                raise StoppedError
            if time.monotonic() > end:
                raise DeviceConnectionError(
                    f"{self.name} does not come to an end, and was given up",
                    observed=f"still at it after {self._longest_s:.0f} s",
                    expected="an answer within that time",
                    remedy="measure fewer files, or with fewer --runs and --seconds; look at what "
                    "the device is doing",
                )

        look()
        return self._device.run_python(dataclasses.replace(call, looked=look))

    def close(self) -> None:
        """See ``devices.types.Device``."""
        self._device.close()
