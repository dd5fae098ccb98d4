"""Where an artifact departs from its float file, as data; JSON-ready and read back the same."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.modelfile.layers import LayerError
from edgecnn.verify.layers.diagnosis import LIMIT_DB, Cause


@dataclass(frozen=True, kw_only=True)
class Layers:
    """How an artifact differs from its float file, layer by layer; or why that is not known.

    Attributes:
        against: The float file's name; None where there is none.
        reason: Why the layers were not compared; empty where they were.
        images: How many evaluation images they were compared on, balanced over the classes.
        seed: Seed of their choice.
        limit_db: Ratio below which a layer is suspect, dB.
        layers: The comparison tensor by tensor, in network order.
        ratios_db: What each layer is judged by; see ``diagnosis.ratios_that_count``.
        unmatched: The float file's tensors that were not compared.
        first: Position of the first layer below the limit; None where there is none.
        steepest: Position of the layer at which the noise grows most.
        cause: Why the first layer below the limit is there.
        diagnosis: All of it in one sentence; empty where the layers were not compared.
    """

    against: str | None = None
    reason: str = ""
    images: int = 0
    seed: int = 0
    limit_db: float = LIMIT_DB
    layers: tuple[LayerError, ...] = ()
    ratios_db: tuple[float, ...] = ()
    unmatched: tuple[str, ...] = ()
    first: int | None = None
    steepest: int | None = None
    cause: Cause | None = None
    diagnosis: str = ""
