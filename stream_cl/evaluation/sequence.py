"""An interval that holds at every moment at once, so that it may be looked at all the time.

The 95 % interval of `intervals` holds the truth in 95 % of looks at one moment that was fixed
beforehand. Who looks after every answer, and acts when the interval says what was hoped for,
is wrong more often. This one is the asymptotic confidence sequence of Waudby-Smith, Arbour,
Sinha, Kennedy and Ramdas 2024, *Time-uniform central limit theory and asymptotic confidence
sequences*, Annals of Statistics 52(6), theorem 2.2 in the form of their Lindeberg sequences
(Robbins' normal mixture over the variance that has accumulated):

    μ_t ± √( 2 (V_t ρ² + 1) / ρ² · ln(√(V_t ρ² + 1) / α) ) / N_t

The sum is that of Hájek's estimator: M_t = Σ w (l − μ) over what was asked, which is a
martingale under the draws, less Σ (l − μ) over all events, which is 0. So N_t = Σ w and
V_t = Σ w² (1 − p) (l − μ_t)², both with the pseudo-labels of `intervals`; μ_t is the accuracy
of all events up to t, which may drift. ρ says where the sequence is narrowest: for V* it is

    ρ² = (−2 ln α + ln(−2 ln α) + 1) / V*     (the same, appendix B.2)

V* must be chosen before the first answer. It is that of about 10,000 events of which 5 % are
asked (weights near 20, variance of l near 0.15); ten times as much or as little costs a tenth
to a third of the width.

Answers that have not come yet are made up for by others (`late`). What that adds to the error is no
sum that grows but noise that is new whenever the open questions have become others, which no
mixture bounds. So each is bounded on its own: the sum by the theorem at α₁ = 0.04, and the noise,
of variance V₂, by the rest, 0.01, of which the k-th time that the open questions were renewed has
0.01 / k (k + 1). With z the upper quantile of the normal distribution

    half-width = (theorem, V_t − V₂, α₁) + z(0.01 / 2 k (k + 1)) √V₂ / N_t

It holds in 95 % as long as the theorem's limit is a good one and answers come late regardless of
whether the prediction was right. A union of two is wide: more often than not they are not both at
their worst.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

from stream_cl.evaluation.intervals import Estimate, WeightedSums
from stream_cl.evaluation.late import Missing

ALPHA: Final = 0.05
ALPHA_MISSING: Final = 0.01
"""Of ALPHA: for the answers that have not come."""
VARIANCE_BEST: Final = 30_000.0
"""V*: 10,000 · 20 · 0.15."""

_LOG: Final = -2.0 * math.log(ALPHA)
_RHO2: Final = (_LOG + math.log(_LOG) + 1.0) / VARIANCE_BEST


def sequence(sums: WeightedSums, missing: Missing | None = None) -> Estimate | None:
    """The time-uniform 95 % interval after the answers of `sums`; None without a label.

    missing: what `sums` lack, where they stand for answers that have not come.
    """
    moments = sums.moments()
    if moments is None:
        return None
    lacking, renewed = 0.0, 1.0
    if missing is not None:
        lacking, renewed = missing.variance(moments.mean), missing.renewed
    grown = max(0.0, moments.variance - lacking) * _RHO2 + 1.0
    alpha = ALPHA - ALPHA_MISSING
    half = math.sqrt(2.0 * grown / _RHO2 * math.log(math.sqrt(grown) / alpha))
    if lacking > 0.0:
        share = ALPHA_MISSING / (renewed * (renewed + 1.0))
        half -= NormalDist().inv_cdf(share / 2.0) * math.sqrt(lacking)
    return sums.around(moments, half / moments.total)
