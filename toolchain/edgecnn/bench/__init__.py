"""The stage that measures how fast each file is on a device, and what it takes there.

``run`` is the entry point; ``read_bench`` reads what it wrote. Nothing here imports TensorFlow or
a runtime: measuring is done on the device, by ``edgecnn.devices.on_device.bench``.
"""

from edgecnn.bench.exit import exit_error, gate_error
from edgecnn.bench.plan import BenchFile, ProvenAccuracy, plan
from edgecnn.bench.report.json import read_bench, write_bench
from edgecnn.bench.results import BenchReport, Settings
from edgecnn.bench.stage import run

__all__ = [
    "BenchFile",
    "BenchReport",
    "ProvenAccuracy",
    "Settings",
    "exit_error",
    "gate_error",
    "plan",
    "read_bench",
    "run",
    "write_bench",
]
