"""Avro with the schemas of a real registry: Apicurio, through Confluent's API.

Where one of these fails, what the scripted server of `tests/decode/test_registry.py` answers is
not what registries answer. Skipped, with a reason, where no registry can be had; with
`STREAM_CL_REQUIRE` naming `registry` that is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream_cl import build
from stream_cl.config import environment
from stream_cl.config.encoding import AvroFormat
from stream_cl.core.clock import SystemClock
from stream_cl.core.errors import Rejected, TransportError
from stream_cl.decode.registry import ID_MAX, SchemaRegistry
from stream_cl.testing.clock import FakeClock
from stream_cl.testing.decoder_contract import records
from stream_cl.testing.registry import ApicurioRegistry, NoRegistry
from tests.decode.avro_values import EVENT, MILLIS, framed, record_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def registry() -> Iterator[ApicurioRegistry]:
    one = ApicurioRegistry()
    try:
        one.__enter__()
    except NoRegistry as error:
        if "registry" in environment().get("STREAM_CL_REQUIRE", "").split(","):
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield one
    one.stop()


def test_events_by_schemas_of_the_registry(registry: ApicurioRegistry, tmp_path: Path) -> None:
    """Two versions of one subject, a schema that refers to another, and an id of nobody."""
    money = {**record_of(amount="double"), "name": "shop.Money"}
    order = {**record_of(id="string", time=MILLIS, features="shop.Money"), "name": "Order"}
    note = {"name": "note", "type": "string", "default": ""}
    newer = {**EVENT, "fields": [*EVENT["fields"], note]}
    registry.register("shop-value", money)
    refers = [{"name": "shop.Money", "subject": "shop-value", "version": 1}]
    ids = [
        registry.register("events-value", EVENT),
        registry.register("events-value", newer),
        registry.register("orders-value", order, refers),
    ]
    assert len({*ids}) == 3
    inline = {**order, "fields": [*order["fields"][:2], {"name": "features", "type": money}]}
    head = {"time": NOON, "features": {"amount": 0.5}}
    values = [
        framed(ids[0], EVENT, {**head, "id": "a", "label": "up"}),
        framed(ids[1], newer, {**head, "id": "b", "note": "n"}),
        framed(ids[2], inline, {**head, "id": "c"}),
        framed(ID_MAX, EVENT, {**head, "id": "d"}),
        framed(0, EVENT, {**head, "id": "e"}),
    ]
    decoder = build.decoder(AvroFormat(registry=registry.url), tmp_path)
    events, dead = decoder.events(records(values))
    assert (events.ids, events.labels) == (["a", "b", "c"], ["up", None, None])
    assert events.features == [{"amount": 0.5}] * 3
    assert [letter.code for letter in dead] == ["unknown_schema", "unknown_schema"]


def test_schemas_that_are_not_avro(registry: ApicurioRegistry) -> None:
    json = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}
    id_ = registry.register("json-value", json, kind="JSON")
    with pytest.raises(Rejected, match="not Avro"):
        SchemaRegistry(registry.url, SystemClock()).texts(id_)


def test_a_url_that_is_nearly_right(registry: ApicurioRegistry) -> None:
    """Every id seems unknown there; no event may be lost for it."""
    root = registry.url.partition("/apis")[0]
    for url in (root, f"{root}/apis", f"{registry.url}/schemas"):
        with pytest.raises(TransportError, match=r"format\.registry"):
            SchemaRegistry(url, FakeClock()).texts(1)


def test_what_is_known_is_read_while_it_is_down(registry: ApicurioRegistry, tmp_path: Path) -> None:
    """And what is not known stops the stream, until it is back."""
    if not registry.is_ours:
        pytest.skip("needs a registry that it may stop: unset STREAM_CL_REGISTRY")
    id_ = registry.register("down-value", EVENT)
    value = framed(id_, EVENT, {"id": "a", "time": NOON, "features": {}})
    decoder = build.decoder(AvroFormat(registry=registry.url), tmp_path)
    assert len(decoder.events(records([value]))[0]) == 1
    registry.stop()
    assert len(decoder.events(records([value]))[0]) == 1
    other = framed(id_ + 1, EVENT, {"id": "b", "time": NOON, "features": {}})
    with pytest.raises(TransportError, match="no answer"):
        decoder.events(records([value, other]))
