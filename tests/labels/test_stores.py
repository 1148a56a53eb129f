"""The stores of open and closed questions against plain models: bounded, in order, restorable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_cl.core.records import Label, Source
from stream_cl.core.snapshot import digest
from stream_cl.labels.classes import Classes
from stream_cl.labels.closed import EXPIRED, Answer, Closed
from stream_cl.labels.early import EarlyLabel, EarlyLabels
from stream_cl.labels.pending import Pending, Waiting

IDS = [f"id {i}" for i in range(8)]
CAPACITY, TTL_MS, WIDTH = 5, 10, 3
_operations = st.lists(
    st.tuples(st.sampled_from(["add", "take", "evict", "expire", "restore"]), st.sampled_from(IDS)),
    max_size=40,
)


def waiting(ids: list[str], number: int, since_ms: int) -> Waiting:
    entry = Waiting.entries(len(ids))
    entry["event"] = number + np.arange(len(ids))
    entry["since_ms"] = since_ms
    entry["content"] = [len(id_) + number for id_ in ids]
    entry["word"] = [int(id_[3:]) * 2**61 + number for id_ in ids]
    entry["asked"] = True
    x = np.arange(WIDTH, dtype=np.float32) + number + np.arange(len(ids))[:, None] * 100
    return Waiting(ids, x.astype(np.float32), entry)


def seen(store: Waiting) -> tuple[Any, ...]:
    return store.ids[0], int(store.entry["event"][0]), store.x.tolist()


@settings(max_examples=200, deadline=None)
@given(_operations)
def test_pending_is_a_bounded_queue_by_id(operations):
    """Else features are learned with another event's label, or wait for ever."""
    store, model = Pending(CAPACITY, WIDTH, TTL_MS), dict[str, tuple[Any, ...]]()
    for now, (operation, id_) in enumerate(operations):
        if operation == "add" and id_ not in model and len(model) < CAPACITY:
            store.add(waiting([id_], now, now))
            model[id_] = (id_, now, waiting([id_], now, now).x.tolist())
        elif operation == "take":
            taken = store.take(id_)
            assert (taken and seen(taken)) == model.pop(id_, None)
        elif operation == "evict":
            assert [seen(w) for w in store.evict(2)] == [
                model.pop(oldest) for oldest in list(model)[:2]
            ]
        elif operation == "expire":
            due = [i for i, (_, since, _) in model.items() if since + TTL_MS <= now][:3]
            assert [seen(w) for w in store.expire(now, most=3)] == [model.pop(i) for i in due]
        elif operation == "restore":
            other = Pending(CAPACITY, WIDTH, TTL_MS)
            other.add(waiting(["id 7"], 99, 0))
            snapshot = store.snapshot()
            other.restore(snapshot)
            assert digest(other.snapshot()) == digest(snapshot)
            assert digest(other.fingerprint()) == digest(store.fingerprint())
            store = other
        assert len(store) == len(model) == CAPACITY - store.room
        assert list(store.contents) == list(model)
        assert all(i in store for i in model)
        if model:
            assert store.next_expiry_ms() == next(iter(model.values()))[1] + TTL_MS


def test_pending_refuses_what_it_has_no_room_for():
    """A broken invariant stops at once; it must not grow or overwrite."""
    store = Pending(2, WIDTH, TTL_MS)
    store.add(waiting(["id 0", "id 1"], 0, 0))
    with pytest.raises(AssertionError):
        store.add(waiting(["id 2"], 5, 0))
    store.take("id 0")
    with pytest.raises(AssertionError):
        store.add(waiting(["id 1"], 5, 0))


def test_pending_of_the_same_events_has_the_same_fingerprint():
    """In whatever slots they lie: a run that was restored has filled them otherwise."""
    one, other = Pending(3, WIDTH, TTL_MS), Pending(3, WIDTH, TTL_MS)
    one.add(waiting(["id 0", "id 1"], 0, 0))
    one.take("id 0")
    other.add(waiting(["id 0", "id 1"], 0, 0))
    other.take("id 1")
    assert digest(one.fingerprint()) != digest(other.fingerprint())
    other.take("id 0")
    alone = waiting(["id 0", "id 1"], 0, 0)
    other.add(Waiting(["id 1"], alone.x[1:], alone.entry[1:]))
    assert digest(one.fingerprint()) == digest(other.fingerprint())
    assert digest(one.snapshot()) == digest(other.snapshot())


def early(id_: str, offset: int, since_ms: int) -> EarlyLabel:
    label = Label(0, id_, "up", "anna", 1, "r/1", 0.5, 1234)
    return EarlyLabel(label, Source("labels", 0, offset), b"key", b"\x00value", since_ms)


