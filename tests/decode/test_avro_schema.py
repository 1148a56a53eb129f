"""Schemas that are read, and those that must not be: they come from outside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core.limits import SCHEMA_BYTES, SCHEMA_DEPTH
from stream_cl.decode.avro import AvroDecoder
from stream_cl.decode.avro_schema import parse
from stream_cl.testing.decoder_contract import records
from tests.decode.avro_values import MILLIS, Schemas, framed, record_of, refusal

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _nested(depth: int) -> Any:
    schema: Any = "int"
    for i in range(depth):
        schema = {"type": "record", "name": f"R{i}", "fields": [{"name": "a", "type": schema}]}
    return schema


def _bomb() -> Any:
    """2^30 values of no bytes, in forty lines."""
    fields: list[Any] = [{"name": "f0", "type": record_of(a="null")}]
    for i in range(30):
        inner = [{"name": n, "type": "R" if i == 0 else f"R{i - 1}"} for n in "ab"]
        fields.append({"name": f"g{i}", "type": {"type": "record", "name": f"R{i}",
                                                  "fields": inner}})  # fmt: skip
    return {"type": "record", "name": "Whole", "fields": fields}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("{", "not JSON"),
        ("7", "a type is 7"),
        ("null", "a type is null"),
        ('"null"', "takes no bytes"),
        ('"strange"', "no type 'strange'"),
        ([], "union of no types"),
        ({"type": "record", "name": "R", "fields": []}, "no fields"),
        ({"type": "record", "name": "R"}, "no fields"),
        ({"type": "record", "fields": [{"name": "a", "type": "int"}]}, "no name"),
        ({"type": "record", "name": "R", "fields": [{"type": "int"}]}, "no name"),
        ({"type": "array"}, "a type is null"),
        ({"type": "array", "items": "null"}, "takes no bytes"),
        ({"type": "array", "items": record_of(a="null")}, "takes no bytes"),
        ({"type": "enum", "name": "E", "symbols": []}, "no symbols"),
        ({"type": "enum", "name": "E", "symbols": [1]}, "no symbols"),
        ({"type": "fixed", "name": "F", "size": 0}, "size 0"),
        ({"type": "fixed", "name": "F", "size": 2**40}, "size"),
        (record_of(next=["null", "R"]), "holds itself"),
        (record_of(a=record_of(b="int")), "twice"),
        (_nested(SCHEMA_DEPTH), "nested deeper"),
        (_bomb(), "takes no bytes"),
        ('"' + "a" * SCHEMA_BYTES + '"', "longer than"),
        ([["int"], "string"], "union in a union"),
        (["int", "int"], ""),
    ],
)
def test_schemas_that_are_refused(schema: Any, reason: str) -> None:
    """A few lines of schema can make a decoder run for years, or take all memory."""
    assert reason in refusal(schema)


def test_the_deepest_schema_is_read() -> None:
    assert refusal(_nested(SCHEMA_DEPTH - 1)) == ""


def test_names_have_namespaces() -> None:
    """A type is found by its full name, by its short one inside its namespace, and by nobody
    else's."""
    inner = {"type": "fixed", "name": "F", "size": 1}
    outer = record_of(a=inner, b="F", c="n.F")
    assert refusal({**outer, "namespace": "n"}) == ""
    assert "no type 'm.F'" in refusal({**record_of(a=inner, b="m.F"), "namespace": "n"})
    assert refusal(record_of(a={**inner, "name": "n.F"}, b={**inner, "namespace": ""})) == ""


def test_schemas_that_refer_to_others() -> None:
    """As registries keep what several subjects share."""
    money = record_of(amount="double") | {"name": "shop.Money"}
    order = record_of(id="string", time=MILLIS, features="shop.Money")
    schema = parse([orjson.dumps(one).decode() for one in (money, order)])
    inline = record_of(id="string", time=MILLIS, features=money)
    value = framed(7, inline, {"id": "a", "time": NOON, "features": {"amount": 5.0}})

    class One:
        def get(self, id_: int) -> Any:
            return schema

    events, dead = AvroDecoder(One()).events(records([value]))
    assert (events.features, dead) == ([{"amount": 5.0}], [])


_types = st.recursive(
    st.sampled_from(["int", "null", "string", "bytes", "R", "n.R", "x", 7, None, True, ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.fixed_dictionaries(
            {"type": st.sampled_from(["record", "enum", "fixed", "array", "map", "int"]) | inner},
            optional={
                "name": st.sampled_from(["R", "n.R", "", 5, "Q"]),
                "namespace": st.sampled_from(["n", "", 5]),
                "fields": st.lists(
                    st.fixed_dictionaries({"name": st.sampled_from(["a", "b", 1]), "type": inner}),
                    max_size=3,
                )
                | inner,
                "items": inner,
                "values": inner,
                "size": st.integers(-1, 5),
                "symbols": st.lists(st.sampled_from(["A", "B", 1]), max_size=2),
                "logicalType": st.sampled_from(["decimal", "date", "uuid", 5]),
                "scale": st.integers(-1, 3) | st.text(max_size=1),
            },
        )
    ),
    max_leaves=10,
)


@given(_types, st.binary(max_size=30))
def test_any_schema_is_read_or_refused(schema: Any, body: bytes) -> None:
    """A registry takes what its clients give it; none of it may stop the stream."""
    if refusal(schema) == "":
        decoder = AvroDecoder(Schemas(s7=schema), features_field=None)
        events, dead = decoder.events(records([b"\0\0\0\0\7" + body]))
        assert len(events) + len(dead) == 1
