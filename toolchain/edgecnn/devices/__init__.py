"""Devices: places other than this process where Python can be started, and the runner in it.

``open_device`` is the entry point; ``look`` says what a device is, ``ask`` lets it do a task.
"""

from edgecnn.devices.address import Address, parse_address
from edgecnn.devices.opening import open_device
from edgecnn.devices.types import Device

__all__ = ["Address", "Device", "open_device", "parse_address"]
