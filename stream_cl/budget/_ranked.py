"""What budgets that ask share: rank, feedback, floor, held-out, room, limits, refunds.

For event i with utility u, let its rank among the last `window` utilities and itself be the
interval [lo, hi] (a tie shares the interval of its equals). A rule turns that, the share b of
the events to ask for, the floor of exploration f = floor · b and the deficit, granted − asked
in labels, into the probability

    p = min(1, max(f, rule(lo, hi, b, f, deficit)))

Ranks make the spend independent of the scale of the utilities. The feedback by the deficit is
what holds the spend: without it independent draws miss 5 % of 5,000 events by a third.

A part of the spend is a uniform draw of its own (`held_out`): those labels are never learned
from. p is the probability that either draw hits. The floor is what inverse-propensity
estimation needs: p > 0 for whatever could have been asked.

Limits. `labels_per_key` is hard: an event of a key that had its labels in the last
`limit_window` events has p = 0 and leaves what the figures speak of, because the promise to a
key is worth more than a figure. `class_share` is soft: an event of a predicted class that had
its share of the labels in that window is asked with the floor alone, since figures without a
class would be wrong. `max_open` counts as room: the last tenth of it is for exploration, and
without room p = 0.

Refunds. Spend is what was asked less what is refunded. A question that nobody answered gives
its label back, at most 20 labels per 5,000 events, and at most half the target at a time.

Several answers. A question that is to get m `answers` is charged with m labels when it is asked,
and b is the share of the events to ask about, labels / m: were a later answer charged when it is
asked for, as many would be asked for too much as fit into the delay. What is not needed comes
back by `spend`, as a negative number; labels asked for besides are charged by it as well, and the
feedback holds the sum. It can as long as the floor, and what is asked for besides on each of its
questions, leave room: floor · (1 + share besides) at most 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from stream_cl.budget._chance import eased_now, target_now
from stream_cl.budget._loop import decide
from stream_cl.budget._spread import KEPT, compared, prepared
from stream_cl.budget._state import Count, Level, Settings, State
from stream_cl.core.limits import LIMIT_LABELS
from stream_cl.core.protocols import Bill, Candidates, Decision, Spending
from stream_cl.core.snapshot import Snapshot

WINDOW: Final = 200
"""Utilities that an event is ranked among."""
HORIZON: Final = 3.0
"""Labels of deficit that add the target once more to the probability.

