"""Devices: places other than this process where Python can be started, and the runner in it.

``choose_device`` and ``open_device`` are the way to one; ``facts.look`` says what it is,
``ask.ask`` lets it do a task.
"""

from edgecnn.devices.opening import DeviceOptions, choose_device, open_device
from edgecnn.devices.types import Device

__all__ = ["Device", "DeviceOptions", "choose_device", "open_device"]
