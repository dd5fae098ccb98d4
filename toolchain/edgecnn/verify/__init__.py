"""Does each converted file still classify as the float model does? The stage that says so.

``run`` is the entry point, ``run_foreign`` that for files made elsewhere; ``read_report`` reads
what they wrote. Nothing here imports TensorFlow, and scipy,
jinja2, Pillow and rich are imported only by what uses them.
"""

from edgecnn.verify.baseline import EarlierReport
from edgecnn.verify.foreign import ForeignReference, run_foreign
from edgecnn.verify.groups import Groups, check_groups, read_groups
from edgecnn.verify.report_files import read_report, report_names
from edgecnn.verify.results import ParityReport
from edgecnn.verify.run import key, run
from edgecnn.verify.validation import judge_candidate

__all__ = [
    "EarlierReport",
    "ForeignReference",
    "Groups",
    "ParityReport",
    "check_groups",
    "judge_candidate",
    "key",
    "read_groups",
    "read_report",
    "report_names",
    "run",
    "run_foreign",
]
