"""What budgets that go by the rank of a utility share: window, feedback, floor, held-out, room.

For event i with utility u, let its rank among the last `window` utilities and itself be the
interval [lo, hi] (a tie shares the interval of its equals). A rule turns that, the fraction b,
the floor of exploration f and deficit = b · events − asked (in labels) into the probability

    p = min(1, max(f, rule(lo, hi, b, f, deficit)))

Ranks make the spend independent of the scale of the utilities. The feedback by the deficit is
what holds the spend: without it independent draws miss 5 % of 5,000 events by a third.

A part of the spend is a uniform draw of its own (`held_out`): those labels are never learned
from. p is the probability that either draw hits. The floor is what inverse-propensity
estimation needs: p > 0 for whatever could have been asked.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import REASONS, Candidates, Decision
from stream_cl.core.snapshot import Snapshot

HORIZON: Final = 3.0
"""Labels of deficit that add the target once more to the probability.

While utilities rise every event ranks first, and the feedback stands at −4 (1 − floor share)
targets; while they fall it stands at 1 − floor share. Between the two the deficit moves by
5 (1 − floor share) · HORIZON labels: 10.5 at the default floor, so that with the noise of the
draws any 5,000 events stay within 20 labels of their target (18 at most in simulations; 5
would give 26). Smaller values make the probability noisier."""
DEFICIT_MAX: Final = 20.0
"""Labels that may be caught up on; what a longer pause did not spend is forgiven."""

_DRAWN, _HELD_OUT = REASONS.index("drawn"), REASONS.index("held_out")
_COLD_START = REASONS.index("cold_start")
_NOT_ALLOWED, _NO_ROOM = REASONS.index("not_allowed"), REASONS.index("no_room")


class _State(NamedTuple):
    ring: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]  # events that could be asked, asked, utilities ever seen
    deficit: npt.NDArray[np.float64]  # [1]


class RankedBudget:
    """Asks `fraction` of the events that may be asked; subclasses name the rule.

    Args:
        fraction: b, in (0, 1].
        floor: share of b that is spent without regard to utility, in (0, 1].
        cold_start: labels asked for without a draw at the very start; they are a debt that
            the feedback pays back.
        window: utilities remembered for the rank.
        held_out: share of b drawn uniformly for the held-out set, at most `floor`.

    Memory: `window` numbers. Cost per event: O(window), about 0.1 µs.
    """

    rule: int

    def __init__(
        self,
        fraction: float,
        floor: float = 0.3,
        cold_start: int = 10,
        window: int = 200,
        held_out: float = 0.1,
    ) -> None:
        assert 0 < fraction <= 1
        assert 0 < floor <= 1
        assert 0 <= held_out <= floor
        self.fraction = fraction
        self.floor = floor
        self.cold_start = cold_start
        self.held_out = held_out
        self._state = _State(np.zeros(window), np.zeros(3, dtype=np.int64), np.zeros(1))

    def decide(self, candidates: Candidates) -> Decision:
        """Decide event after event; pure."""
        n = len(candidates.utility)
        ring, counts, deficit = self._state
        after = _State(ring.copy(), counts.copy(), deficit.copy())
        propensity = np.empty(n)
        asked = np.empty(n, dtype=np.bool_)
        held_out = np.empty(n, dtype=np.bool_)
        reason = np.empty(n, dtype=np.uint8)
        _decide(
            candidates.utility,
            candidates.ask_draw,
            candidates.held_out_draw,
            candidates.allowed,
            candidates.room,
            candidates.room_floor,
            np.array([self.fraction, self.fraction * self.floor, self.fraction * self.held_out]),
            self.cold_start,
            after.ring,
            after.counts,
            after.deficit,
            propensity,
            asked,
            held_out,
            reason,
            self.rule,
        )
        return Decision(propensity, asked, held_out, reason, after)

    def commit(self, decision: Decision) -> None:
        self._state = decision.after

    @property
    def asked(self) -> int:
        """Labels asked for since the start."""
        return int(self._state.counts[1])

    def snapshot(self) -> Snapshot:
        ring, counts, deficit = self._state
        return {"ring": ring.copy(), "counts": counts.copy(), "deficit": deficit.copy()}

    def restore(self, snapshot: Snapshot) -> None:
        arrays: list[Any] = [snapshot[name].copy() for name in ("ring", "counts", "deficit")]
        size, window = len(arrays[0]), len(self._state.ring)
        assert size == window, f"utilities of {size} events, where {window} are ranked"
        self._state = _State(*arrays)


POWER: Final = 0
QUANTILE: Final = 1


@numba.njit(cache=True)
def _power(lo: float, hi: float, target: float, floor: float, deficit: float) -> float:
    """The rule of `budget.fraction`."""
    weight = (hi**5 - lo**5) / (hi - lo)
    return floor + (target - floor) * weight + target * deficit / HORIZON


@numba.njit(cache=True)
def _quantile(lo: float, hi: float, target: float, floor: float, deficit: float) -> float:
    """The rule of `budget.quantile`."""
    if floor >= 1.0:
        return 1.0
    feedback = target * deficit / HORIZON
    chosen = min(1.0, max(0.0, (target - floor) / (1.0 - floor) + feedback))
    above = min(1.0, max(0.0, (hi - (1.0 - chosen)) / (hi - lo)))
    return floor + (1.0 - floor) * above + max(0.0, feedback)


@numba.njit(cache=True)
def _decide(
    utility: Any,
    ask_draw: Any,
    held_out_draw: Any,
    allowed: Any,
    room: int,
    room_floor: int,
    rates: Any,
    cold_start: int,
    ring: Any,
    counts: Any,
    deficit: Any,
    propensity: Any,
    asked: Any,
    held_out: Any,
    reason: Any,
    rule: int,
) -> None:
    # One loop, because each decision depends on what was asked before it.
    target, floor, uniform = rates
    size = ring.shape[0]
    for i in range(utility.shape[0]):
        value = utility[i]
        filled = min(counts[2], size)
        below, equal = 0, 1
        for j in range(filled):
            below += ring[j] < value
            equal += ring[j] == value
        lo = below / (filled + 1)
        hi = (below + equal) / (filled + 1)
        ring[counts[2] % size] = value
        counts[2] += 1

        starting = counts[1] < cold_start and room > 0
        if rule == POWER:
            p = _power(lo, hi, target, floor, deficit[0])
        else:
            p = _quantile(lo, hi, target, floor, deficit[0])
        p = 1.0 if starting else min(1.0, max(floor, p))
        reason[i] = 0
        if room <= 0:
            p = floor
        if not allowed[i]:
            p, reason[i] = 0.0, _NOT_ALLOWED
        elif room_floor <= 0:
            p, reason[i] = 0.0, _NO_ROOM

        own = held_out_draw[i] < uniform
        chosen = uniform < 1.0 and ask_draw[i] < (p - uniform) / (1.0 - uniform)
        propensity[i] = p
        held_out[i] = own and p > 0.0
        asked[i] = p > 0.0 and (own or chosen)
        if asked[i]:
            room -= 1
            room_floor -= 1
            reason[i] = _HELD_OUT if own else (_COLD_START if starting else _DRAWN)
        if p > 0.0:
            counts[0] += 1
            deficit[0] = min(deficit[0] + target - asked[i], DEFICIT_MAX)
        counts[1] += asked[i]
