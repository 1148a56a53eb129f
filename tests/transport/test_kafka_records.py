"""Record batches: what is joined here is read by kafka-python, and the other way round."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecordsBuilder

from stream_cl.core.records import Outgoing
from stream_cl.transport.kafka_records import Columns, Damaged, bodies

HEAD = DefaultRecordBatch.HEADER_STRUCT.size
NAMES = st.text(max_size=8)
VALUES = st.binary(max_size=200)
RECORDS = st.tuples(st.none() | VALUES, st.none() | VALUES, st.lists(st.tuples(NAMES, VALUES)))


@st.composite
def outgoing(draw: st.DrawFn) -> Outgoing:
    n = draw(st.integers(1, 40))
    column = st.lists(st.none() | VALUES, min_size=n, max_size=n)
    common = tuple(draw(st.lists(st.tuples(NAMES, VALUES), max_size=3)))
    each: dict[str, Sequence[bytes | None]] = draw(st.dictionaries(NAMES, column, max_size=3))
    return Outgoing("t", 0, draw(column), draw(column), common, each)


@given(outgoing(), st.integers(1, 2000))
def test_what_is_joined_is_what_kafka_python_reads(batch: Outgoing, body_bytes: int) -> None:
    """Else consumers get other records than the step wrote, or a broker refuses them."""
    keys, values, headers, total = [], [], [], 0
    for body, records in bodies(batch, body_bytes):
        built = MemoryRecordsBuilder(2, 0, 0)
        inner = built._builder
        inner._buffer += body
        inner._num_records, inner._last_offset, inner._first_timestamp = records, records - 1, 5
        read = list(DefaultRecordBatch(bytes(inner.build())))
        assert [record.offset for record in read] == list(range(records))
        keys += [record.key for record in read]
        values += [record.value for record in read]
        headers += [tuple(record.headers) for record in read]
        total += records
        assert len(body) <= body_bytes + 3 * records or records == 1
    assert total == len(batch)
    assert (keys, values) == (list(batch.keys), list(batch.values))
    assert headers == [batch.headers(i) for i in range(total)]


@given(st.lists(RECORDS, min_size=1, max_size=40), st.booleans(), st.integers(0, 2**40))
def test_what_kafka_python_wrote_is_cut(
    records: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]],
    append_time: bool,
    base: int,
) -> None:
    """Else events of other producers reach the learner changed."""
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 30)
    for i, (key, value, headers) in enumerate(records):
        builder.append(i, 1_000_000 + 77 * i, key, value, headers)
    body = bytes(builder.build())[HEAD:]
    columns = Columns()
    columns.cut(body, len(records), base, 123 if append_time else None, 1_000_000)
    assert columns.offsets == [base + i for i in range(len(records))]
    expected = [123 if append_time else 1_000_000 + 77 * i for i in range(len(records))]
    assert columns.timestamps_ms == expected
    assert columns.keys == [key for key, _, _ in records]
    assert columns.values == [value for _, value, _ in records]
    assert columns.headers == [tuple(headers) for _, _, headers in records]


@given(outgoing(), st.data())
def test_damage_is_found_and_leaves_nothing(batch: Outgoing, data: st.DataObject) -> None:
    """Else half a batch would be taken for the whole."""
    ((body, records),) = bodies(batch, 1 << 30)
    columns = Columns()
    columns.cut(body, records, 0, 1, 1)
    with pytest.raises(Damaged):
        columns.cut(body[: data.draw(st.integers(0, len(body) - 1))], records, 0, 1, 1)
    with pytest.raises(Damaged):
        columns.cut(body, records + 1, 0, 1, 1)
    assert len(columns) == records == len(columns.values) == len(columns.headers)


def test_a_header_name_that_is_no_text_is_read() -> None:
    """Else one record of a foreign client would stop the stream."""
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 30)
    builder.append(0, 5, None, b"v", [("name", None)])
    body = bytes(builder.build())[HEAD:].replace(b"name", b"n\xffme")
    columns = Columns()
    columns.cut(body, 1, 0, 5, 5)
    assert columns.headers == [(("n�me", b""),)]
