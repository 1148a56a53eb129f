"""What the threshold family shares: a threshold on certainty that moves with what it chooses.

Source: Žliobaitė, Bifet, Pfahringer and Holmes 2014, *Active Learning With Drifting Streaming
Data*, IEEE TNNLS 25(1), section IV (Algorithms 2 to 4). With the certainty c = 1 − utility of an
event, the threshold θ, b, f and deficit of `budget._ranked`, HORIZON = H:

    a = P(c < θ η)                            η = 1, or drawn from N(1, δ²)
    q = (b − f) / (1 − f)                     the share that the threshold is to choose
    p = f + (1 − f) a · gate + b · max(0, deficit) / H,   gate = 1 + deficit / (1.5 H) in [0, 1]
    θ ← θ (1 + s (q − a) / √(q (1 − q)))      after every event that could be asked

What is not as in the paper, and why. There the threshold falls and grows by the same step, so
that it rests where half of the events lie below it, and a cut-off by what was spent decides
the rest; the spend then misses its target (1.44 times as much at 1 % in simulations). Here
the step up is smaller than the step down by the share to be chosen, so θ itself rests at that
share; the divisor makes it as quick at 1 % as at 30 %. The gate closes gradually as labels
are overspent and the last term spends what is left over, which holds the spend. The floor
makes p > 0 for every event. η is not drawn: the event's own number decides with probability
p, so that p is the propensity of each event.

Utilities have to be in [0, 1], as those of `query.uncertainty`; what is outside is taken as 0
or 1. For other strategies `scale: rank` puts the rank among the latest utilities in their place,
after which the threshold chooses much as a quantile does.
"""

from __future__ import annotations

from typing import Literal

from stream_cl.budget._ranked import DEFICIT_MAX, HORIZON
from stream_cl.budget._rules import THRESHOLD
from stream_cl.budget._state import Settings

Scale = Literal["utility", "rank"]


def settings(
    fraction: float, step: float, scale: Scale, delta: float = 0.0, split: float = 0.0
) -> Settings:
    """Settings of the loop.

    Args:
        fraction: b, in (0, 1].
        step: s, how fast the threshold moves, in (0, 1).
        scale: "utility", or "rank" where utilities are not in [0, 1].
        delta: δ, spread of the threshold; 0 leaves it as it is.
        split: share of the stream that is asked at random, in [0, 1].
    """
    assert 0 < fraction <= 1
    assert 0 < step < 1
    assert delta >= 0
    assert 0 <= split <= 1
    return Settings(
        THRESHOLD,
        fraction,
        horizon=HORIZON,
        deficit_max=DEFICIT_MAX,
        step=step,
        delta=delta,
        split=split,
        by_rank=scale == "rank",
    )
