"""The path of a step, whole and without I/O: what goes in, what comes out, what changes.

    predict → decide → publish                 score: reads the state, changes nothing
                                                      — the runner commits —
    statistics → pending → labels → expiry     learn: the only place where state changes

`score(S(k−1), decoded)` gives the outputs of step k; after the transaction that carries them
is committed, `learn(S(k−1), scored)` turns the state into S(k). Both are functions of their
arguments alone, so replaying the slices of the manifest gives the same state again. Decoding comes
before them and needs no state: `decoded`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stream_cl.core.draws import Draws, unit
from stream_cl.core.limits import KEY_BYTES
from stream_cl.core.protocols import Asking, Candidates
from stream_cl.core.records import DeadLetter, Events, Outgoing, Probabilities, RawRecords
from stream_cl.core.topics import Topics
from stream_cl.decode.decoder import Decoder
from stream_cl.decode.duplicates import CONFLICT, DUPLICATE, FRESH
from stream_cl.decode.encoder import Refusal
from stream_cl.pipeline import batches, control, publish
from stream_cl.pipeline.absorb import absorb
from stream_cl.pipeline.decoded import Decoded
from stream_cl.pipeline.publish import Stamp, Verdicts
from stream_cl.pipeline.requests import Requests, repeated, withdrawn
from stream_cl.pipeline.scored import Scored
from stream_cl.pipeline.state import State


@dataclass(frozen=True, slots=True)
class Plan:
    """What does not change while the pipeline runs.

    partitions: output topic → number of partitions. every: labels come for all events.
    """

    topics: Topics
    partitions: Mapping[str, int]
    partition_for: Callable[[str, bytes], int]
    decoder: Decoder
    draws: Draws
    requests: Requests
    model: str
    every: bool


def score(state: State, read: Decoded, time_ms: int, incarnation: int, plan: Plan) -> Scored:
    """Predict and decide with S(k−1). Changes nothing.

    `time_ms` is the logical time of step k; the incarnation stands in headers only.
    """
    raw_events, events, letters = read.raw_events, read.events, read.event_letters
    events, letters = _without(events, _long_keys(raw_events, events), raw_events, letters)
    events, letters = _without(events, state.encoder.refused(events), raw_events, letters)
    events, words, duplicates, letters = _fresh(state, events, raw_events, letters, plan)
    encoded = state.encoder.encode(events)

    probabilities, failed = state.guard.predict(encoded.x)
    utilities = state.query.utility(
        Asking(encoded.x, probabilities, state.guard.learner, words[:, 2])
    )
    labelled = _labelled(state, events)
    draws = unit(np.ascontiguousarray(words.T))
    decision = state.budget.decide(
        Candidates(
            utilities.values,
            ask_draw=draws[0],
            held_out_draw=draws[1],
            allowed=~labelled & state.asking,
            time_ms=time_ms,
            keys=[raw_events.keys[row] for row in events.rows],
            predicted=likeliest(probabilities),
            x=encoded.x,
            spread=utilities.spread,
            **_room(state),
        )
    )
    best = np.maximum.reduce(probabilities, axis=1, initial=0.0)
    verdicts = Verdicts(probabilities, 1.0 - best, utilities.values, decision)

    scored = Scored(
        read.taken, time_ms, raw_events, read.raw_labels, events, words, encoded, labelled,
        utilities, verdicts, read.labels, read.commands, letters + read.other_letters, duplicates,
        failed, outputs=[],
    )  # fmt: skip
    stamp = Stamp(state.step + 1, incarnation, f"{plan.model}/{state.learned}")
    scored.outputs = _outputs(state, scored, stamp, plan)
    return scored


def learn(state: State, scored: Scored, plan: Plan, quarantine: str | None = None) -> None:
    """Turn S(k−1) into S(k), after the commit. The only place where state changes.

    On replay `quarantine` is the reason for which the manifest says that the learner failed
    on this step's labels.
    """
    state.window.commit(scored.events.content, scored.words)
    state.encoder.commit(scored.encoded)
    state.query.commit(scored.utilities)
    state.budget.commit(scored.verdicts.decision)
    state.step += 1
    state.time_ms = scored.time_ms
    unread_ms = scored.taken.unread_ms
    state.read_to_ms = scored.time_ms if unread_ms is None else min(scored.time_ms, unread_ms - 1)
    for at in scored.taken.slices:
        state.positions[at.at] = at.stop
    # What absorbing asks again is published by the next step, from which on the commands hold.
    state.asking = control.asking(state.asking, scored.commands)
    state.outbox = absorb(state, scored, plan.every, quarantine)


def _labelled(state: State, events: Events) -> npt.NDArray[np.bool_]:
    """`bool [n]`: the event's label came with it or before it."""
    if not len(state.join.early) and events.labels.count(None) == len(events):
        return np.zeros(len(events), dtype=np.bool_)
    early = state.join.early
    pairs = zip(events.ids, events.labels, strict=True)
    return np.array([label is not None or id_ in early for id_, label in pairs], dtype=np.bool_)


