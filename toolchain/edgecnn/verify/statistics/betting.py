"""Confidence sequences: evidence that may be looked at after every image.

An interval of a fixed number of images is wrong far more often than it says if one looks again and
again and stops when it suits. A bet is not: against the claim that the mean of X is at least m, a
gambler stakes a share of what they have on X being below m. If the claim is true, no stake makes
a profit on average, and by Ville's inequality (J. Ville (1939), Etude critique de la notion de
collectif) the chance that the wealth ever reaches 1/alpha, at whatever look, is at most alpha. So
the claim may be given up as soon as it does. All means that are not given up are a confidence
sequence: I. Waudby-Smith, A. Ramdas (2024), Estimating means of bounded random variables by
betting, Journal of the Royal Statistical Society B 86, 1-27. Spreading the stake over many
fixed shares, as here, is the method of mixtures of H. Robbins (1970), Statistical methods related
to the law of the iterated logarithm, Annals of Mathematical Statistics 41, 1397-1409.

X is one image's part in a rate: for a drop 1 where the artifact loses the image, -1 where it gains
it, 0 elsewhere; for a disagreement 1 or 0. With fixed shares the wealth depends on counts alone,
not on the order of the images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edgecnn.verify.statistics.intervals import Side

Floats = npt.NDArray[np.float64]

_SHARES: Final[Floats] = np.concatenate([np.geomspace(0.004, 0.9, 40), [0.95, 0.98, 0.995]])
"""Stakes, as shares of the largest one that cannot bankrupt. Many right answers and few different
ones, as here, ask for large shares; a limit that is close to the truth asks for small ones."""

_HALVINGS: Final = 40
_NEXT: Final = 1e-12
"""No stake can be made on a mean that is itself the end of what is possible; on one beside it, it
can."""


@dataclass(frozen=True)
class BettingTally:
    """How often X was 1, -1 and 0, at each of several looks.

    Attributes:
        up: Times that X was 1, shape (looks,).
        down: Times that it was -1; all 0 where it never can be.
        images: All images, positive.
        least: The smallest X possible, -1 or 0.
    """

    up: Floats
    down: Floats
    images: Floats
    least: int

    @classmethod
    def of(cls, up: object, down: object, images: object, *, least: int) -> BettingTally:
        """Make one of numbers, or of sequences of them."""
        counts = [np.atleast_1d(np.asarray(part, np.float64)) for part in (up, down, images)]
        return cls(up=counts[0], down=counts[1], images=counts[2], least=least)


def log_wealth(tally: BettingTally, mean: float | Floats, side: Side) -> Floats:
    """Return the logarithm of the wealth of bets against a claim about the mean.

    Args:
        tally: What was observed.
        mean: The claimed mean, ``least``..1; a number, or one for each look.
        side: ``below`` bets against a mean of at least ``mean``, ``above`` against one of at most.

    Returns:
        Natural logarithms, shape (looks,); 0 is what the gambler began with.
    """
    from scipy.special import logsumexp

    m = np.broadcast_to(np.asarray(mean, np.float64), tally.images.shape)[:, np.newaxis]
    m = np.clip(m, tally.least + _NEXT, 1 - _NEXT)
    # The largest stake that the worst outcome does not bankrupt; shares of it keep the wealth
    # monotone in the mean, so that what is not given up is one interval.
    room = 1 - m if side == "below" else m - tally.least
    sign = 1.0 if side == "below" else -1.0

    def gain(x: float) -> Floats:
        return np.asarray(np.log1p(_SHARES * sign * (m - x) / room))

    zero = tally.images - tally.up - tally.down
    exponent = tally.up[:, np.newaxis] * gain(1.0) + zero[:, np.newaxis] * gain(0.0)
    if tally.least < 0:
        exponent = exponent + tally.down[:, np.newaxis] * gain(-1.0)
    return np.asarray(logsumexp(exponent, axis=1) - np.log(len(_SHARES)))


def bounds(tally: BettingTally, alpha: float) -> tuple[float, float]:
    """Return the confidence sequence after the last look.

    A mean that was given up at an earlier look stays so.

    Args:
        tally: All looks so far.
        alpha: Chance of each bound to be wrong at any look.

    Returns:
        Lower and upper bound, in ``least``..1.
    """
    enough = -np.log(alpha)
    ends = []
    sides: tuple[Side, Side] = ("above", "below")
    for side in sides:
        inside = np.full(tally.images.shape, (tally.up - tally.down) / tally.images)
        outside = np.full(tally.images.shape, float(tally.least) if side == "above" else 1.0)
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            beyond = log_wealth(tally, middle, side) >= enough
            inside, outside = np.where(beyond, inside, middle), np.where(beyond, middle, outside)
        ends.append(inside)
    return float(ends[0].max()), float(ends[1].min())
