"""Does each converted file still classify as the float model does? The stage that says so.

``run`` is the entry point; ``read_report`` reads what it wrote. Nothing here imports TensorFlow,
and scipy, jinja2, Pillow and rich are imported only by what uses them.
"""

from edgecnn.verify.junit import write_junit
from edgecnn.verify.results import ParityReport, read_report
from edgecnn.verify.run import key, run

__all__ = ["ParityReport", "key", "read_report", "run", "write_junit"]