def _room(state: State) -> dict[str, Any]:
    """Requests that may still be opened: exploration has the last tenth for itself."""
    pending = state.join.pending
    room = pending.room
    return {"room": room - pending.capacity // 10, "room_floor": room, "open": len(pending)}


def likeliest(probabilities: Probabilities) -> npt.NDArray[np.int64]:
    """`int64 [n]`: the most probable class, −1 while none is known."""
    n, k = probabilities.shape
    return probabilities.argmax(axis=1) if k else np.full(n, -1, dtype=np.int64)


def _long_keys(raw: RawRecords, events: Events) -> list[Refusal]:
    """Events whose key would not fit beside the headers of their prediction."""
    if max([len(key) for key in raw.keys if key], default=0) <= KEY_BYTES:
        return []
    sizes = [len(raw.keys[row] or b"") for row in events.rows]
    return [
        Refusal(i, "too_large", f"the key has {size} bytes, more than {KEY_BYTES}")
        for i, size in enumerate(sizes)
        if size > KEY_BYTES
    ]


def _without(
    events: Events,
    refused: list[Refusal],
    raw: RawRecords,
    letters: list[DeadLetter],
) -> tuple[Events, list[DeadLetter]]:
    """The events that the encoder takes; the others become dead letters."""
    if not refused:
        return events, letters
    letters = letters + [_letter(raw, events.rows[i], code, why) for i, code, why in refused]
    gone = {i for i, _, _ in refused}
    return events.take([i for i in range(len(events)) if i not in gone]), letters


def _fresh(
    state: State, events: Events, raw: RawRecords, letters: list[DeadLetter], plan: Plan
) -> tuple[Events, npt.NDArray[np.uint64], int, list[DeadLetter]]:
    """The events that are new, their draws, how many were repeated, and the dead letters.

    An id with other content inside the window becomes a dead letter.
    """
    words = plan.draws.words(events.ids)
    pending = state.join.pending.contents
    verdicts = state.window.check(events.ids, events.content, words, pending)
    if not np.count_nonzero(verdicts):
        return events, words, 0, letters
    letters = list(letters)
    for i in np.flatnonzero(verdicts == CONFLICT).tolist():
        reason = f"id {events.ids[i]!r:.100} was seen with other content"
        letters.append(_letter(raw, events.rows[i], "duplicate_id", reason))
    fresh = np.flatnonzero(verdicts == FRESH)
    repeated = int((verdicts == DUPLICATE).sum())
    return events.take(fresh.tolist()), words[fresh], repeated, letters


def _letter(raw: RawRecords, row: int, code: str, reason: str) -> DeadLetter:
    return DeadLetter(raw.source(row), raw.keys[row], raw.values[row], code, reason)


def _outputs(state: State, scored: Scored, stamp: Stamp, plan: Plan) -> list[Outgoing]:
    """Predictions, requests and dead letters of this step; the outbox of the one before."""
    topics, events = plan.topics, scored.events
    names = state.join.classes.names
    values = publish.predictions(events, scored.verdicts, names, stamp)
    requests = [withdrawn(id_) for id_ in state.outbox.withdrawn]
    requests += [withdrawn(id_, request) for id_, request in state.outbox.lapsed]
    for id_, text in state.outbox.asked_again:
        requests += repeated(id_, text)
    asked = np.flatnonzero(scored.verdicts.decision.asked)
    if len(asked):
        shown = state.evidence.of(
            scored.verdicts.probabilities[asked],
            scored.verdicts.utility[asked],
            scored.encoded.x[asked],
        )
        opened = plan.requests.open(
            scored.raw_events, events, scored.verdicts, names, scored.time_ms, shown
        )
        scored.requests = [(request.key, request.value) for request in opened]
        scored.set_sizes = [one.size for one in shown]
        requests += opened
    letters = state.outbox.dead_letters + scored.dead_letters
    return [
        *batches.by_source(
            topics.predictions,
            values,
            scored.raw_events,
            events,
            partitions=plan.partitions[topics.predictions],
            common=stamp.headers,
        ),
        *batches.by_key(
            topics.label_requests,
            requests,
            scored.raw_events,
            plan.partition_for,
            stamp.headers,
        ),
        *batches.dead_letters(
            topics.dead_letters, letters, plan.partitions[topics.dead_letters], stamp.headers
        ),
    ]
