"""Does each converted file still classify as the float model does? The stage that says so.

``run`` is the entry point; ``read_report`` reads what it wrote. Nothing here imports TensorFlow,
and scipy, jinja2, Pillow and rich are imported only by what uses them.
"""

from edgecnn.verify.baseline import EarlierReport
from edgecnn.verify.groups import Groups, check_groups, read_groups
from edgecnn.verify.report_files import read_report, report_names
from edgecnn.verify.results import ParityReport
from edgecnn.verify.run import key, run

__all__ = [
    "EarlierReport",
    "Groups",
    "ParityReport",
    "check_groups",
    "key",
    "read_groups",
    "read_report",
    "report_names",
    "run",
]
