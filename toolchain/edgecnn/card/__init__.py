"""What a finished build is known by: its figures as data, and its model card.

Nothing is measured here. The figures are those that the stages recorded, bound to the files by
their digests, and every number of a card is one of them.
"""

from edgecnn.card.markdown import card
from edgecnn.card.results import RESULTS_SCHEMA, collect_results, shown_recipe

__all__ = ["RESULTS_SCHEMA", "card", "collect_results", "shown_recipe"]
