"""Where outputs stand: the partition, the key and the headers of each record."""

from __future__ import annotations

from stream_cl.core.limits import KEY_BYTES, REASON_CHARS, RECORD_BYTES, TRACE_BYTES
from stream_cl.core.records import DeadLetter, RawRecords, Source
from stream_cl.pipeline.batches import Keyed, by_key, by_source, dead_letters
from tests.pipeline.test_publish import events_of

COMMON = (("step", b"7"), ("incarnation", b"3"))


def raw_of(partitions: list[int]) -> RawRecords:
    n = len(partitions)
    keys = [None if i % 3 else b"key %d" % i for i in range(n)]
    return RawRecords("in", partitions, list(range(100, 100 + n)), keys, [b"{}"] * n, [()] * n)


def test_predictions_stand_in_the_partition_of_their_event():
    """A reader of one partition gets the answers to what it wrote there, in order."""
    raw = raw_of([0, 1, 0, 5, 1])
    events = events_of([str(i) for i in range(5)]).take([0, 1, 3, 4])
    values = [b"%d" % row for row in events.rows]
    batches = by_source("out", values, raw, events, partitions=4, common=(("step", b"7"),))
    assert [(b.partition, list(b.values)) for b in batches] == [
        (0, [b"0"]), (1, [b"1", b"4"]), (1, [b"3"]),
    ]  # fmt: skip
    assert dict(batches[1].headers(1)) == {
        "topic": b"in", "partition": b"1", "step": b"7", "offset": b"104",
    }  # fmt: skip
    assert [list(b.keys) for b in batches] == [[b"key 0"], [b"1", b"4"], [b"key 3"]]


def test_requests_stand_in_the_partition_of_their_key():
    """A withdrawal must come after its request, so both are in one partition."""
    records = [Keyed(b"%d" % (i % 5), b"value %d" % i) for i in range(10)]
    batches = by_key("out", records, raw_of([]), lambda topic, key: int(key) % 3, COMMON)
    assert [b.partition for b in batches] == [0, 1, 2]
    for batch in batches:
        assert list(zip(batch.keys, batch.values, strict=True)) == [
            record[:2] for record in records if int(record.key) % 3 == batch.partition
        ]
        assert batch.headers(0) == COMMON
    assert by_key("out", [], raw_of([]), lambda topic, key: 0, COMMON) == []


def test_requests_name_their_event():
    """Else nobody can go from a question to the record that it is about; a withdrawal is about
    an event that came earlier."""
    records = [Keyed(b"a", b"1", row=1), Keyed(b"b", b"2"), Keyed(b"c", b"3", row=0)]
    (batch,) = by_key("out", records, raw_of([4, 5]), lambda topic, key: 0, COMMON)
    place = (("topic", b"in"), ("partition", b"5"), ("offset", b"101"))
    assert batch.headers(0) == COMMON + place
    assert batch.headers(1) == COMMON
    assert dict(batch.headers(2))["partition"] == b"4"


def test_a_trace_goes_on_with_prediction_and_request():
    """Else a trace ends where the pipeline begins."""
    raw = raw_of([0] * 4)
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    raw.headers[1] = (("other", b"1"), ("traceparent", trace), ("tracestate", b"a=1"))
    raw.headers[2] = (("traceparent", b"x" * (TRACE_BYTES + 1)),)
    events = events_of([str(i) for i in range(4)])
    (batch,) = by_source("out", [b""] * 4, raw, events, partitions=1, common=COMMON)
    assert dict(batch.headers(1)).items() >= {"traceparent": trace, "tracestate": b"a=1"}.items()
    assert [len(batch.headers(i)) for i in range(4)] == [5, 7, 5, 5]
    records = [Keyed(b"a", b"", row=row) for row in (None, 1, 3)]
    (batch,) = by_key("out", records, raw, lambda topic, key: 0, COMMON)
    assert [dict(batch.headers(i)).get("traceparent") for i in range(3)] == [None, trace, None]


def test_dead_letters_are_the_bytes_as_they_came():
    letters = [
        DeadLetter(Source("labels", p, 40 + p), key, value, "not_json", "wärum " * 40)
        for p, key, value in ((0, None, b"\xff\x00"), (3, b"\xff", None), (1, b"", b""))
    ]
    batches = dead_letters("out", letters, 2, COMMON)
    assert [(b.partition, list(b.keys), list(b.values)) for b in batches] == [
        (0, [None], [b"\xff\x00"]),
        (1, [b"\xff", b""], [b"", b""]),
    ]
    headers = dict(batches[1].headers(0))
    assert (headers["topic"], headers["partition"], headers["offset"]) == (b"labels", b"3", b"43")
    assert headers["code"] == b"not_json"
    assert len(headers["reason"].decode()) <= REASON_CHARS


def test_what_is_too_large_for_a_topic_is_cut():
    """Else one record of a log with other limits stops the pipeline for good."""
    source = Source("events", 0, 1)
    letters = [
        DeadLetter(source, b"k" * (KEY_BYTES + 1), b"v" * (RECORD_BYTES + 5), "too_large", "why"),
        DeadLetter(source, b"k", b"v", "not_json", "why"),
    ]
    (batch,) = dead_letters("out", letters, 1, COMMON)
    assert [len(key or b"") for key in batch.keys] == [KEY_BYTES, 1]
    assert [len(value) for value in batch.values] == [RECORD_BYTES, 1]
    headers = dict(batch.headers(0))
    assert (headers["key_bytes"], headers["value_bytes"]) == (b"16385", b"1000005")
    assert not {"key_bytes", "value_bytes"} & dict(batch.headers(1)).keys()