While utilities fall no event ranks high, and the feedback stands at 1 − floor share targets. When
they begin to rise every event ranks first, for some hundred events; as long as that lasts it goes
to −4 (1 − floor share). Between the two the deficit moves by 5 (1 − floor share) · HORIZON labels:
10.5 at the default floor. With the noise of the draws any 5,000 events stay within 20 labels of
their target. Smaller values make the probability noisier."""
HORIZON_MIN: Final = 0.25
"""The shortest horizon: below it p would be 0 or 1 more often than not."""
DEFICIT_MAX: Final = 20.0
"""Labels that may be caught up on; what a longer pause did not spend is forgiven."""


class Shared(TypedDict, total=False):
    """Arguments that every budget that asks takes by name.

    floor: share of b that is spent without regard to utility, in (0, 1]; 0.3.
    cold_start: labels asked for without a draw at the very start; they are a debt that the
        feedback pays back; 10.
    window: utilities remembered for the rank; 200.
    held_out: share of b drawn uniformly for the held-out set, at most `floor`; 0.1.
    labels_per_key: labels that one record key may have in `limit_window` events; None, no limit.
    class_share: share of the labels in that window that one predicted class may have; 1, no limit.
    limit_window: events that the two limits look back on, at most the last 1,000 labels; 5,000.
    max_open: requests open at once; None, what the pending store holds.
    answers: labels that a question is charged with; 1.
    """

    floor: float
    cold_start: int
    window: int
    held_out: float
    labels_per_key: int | None
    class_share: float
    limit_window: int
    max_open: int | None
    answers: int


class RankedBudget:
    """What the budgets that ask have in common; subclasses say how much, and by which rule.

    Memory: 2 · `window` numbers, 24 kB more with a limit. Cost per event: O(window), about
    0.2 µs; with a limit O(labels in its window) more, about 1 µs at 1,000 labels.
    """

    def __init__(self, settings: Settings, **shared: Unpack[Shared]) -> None:
        given: dict[str, Any] = {**shared}
        window = given.pop("window", WINDOW)
        self._max_open: int | None = given.pop("max_open", None)
        given["labels_per_key"] = given.pop("labels_per_key", None) or 0
        settings = settings.of(**settings._asdict()).of(**given)
        # Both count questions; the spend is held in labels, whatever a question takes.
        self._settings = settings.of(
            horizon=max(HORIZON_MIN, settings.horizon / settings.answers),
            deficit_max=max(1.0, settings.deficit_max / settings.answers),
        )
        self._packed = self._settings.packed()
        assert 0 < self._settings.floor <= 1
        assert 0 <= self._settings.held_out <= self._settings.floor
        limited = self._settings.labels_per_key > 0 or self._settings.class_share < 1
        counts = np.zeros(len(Count), dtype=np.int64)
        counts[Count.LAST_MS] = -1
        levels = np.zeros(len(Level))
        levels[[Level.THRESHOLD, Level.PRICE, Level.MEMORY, Level.WEIGHT]] = 1.0
        limits = np.zeros((LIMIT_LABELS if limited else 0, 3), dtype=np.int64)
        questions = np.zeros((0, KEPT))
        self._state = State(np.zeros(window), np.zeros(window), counts, levels, limits, questions)

    def decide(self, candidates: Candidates) -> Decision:
        """Decide event after event; pure."""
        n = len(candidates.utility)
        x, spread = compared(candidates)
        after = prepared(self._state.copy(), x)
        closed = self._advance(after, candidates.time_ms)
        propensity = np.empty(n)
        asked = np.empty(n, dtype=np.bool_)
        held_out = np.empty(n, dtype=np.bool_)
        reason = np.empty(n, dtype=np.uint8)
        threshold = np.empty(n)
        decided = decide(
            self._packed,
            after,
            (
                candidates.utility,
                candidates.ask_draw,
                candidates.held_out_draw,
                candidates.allowed,
                self._keys(candidates),
                _predicted(candidates),
                x,
                spread,
            ),
            (*self._room(candidates), closed, candidates.until_asked),
            (propensity, asked, held_out, reason, threshold),
        )
        if decided < n:
            propensity, threshold = propensity[:decided], threshold[:decided]
            asked, held_out, reason = asked[:decided], held_out[:decided], reason[:decided]
        return Decision(propensity, asked, held_out, reason, after, threshold)

    def commit(self, decision: Decision) -> None:
        self._state = decision.after

    def refund(self, expired: int) -> None:
        """Labels to be paid back, a few at a time, for what they were charged with."""
        levels = self._state.levels
        levels[Level.OWED] += self._close(expired * self._settings.answers)
        levels[Level.WAITING] += expired

    def spend(self, labels: int) -> None:
        """Charge labels that were asked for besides; below 0 gives back what is not needed."""
        counts, levels = self._state.counts, self._state.levels
        counts[Count.BESIDES] += labels
        if labels > 0:
            counts[Count.OPEN] += labels
            levels[Level.CHARGED] += labels * levels[Level.PRICE]
            levels[Level.DEFICIT] -= labels * levels[Level.PRICE]
        else:
            levels[Level.DEFICIT] += self._close(-labels)

    def charge(self, bills: Sequence[Bill]) -> None:
        """A label is a label: what it cost changes nothing here."""
        self._close(sum(bill.closes for bill in bills))

    def _close(self, labels: int) -> float:
        """So many labels are no longer open; returns what they were charged with, each as much as
        the mean of those that are."""
        counts, levels = self._state.counts, self._state.levels
        still_open = int(counts[Count.OPEN])
        if still_open == 0:
            return 0.0
        charged = float(levels[Level.CHARGED]) * min(labels, still_open) / still_open
        counts[Count.OPEN] = max(0, still_open - labels)
        levels[Level.CHARGED] -= charged
        return charged

    def spending(self) -> Spending:
        counts, levels = self._state.counts, self._state.levels
        answers = self._settings.answers
        target = float(target_now(self._settings, counts, levels))
        latest = self._state.propensities[: counts[Count.ASKABLE]]
        return Spending(
            target=target,
            floor=target * self._settings.floor * float(eased_now(self._settings, levels)),
            asked=int(counts[Count.ASKED] * answers + counts[Count.BESIDES]),
            refunded=float(levels[Level.REFUNDED]) * answers,
            waiting=float(levels[Level.WAITING]) * answers,
            mean_propensity=float(latest.mean()) if len(latest) else 0.0,
            min_propensity=float(latest.min()) if len(latest) else 0.0,
            price=float(levels[Level.PRICE]),
            paid=float(levels[Level.PAID]),
        )

    def _advance(self, state: State, time_ms: int) -> bool:
        """Take the logical time of a step into `state`; whether nothing is asked at it."""
        return False

    def _room(self, candidates: Candidates) -> tuple[int, int]:
        """Requests that may be opened by choice, and at all."""
        room, room_floor = candidates.room, candidates.room_floor
        if self._max_open is not None:
            left = self._max_open - candidates.open
            room, room_floor = min(room, left - self._max_open // 10), min(room_floor, left)
        return room, room_floor

    def _keys(self, candidates: Candidates) -> npt.NDArray[np.int64]:
        n = len(candidates.utility)
        if self._settings.labels_per_key == 0 or not candidates.keys:
            return np.zeros(n, dtype=np.int64)
        numbers = [0 if key is None else _number(key) for key in candidates.keys]
        return np.array(numbers, dtype=np.int64)

    def snapshot(self) -> Snapshot:
        return {name: part.copy() for name, part in self._state._asdict().items()}

    def restore(self, snapshot: Snapshot) -> None:
        state: Any = {name: snapshot[name].copy() for name in State._fields if name in snapshot}
        # A checkpoint of the time before has no questions to compare with, and counts none.
        state.setdefault("questions", np.zeros((0, KEPT)))
        state["counts"] = np.pad(state["counts"], (0, len(Count) - len(state["counts"])))
        size, window = len(state["ring"]), len(self._state.ring)
        assert size == window, f"utilities of {size} events, where {window} are ranked"
        if len(state["limits"]) != len(self._state.limits):
            # A limit that was set or lifted since: what was asked before does not count for it.
            state["limits"] = np.zeros_like(self._state.limits)
            state["limits"][:, 0] = np.iinfo(np.int64).min
        state["levels"] = _all_levels(state["levels"], state["counts"], self._settings.answers)
        self._state = State(**state)


def _all_levels(
    levels: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], answers: int
) -> npt.NDArray[np.float64]:
    """All levels that there are now; a checkpoint may have fewer, of the time before."""
    every = np.zeros(len(Level))
    every[Level.CHARGED] = counts[Count.OPEN] * levels[Level.PRICE]
    every[Level.WEIGHT] = 1.0
    every[Level.OWED] = levels[Level.WAITING] * levels[Level.PRICE] * answers
    every[: len(levels)] = levels
    return every


def _number(key: bytes) -> int:
    """A number for a record key, the same in every process, and never 0, which says none."""
    digest = blake2b(key, digest_size=8, person=b"budget keys").digest()
    return int.from_bytes(digest, "little", signed=True) or 1


def _predicted(candidates: Candidates) -> npt.NDArray[np.int64]:
    if candidates.predicted is None:
        return np.full(len(candidates.utility), -1, dtype=np.int64)
    return candidates.predicted
