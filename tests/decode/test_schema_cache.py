"""The cache of schemas: bounded, right, and not to be emptied by broken records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core.errors import Rejected, TransportError
from stream_cl.core.limits import SCHEMA_CACHE_BYTES
from stream_cl.decode.schema_cache import UNKNOWN_S, SchemaCache
from stream_cl.testing.clock import FakeClock


class Asked:
    """Takes the place of a registry: schema i is the text of i, and it counts."""

    def __init__(self, unknown: frozenset[int] = frozenset(), size: int = 1) -> None:
        self.unknown = unknown
        self.size = size
        self.ids: list[int] = []
        self.down = False

    def texts(self, id_: int) -> tuple[str, ...]:
        self.ids.append(id_)
        if self.down:
            raise TransportError("down")
        if id_ in self.unknown:
            raise Rejected("unknown_schema", f"no {id_}")
        return (str(id_).rjust(self.size),)


def cache(asked: Asked, capacity: int = 3, clock: FakeClock | None = None) -> SchemaCache[int]:
    def parse(texts: tuple[str, ...]) -> int:
        if int(texts[0]) >= 1000:
            raise Rejected("bad_schema", "not read")
        return int(texts[0])

    return SchemaCache(asked, parse, clock or FakeClock(), capacity)


@given(st.lists(st.integers(0, 12) | st.integers(1000, 1010)), st.integers(1, 5))
def test_the_cache_is_bounded_and_right(ids: list[int], capacity: int) -> None:
    """A topic of many schemas, or of records that name any id, must not fill the memory."""
    unknown = frozenset(range(8, 13))
    schemas = cache(Asked(unknown), capacity)
    for id_ in ids:
        if id_ in unknown or id_ >= 1000:
            with pytest.raises(Rejected):
                schemas.get(id_)
        else:
            assert schemas.get(id_) == id_
        assert len(schemas) <= 2 * capacity


def test_a_schema_is_asked_for_once() -> None:
    asked = Asked()
    schemas = cache(asked)
    for _ in range(5):
        assert [schemas.get(i) for i in (1, 2, 3)] == [1, 2, 3]
    assert asked.ids == [1, 2, 3]
    schemas.get(4)
    assert (schemas.get(2), schemas.get(3), asked.ids) == (2, 3, [1, 2, 3, 4])
    assert (schemas.get(1), asked.ids[4:]) == (1, [1])


def test_refused_ids_do_not_push_out_good_ones() -> None:
    """Else one producer of rubbish makes every step of the others ask again."""
    asked = Asked(frozenset(range(100, 200)))
    schemas = cache(asked)
    schemas.get(1)
    for id_ in (*range(100, 120), *range(1000, 1020)):
        with pytest.raises(Rejected):
            schemas.get(id_)
    schemas.get(1)
    assert asked.ids.count(1) == 1


def test_an_unknown_id_is_asked_for_again_later() -> None:
    """Somebody may register it; what is no Avro schema never becomes one."""
    clock, asked = FakeClock(), Asked(frozenset({100}))
    schemas = cache(asked, clock=clock)

    def refused(id_: int) -> str:
        with pytest.raises(Rejected) as caught:
            schemas.get(id_)
        return f"{caught.value.code}: {caught.value.reason}"

    said = [refused(100), refused(1000)]
    assert [refused(100), refused(1000)] == said
    assert asked.ids == [100, 1000]
    clock.advance(seconds=UNKNOWN_S + 1)
    assert refused(1000) == said[1]
    asked.unknown = frozenset()
    assert schemas.get(100) == 100
    assert asked.ids == [100, 1000, 100]


def test_an_outage_is_not_kept() -> None:
    asked = Asked()
    schemas = cache(asked)
    asked.down = True
    with pytest.raises(TransportError):
        schemas.get(1)
    asked.down = False
    assert schemas.get(1) == 1


def test_the_texts_are_bounded_together() -> None:
    asked = Asked(size=SCHEMA_CACHE_BYTES // 2 - 1)
    schemas = cache(asked, capacity=100)
    for id_ in (1, 2, 3):
        schemas.get(id_)
    assert len(schemas) == 2
