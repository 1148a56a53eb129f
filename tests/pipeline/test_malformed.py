"""Ten thousand malformed records among good ones, through the whole pipeline over the real log.

When this fails, bad input stops a stream, is lost without a trace, or takes good events with
it. What is malformed is so by construction or by the standard library's JSON parser, not by
ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from stream_cl.core.errors import RecordTooLarge
from stream_cl.core.limits import KEY_BYTES, REASON_CHARS, RECORD_BYTES
from stream_cl.core.records import DEAD_LETTER_CODES, Headers, Outgoing
from stream_cl.testing.driver import TestDriver
from tests.corpus import malformed as corpus

MUTATED: Final = 10_000
_AT_ONCE: Final = 50
_GOOD_EVERY: Final = 5
"""One good event after so many malformed records."""


class Bad(NamedTuple):
    """A malformed record, and the code that it must have where that is known."""

    topic: str
    value: bytes | None
    headers: Headers = ()
    code: str | None = None


GOOD: Final[dict[str, dict[str, Any]]] = {
    "events": {
        "v": 1,
        "id": "never-good",
        "time": "2026-11-21T09:00:00.000Z",
        "features": {"x": 1.5, "colour": "red", "on": True, "note": None},
    },
    "labels": {
        "v": 1,
        "id": "never-good",
        "label": "up",
        "annotator": "ann",
        "time": 1_760_000_000_000,
        "revision": 0,
        "request": "never-good/1",
        "cost": 0.5,
    },
}
WRONG: Final[dict[str, dict[str, list[Any]]]] = {
    "v": {"bad_version": [0, 2, "1", 1.5, True, [1], {}]},
    "id": {"bad_id": [None, "", 7, 1.5, True, ["a"], {"a": 1}, "i" * 257, "a\nb", "\x00"]},
    "time": {
        "bad_time": [True, 1.5, "", "now", "2026-11-21", "2026-11-21T09:00:00", [], {}, 10**18]
    },
    "features": {
        "bad_features": [None, 1, "x", True, [1, 2], {"": 1}],
        "bad_value": [{"x": 1e200}, {"x": [1]}, {"x": {"y": 1}}, {"a": 1, "b": []}],
        "too_large": [{"n" * 257: 1}, {"x": "t" * 100_001}],
    },
    "label": {"bad_label": ["", [], {}, ["a"], "l" * 257, "a\u0007"]},
    "annotator": {"bad_annotator": [1, True, ["a"], "n" * 257]},
    "revision": {"bad_revision": [-1, 1.0, "1", True, [0]]},
    "request": {"bad_request": [1, "", True, []]},
    "cost": {"bad_cost": [-0.5, "1", True, []]},
}
"""Field → code → values that are refused with it."""
_NEEDED: Final = {
    "events": {"id": "bad_id", "time": "bad_time", "features": "bad_features"},
    "labels": {"id": "bad_id", "label": "bad_label"},
}
_topics = st.sampled_from(["events", "labels"])


@st.composite
def _wrong_field(draw: st.DrawFn) -> Bad:
    """A good record with one value that it must not have."""
    topic = draw(_topics)
    field = draw(st.sampled_from([name for name in GOOD[topic] if name in WRONG]))
    code = draw(st.sampled_from(list(WRONG[field])))
    value = orjson.dumps({**GOOD[topic], field: draw(st.sampled_from(WRONG[field][code]))})
    return Bad(topic, value, code=code)


@st.composite
def _without_a_field(draw: st.DrawFn) -> Bad:
    topic = draw(_topics)
    field = draw(st.sampled_from(list(_NEEDED[topic])))
    rest = {name: value for name, value in GOOD[topic].items() if name != field}
    return Bad(topic, orjson.dumps(rest), code=_NEEDED[topic][field])


@st.composite
def _cut_short(draw: st.DrawFn) -> Bad:
    """What a broken connection leaves: a prefix of an object is no JSON."""
    topic = draw(_topics)
    whole = orjson.dumps(GOOD[topic])
    return Bad(topic, whole[: draw(st.integers(0, len(whole) - 1))], code="not_json")


@st.composite
def _overwritten(draw: st.DrawFn) -> Bad:
    """Some bytes are others, or there twice, and it is no JSON any more."""
    topic = draw(_topics)
    value = bytearray(orjson.dumps(GOOD[topic]))
    start = draw(st.integers(0, len(value) - 1))
    stop = start + draw(st.integers(0, 6))
    value[start:stop] = draw(st.binary(max_size=4) | st.just(bytes(value[start:stop]) * 2))
    if is_json(bytes(value)):
        value[start:start] = b'"{'  # an open text: whatever was harmless is not any more
        value += b"\x00"
    return Bad(topic, bytes(value), code="not_json")


@st.composite
def _anything(draw: st.DrawFn) -> Bad:
    """Bytes, or JSON that is no object."""
    value = draw(
        st.binary(max_size=30).filter(lambda body: not is_json(body))
        | st.sampled_from([1, "x", None, True, [1], [{}], 1.5, []]).map(orjson.dumps)
    )
    return Bad(draw(_topics), value)


def is_json(value: bytes) -> bool:
    """Whether the standard library reads it, without its NaN and Infinity."""
    try:
        json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def mutated() -> list[Bad]:
    """Always the same MUTATED records."""
    records: list[Bad] = []
    kinds = [_wrong_field(), _without_a_field(), _cut_short(), _overwritten(), _anything()]

    @seed(20261121)
    @settings(
        max_examples=2 * MUTATED // _AT_ONCE,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.one_of(kinds), min_size=_AT_ONCE, max_size=_AT_ONCE))
    def collect(drawn: list[Bad]) -> None:
        records.extend(drawn)

    collect()
    assert len(records) >= MUTATED
    return records[:MUTATED]


def kept() -> Iterator[Bad]:
    """The corpus, as far as a log takes it."""
    for topic, entries in (("events", corpus.EVENTS), ("labels", corpus.LABELS)):
        for value, headers, code in entries:
            if value is None or len(value) <= RECORD_BYTES:
                yield Bad(topic, value, headers, code)


def test_ten_thousand_malformed_records_become_dead_letters_and_nothing_else_suffers() -> None:
    bad = [*kept(), *mutated()]
    config = {"step": {"max_events": 1000}, "encoder": {"kind": "hashing", "width": 16}}
    with TestDriver(config) as driver:
        sent = _send(driver, bad)
        assert len(sent) == len(bad)
        driver.settle(expiry=False)
        letters = _letters(driver)
        wrong = {
            at: letters.get(at)
            for at, entry in sent.items()
            if not _as_sent(letters.get(at), entry, bad)
        }
        assert not wrong, f"{len(wrong)} of {len(sent)}, such as {list(wrong.items())[:3]}"
        assert letters.keys() == sent.keys(), "a good record became a dead letter"
        predicted = [read.value["id"] for read in driver.read("predictions")]
        assert predicted == [f"good-{i}" for i in range(len(predicted))]
        assert len(predicted) == -(-len(bad) // _GOOD_EVERY)
        assert driver.pipeline is not None
        assert driver.pipeline.lag() == 0


def test_what_is_larger_than_a_record_may_be_is_refused_by_the_log() -> None:
    """A producer learns of it at once; the pipeline never sees it."""
    with TestDriver() as driver, pytest.raises(RecordTooLarge):
        driver.pipe("events", [b" " * (RECORD_BYTES + 1)])


def _send(driver: TestDriver, bad: list[Bad]) -> dict[tuple[str, int], Bad]:
    """Append everything; returns topic and offset of each malformed record."""
    sent = {}
    for start in range(0, len(bad), 100):
        batches: list[Outgoing] = []
        for number, entry in enumerate(bad[start : start + 100], start):
            if number % _GOOD_EVERY == 0:
                good = {**GOOD["events"], "id": f"good-{number // _GOOD_EVERY}"}
                batches.append(Outgoing("events", 0, [None], [orjson.dumps(good)]))
            values: list[Any] = [entry.value]  # a value may be null in what others write
            batches.append(Outgoing(entry.topic, 0, [_key(number)], values, entry.headers))
        offsets = driver.log.append(batches)
        for batch, offset in zip(batches, offsets, strict=True):
            if batch.keys[0] is not None:
                sent[batch.topic, offset] = bad[_number(batch.keys[0])]
    return sent


def _key(number: int) -> bytes:
    """Keys are bytes, too, and need not be text."""
    return b"\xff%d" % number


def _number(key: bytes) -> int:
    return int(key[1:])


class Letter(NamedTuple):
    """A dead letter, as an operator finds it."""

    key: bytes | None
    code: str
    reason: str
    value: bytes | None


def _letters(driver: TestDriver) -> dict[tuple[str, int], Letter]:
    """Topic and offset of the record → its dead letter; there is one of each."""
    letters = {}
    offset, count = 0, 0
    while len(chunk := driver.log.read("dead-letters", 0, offset, 10_000)):
        for key, value, headers in zip(chunk.keys, chunk.values, chunk.headers, strict=True):
            said = {name: body.decode() for name, body in headers}
            letter = Letter(key, said["code"], said["reason"], value)
            letters[said["topic"], int(said["offset"])] = letter
        count += len(chunk)
        offset = chunk.offsets[-1] + 1
    assert len(letters) == count, "a record became two dead letters"
    return letters


def _as_sent(letter: Letter | None, entry: Bad, bad: list[Bad]) -> bool:
    return (
        letter is not None
        and letter.code in DEAD_LETTER_CODES
        and letter.code == (entry.code or letter.code)
        and 0 < len(letter.reason) <= REASON_CHARS
        and letter.value == (entry.value or b"")
        and letter.key is not None
        and bad[_number(letter.key)] is entry
    )


def test_a_key_that_nearly_fills_a_record(tmp_path: Path) -> None:
    """Its prediction and its dead letter have headers that the record had not: else writing them
    fails at every start, and the pipeline never gets past it."""
    value = orjson.dumps({"id": "a", "time": 1, "features": {"x": 1}})
    keys = [b"k" * RECORD_BYTES, b"k" * (KEY_BYTES + 1), b"k" * KEY_BYTES, b"k" * RECORD_BYTES]
    values = [value, value, value.replace(b'"a"', b'"b"'), b"not JSON"]
    with TestDriver({}, tmp_path) as driver:
        driver.pipe("events", values, keys)
        driver.pipe("labels", [b"not JSON"], [b"k" * RECORD_BYTES])
        driver.settle()
        (prediction,) = driver.read("predictions")
        letters = driver.read("dead-letters")
    assert prediction.value["id"] == "b"
    codes = [dict(letter.headers)["code"] for letter in letters]
    assert sorted(codes) == ["not_json", "not_json", "too_large", "too_large"]


def test_an_event_that_nearly_fills_a_record_and_is_asked_for(tmp_path: Path) -> None:
    """A question says more than its event: else it cannot be written, at every start again."""
    features = {f"t{i}": "x" * 99_000 for i in range(10)}
    room = RECORD_BYTES - len(orjson.dumps({"id": "a", "time": 1, "features": features})) - 7
    value = orjson.dumps({"id": "a", "time": 1, "features": {**features, "z": "y" * room}})
    assert len(value) == RECORD_BYTES
    with TestDriver({}, tmp_path) as driver:
        driver.pipe("events", [value])
        driver.settle()
        (prediction,) = driver.read("predictions")
        (question,) = driver.read("label-requests")
    assert prediction.value["asked"]
    assert question.value["features"] == {}
    assert question.value["features_left_out"] is True
