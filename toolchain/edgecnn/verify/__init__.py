"""The stage that proves whether each converted file still classifies as the float model does.

``run`` is the entry point, ``run_foreign`` that for files made elsewhere; ``read_report`` reads
what they wrote. Nothing here imports TensorFlow, and scipy,
jinja2, Pillow and rich are imported only by what uses them.
"""

from edgecnn.verify.baseline import EarlierReport
from edgecnn.verify.evaluation import balanced_subset, choose_evaluation
from edgecnn.verify.exit import exit_error
from edgecnn.verify.foreign.evaluation import ForeignReference
from edgecnn.verify.foreign.source_trials import Given, Tried, try_source
from edgecnn.verify.foreign.stage import ForeignSubject, run_foreign
from edgecnn.verify.foreign.trials import Feed, feed_ranges
from edgecnn.verify.gate.validation import judge_candidate
from edgecnn.verify.groups import Groups, check_groups, read_groups
from edgecnn.verify.own_agreement import OwnAgreement
from edgecnn.verify.recording import read_report, report_names
from edgecnn.verify.request import ForeignFiles, VerifyRequest
from edgecnn.verify.results import ParityReport
from edgecnn.verify.scores_check import Decoded, Explainer, check_enough, check_own_scores
from edgecnn.verify.stage import BuildSubject, key, run
from edgecnn.verify.unlabelled import ScoredPictures

__all__ = [
    "BuildSubject",
    "Decoded",
    "EarlierReport",
    "Explainer",
    "Feed",
    "ForeignFiles",
    "ForeignReference",
    "ForeignSubject",
    "Given",
    "Groups",
    "OwnAgreement",
    "ParityReport",
    "ScoredPictures",
    "Tried",
    "VerifyRequest",
    "balanced_subset",
    "check_enough",
    "check_groups",
    "check_own_scores",
    "choose_evaluation",
    "exit_error",
    "feed_ranges",
    "judge_candidate",
    "key",
    "read_groups",
    "read_report",
    "report_names",
    "run",
    "run_foreign",
    "try_source",
]
