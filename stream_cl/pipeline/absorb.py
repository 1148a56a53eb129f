"""What a committed step does to pending events, labels, the learner and the figures.

The order is fixed, because state is a function of the log: events into pending (with labels
that are here already), labels by (topic, partition, offset), learning, expiry.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_cl.core.limits import REASON_CHARS
from stream_cl.core.protocols import REASONS, Bill, HearsAnswers, HearsCorrections, SeesDrift
from stream_cl.core.records import Label
from stream_cl.evaluation.conformal import NO_SET
from stream_cl.evaluation.likelihood import given_to, keep_largest, rank_of
from stream_cl.evaluation.scores import Answers
from stream_cl.labels.early import EarlyLabel
from stream_cl.labels.join import Answered, Joined, fault
from stream_cl.labels.pending import Waiting
from stream_cl.pipeline.guard import Again
from stream_cl.pipeline.outbox import Outbox
from stream_cl.pipeline.scored import Scored
from stream_cl.pipeline.state import State


def absorb(state: State, scored: Scored, every: bool, quarantine: str | None) -> Outbox:
    """Absorb a step into the state; returns what the next step has to publish."""
    joined = Joined()
    outbox = Outbox()
    if state.again is not None:
        state.again.keep(scored)
    _admit(state, scored, every, joined)
    for label in scored.labels:
        state.join.label_came(_early(scored, label), joined)
    state.evidence.commit(scored.verdicts.utility[scored.verdicts.decision.asked])
    state.quarantined = _train(state, joined, scored.rehearsals, quarantine)
    for correction, _ in joined.corrections:
        state.evidence.examples.correct(correction.id, correction.new)
    expired = state.join.expire(min(state.time_ms, state.read_to_ms), joined)
    outbox.withdrawn = [w.ids[0] for w in expired if w.entry["asked"][0]]
    outbox.dead_letters = joined.faults
    _settle(state, joined, outbox.withdrawn)
    _ask_again(state, scored, joined, outbox)
    state.count("unanswered", len(outbox.withdrawn))
    _count(state, scored, joined)
    scored.waited_ms = joined.waited_ms
    return outbox


def _admit(state: State, scored: Scored, every: bool, joined: Joined) -> None:
    """Events into pending; those whose label is here already leave it at once."""
    labelled, decision = scored.labelled, scored.verdicts.decision
    wait = np.ones(len(labelled), dtype=np.bool_) if every else decision.asked
    # Most steps of few events ask for nothing.
    if np.count_nonzero(wait) and (rows := np.flatnonzero(wait & ~labelled).tolist()):
        state.join.make_room(len(rows), joined)
        state.join.pending.add(_waiting(state, scored, rows))
    if np.count_nonzero(labelled):
        _admit_labelled(state, scored, np.flatnonzero(labelled).tolist(), every, joined)
    state.events += len(labelled)


def _admit_labelled(
    state: State, scored: Scored, rows: list[int], keep: bool, joined: Joined
) -> None:
    """Events whose label is here already; only what it left open has to wait."""
    every = _waiting(state, scored, rows)
    for i, row in enumerate(rows):
        one = Waiting(every.ids[i : i + 1], every.x[i : i + 1], every.entry[i : i + 1])
        if state.join.event_came(one, _inline(state, scored, row), joined) and keep:
            state.join.make_room(1, joined)
            state.join.pending.add(one)


def _inline(state: State, scored: Scored, row: int) -> EarlyLabel | None:
    """The label that came with an event."""
    name = scored.events.labels[row]
    if name is None:
        return None
    raw, raw_row = scored.raw_events, scored.events.rows[row]
    label = Label(raw_row, scored.events.ids[row], name)
    value = raw.values[raw_row] or b""
    return EarlyLabel(label, raw.source(raw_row), raw.keys[raw_row], value, state.time_ms)


def _waiting(state: State, scored: Scored, rows: list[int]) -> Waiting:
    verdicts, events = scored.verdicts, scored.events
    decision, probabilities = verdicts.decision, verdicts.probabilities[rows]
    entry = Waiting.entries(len(rows))
    entry["event"] = state.events + np.asarray(rows)
    entry["since_ms"] = state.time_ms
    entry["content"] = [events.content[row] for row in rows]
    entry["word"] = scored.words[rows, 2]
    known = probabilities.shape[1] > 0
    entry["predicted"] = probabilities.argmax(axis=1) if known else -1
    entry["last"] = state.accuracy.last
    entry["known"] = probabilities.shape[1]
    keep_largest(probabilities, entry["classes"], entry["kept"])
    asked = decision.asked[rows]
    entry["set_size"] = NO_SET
    if asked.any():
        # Who has his label already is not asked, so either all that are asked stand here or none.
        entry["set_size"][asked] = scored.set_sizes
    entry["propensity"] = decision.propensity[rows]
    entry["asked"] = asked
    entry["held_out"] = decision.held_out[rows]
    return Waiting([events.ids[row] for row in rows], scored.encoded.x[rows], entry)


def _early(scored: Scored, label: Label) -> EarlyLabel:
    raw, row = scored.raw_labels, label.row
    return EarlyLabel(label, raw.source(row), raw.keys[row], raw.values[row] or b"", scored.time_ms)


def _train(state: State, joined: Joined, rehearsals: int, quarantine: str | None) -> str | None:
    """Judge the answers, then learn from them. Returns why they are quarantined, if so."""
    if not joined.answered and not joined.corrections:
        return None
    if joined.answered:
        joined.waited_ms = _judge(state, joined.answered)
    x, y, weight, kept = joined.to_learn()
    again, by = _corrected(state, joined)
    if not kept and again is None:
        return None
    if quarantine is None:
        failure = state.guard.learn((x, y, weight), rehearsals, again)
        if failure is None:
            # In the learner's order: a correction may be of what the batch teaches.
            if kept:
                state.query.learn(x, y)
                _tell(state, kept, y)
                state.evidence.examples.add([answer.waiting.ids[0] for answer in kept], x, y)
                state.learned += len(kept)
            if again is not None:
                state.query.learn(again.x, again.new)
                if isinstance(state.query, HearsCorrections):
                    state.query.corrected(again.old)
                state.learned += len(by)
                state.count("relearned", len(by))
            return None
        what = " ".join(str(failure).split())  # a reason is one line
        quarantine = f"the learner failed: {type(failure).__name__}: {what}"[:REASON_CHARS]
    lost = [answer.early for answer in kept]
    lost += [early for early in by if early not in lost]
    joined.faults += [fault(early, "quarantined", quarantine) for early in lost]
    joined.count("learned", -len(kept))
    joined.count("quarantined", len(kept))
    state.count("quarantines", 1)
    return quarantine


def _tell(state: State, learned: list[Answered], y: npt.NDArray[np.int64]) -> None:
    """Tell a query strategy that listens what was predicted and what the answers cost."""
    # By name first: isinstance with a protocol takes 10 µs.
    if hasattr(state.query, "hear") and isinstance(state.query, HearsAnswers):
        costs = [answer.early.label.cost for answer in learned]
        state.query.hear(
            y,
            np.array([answer.waiting.entry["predicted"][0] for answer in learned], dtype=np.int64),
            np.array([np.nan if cost is None else cost for cost in costs], dtype=np.float64),
        )


def _corrected(state: State, joined: Joined) -> tuple[Again | None, list[EarlyLabel]]:
    """What is to be learned again, in order, and the labels that made it so. Held-out events
    are corrected at once."""
    corrections = []
    for correction, early in joined.corrections:
        state.count("corrected", 1)
        if correction.held_out:
            state.held_out.correct(correction.x, correction.old, correction.new)
        else:
            corrections.append((correction, early))
    if not corrections:
        return None, []
    again = Again(
        np.concatenate([c.x for c, _ in corrections]),
        np.array([c.old for c, _ in corrections], dtype=np.int64),
        np.array([c.new for c, _ in corrections], dtype=np.int64),
        np.array([c.weight for c, _ in corrections], dtype=np.float64),
    )
    return again, [early for _, early in corrections]


def _ask_again(state: State, scored: Scored, joined: Joined, outbox: Outbox) -> None:
    """Questions that want more answers, and labels in doubt, within the same spend."""
    again, panel = state.again, state.join.panel
    if again is None or panel is None:
        return
    outbox.lapsed = again.lapse(panel, min(state.time_ms, state.read_to_ms))
    outbox.asked_again = again.choose(panel, joined, scored, state.asking)
    state.count("asked_again", len(outbox.asked_again))
    if due := again.due():
        state.budget.spend(due)


def _judge(state: State, answered: list[Answered]) -> npt.NDArray[np.int64]:
    """Take n answers into the figures. Returns how long each question waited, in logical time:
    `int64 [n]`, in milliseconds."""
    entry = Waiting.joined([answer.waiting.entry for answer in answered])
    number = np.array([answer.number for answer in answered])
    top = entry["known"], entry["classes"], entry["kept"]
    probability = given_to(number, *top)
    held_out = np.array([answer.held_out for answer in answered])
    state.accuracy.add(
        Answers(
            entry["event"],
            entry["propensity"],
            number,
            entry["predicted"],
            entry["last"],
            probability,
            entry["kept"].max(axis=1).astype(np.float64),
            held_out,
        )
    )
    asked = entry["asked"]
    if asked.any():
        rank = rank_of(number, *top)
        columns = (probability, rank, entry["set_size"], entry["propensity"])
        state.evidence.sets.add(*(column[asked] for column in columns))
    state.count("answered", int(asked.sum()))
    for answer in answered:
        if answer.held_out and answer.number >= 0:
            state.held_out.add(answer.waiting.x, answer.number)
    waited_ms: npt.NDArray[np.int64] = state.time_ms - entry["since_ms"]
    return waited_ms


def _settle(state: State, joined: Joined, expired: list[str]) -> None:
    """Tell the budget what its questions have cost, and which of them nobody answered."""
    bills = [
        Bill(answer.early.label.annotator, answer.early.label.cost)
        for answer in joined.answered
        if answer.waiting.entry["asked"][0]
    ]
    for label, revision in joined.further:
        asked = state.again is not None and state.again.came(label.id, revision)
        # Who corrects himself unasked costs nothing, unless he says so.
        if asked or not revision or label.cost is not None:
            bills.append(Bill(label.annotator, label.cost, asked))
    if bills:
        state.budget.charge(bills)
    if expired:
        state.budget.refund(len(expired))
    if state.again is not None:
        for id_ in expired:
            state.again.expired(id_)


def _count(state: State, scored: Scored, joined: Joined) -> None:
    state.count("events", len(scored.raw_events))
    state.count("predictions", len(scored.events))
    state.count("asked", int(np.count_nonzero(scored.verdicts.decision.asked)))
    for reason, n in enumerate(np.bincount(scored.verdicts.decision.reason).tolist()):
        state.count(f"decided.{REASONS[reason]}", n)
    state.count("predictions_failed", scored.failed)
    state.count("duplicates", scored.duplicates)
    state.count("labels", len(scored.labels))
    if hasattr(state.query, "drifts") and isinstance(state.query, SeesDrift):
        state.count("drifts", state.query.drifts - state.counts.get("drifts", 0))
    for fate, n in joined.fates.items():
        state.count(f"labels.{fate}", n)
    for letter in scored.dead_letters + joined.faults:
        state.count(f"dead_letters.{letter.code}", 1)