@settings(max_examples=200, deadline=None)
@given(_operations)
def test_early_labels_are_a_bounded_queue_with_several_per_id(operations):
    """Else a label that came first is lost without a dead letter."""
    store, model = EarlyLabels(CAPACITY, TTL_MS), list[EarlyLabel]()
    for now, (operation, id_) in enumerate(operations):
        if operation == "add":
            evicted = store.add(early(id_, now, now))
            assert evicted == (model.pop(0) if len(model) == CAPACITY else None)
            model.append(early(id_, now, now))
        elif operation == "take":
            own = [label for label in model if label.label.id == id_]
            assert store.take(id_) == own
            model = [label for label in model if label.label.id != id_]
        elif operation == "expire":
            due = [label for label in model if label.since_ms + TTL_MS <= now][:2]
            assert store.expire(now, most=2) == due
            model = model[len(due) :]
        elif operation == "restore":
            other = EarlyLabels(CAPACITY, TTL_MS)
            other.add(early("id 7", 99, 0))
            snapshot = store.snapshot()
            other.restore(snapshot)
            # The row in the step that brought it means nothing any more.
            model = [label._replace(label=_at_no_row(label.label)) for label in model]
            assert digest(other.snapshot()) == digest(snapshot)
            assert digest(other.fingerprint()) == digest(store.fingerprint())
            store = other
        assert len(store) == len(model)
        assert {i for i in IDS if i in store} == {label.label.id for label in model}
        if model:
            assert store.next_expiry_ms() == model[0].since_ms + TTL_MS


def _at_no_row(label: Label) -> Label:
    return Label(-1, label.id, label.label, label.annotator, label.revision, label.request,
                 label.cost, label.time_ms)  # fmt: skip


def test_an_early_label_without_a_key_keeps_none():
    """The dead letter that it may become carries the key as it came: none is not empty."""
    store, other = EarlyLabels(3, TTL_MS), EarlyLabels(3, TTL_MS)
    store.add(early("id 0", 1, 0)._replace(key=None))
    other.restore(store.snapshot())
    (label,) = other.take("id 0")
    assert label.key is None
    assert label.value == b"\x00value"


_answers = st.builds(Answer, st.sampled_from(["a", "None", None]), st.sampled_from(["", "x"]))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(IDS), _answers), max_size=40))
def test_closed_questions_are_the_last_ones(closings):
    """Else a late label is taken for an unknown one, or memory grows for ever."""
    store, model = Closed(CAPACITY), dict[str, Answer]()
    for id_, answer in closings:
        store.close(id_, answer)
        model.pop(id_, None)
        model[id_] = answer
        model = dict(list(model.items())[-CAPACITY:])
    assert {i: store.get(i) for i in IDS if store.get(i)} == model
    other, direct = Closed(CAPACITY), Closed(CAPACITY)
    other.close("id 7", EXPIRED)
    other.restore(store.snapshot())
    for id_, answer in model.items():
        direct.close(id_, answer)
    assert (
        digest(store.fingerprint()) == digest(other.fingerprint()) == digest(direct.fingerprint())
    )
    assert digest(store.snapshot()) == digest(other.snapshot())


def test_an_expired_question_is_not_one_answered_with_the_word_none():
    one, other = Closed(3), Closed(3)
    one.close("id", EXPIRED)
    other.close("id", Answer("None"))
    assert digest(one.fingerprint()) != digest(other.fingerprint())


@given(st.lists(st.sampled_from(["a", "b", "c", "ü", "e"]), max_size=30), st.integers(1, 5))
def test_classes_are_numbered_by_first_appearance(labels, most):
    """Column j of every probability is class j: a number must never change or be given twice."""
    classes = Classes(most)
    order = list(dict.fromkeys(labels))[:most]
    for label in labels:
        assert classes.number(label) == (order.index(label) if label in order else None)
    other = Classes(most)
    other.number("of another life")
    other.restore(classes.snapshot())
    assert other.names == classes.names == order
    assert len(other) == len(order)
    assert [other.number(name) for name in order] == list(range(len(order)))


@pytest.mark.parametrize(
    "store",
    [
        lambda n: Pending(n, WIDTH, TTL_MS),
        lambda n: EarlyLabels(n, TTL_MS),
        Closed,
    ],
)
def test_a_smaller_store_refuses_what_it_cannot_hold(store):
    """A smaller capacity in the config must not lose labels or features in silence."""
    full = store(4)
    for i in range(4):
        match full:
            case Pending():
                full.add(waiting([f"id {i}"], i, i))
            case EarlyLabels():
                full.add(early(f"id {i}", i, i))
            case Closed():
                full.close(f"id {i}", Answer("a"))
    store(9).restore(full.snapshot())
    with pytest.raises(AssertionError, match="4 .*where 3"):
        store(3).restore(full.snapshot())
