"""Parsed schemas by id: bounded, with what was refused kept apart."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from stream_cl.core.clock import Clock
from stream_cl.core.errors import Rejected
from stream_cl.core.limits import SCHEMA_CACHE_BYTES

UNKNOWN_S: Final = 30.0
"""How long an id that the registry did not know is not asked for again."""
T = TypeVar("T")


class Registry(Protocol):
    """What is asked for schemas; mostly a `SchemaRegistry`."""

    def texts(self, id_: int) -> tuple[str, ...]:
        """The texts of schema `id_`, see `SchemaRegistry.texts`."""
        ...


class SchemaCache(Generic[T]):
    """Keeps the schemas used last. Ids that are refused are kept apart from them, so that broken
    records cannot push out what good ones need.

    Args:
        registry: is asked for what is not here.
        parse: from a schema's texts to what is kept.
        clock: says when an unknown id may be asked for again.
        capacity: schemas kept, and as many refused ids; the texts of the schemas take at most
            `limits.SCHEMA_CACHE_BYTES` together, unless one alone does.
    """

    def __init__(
        self,
        registry: Registry,
        parse: Callable[[tuple[str, ...]], T],
        clock: Clock,
        capacity: int,
    ) -> None:
        self._registry = registry
        self._parse = parse
        self._clock = clock
        self._capacity = capacity
        self._schemas: OrderedDict[int, tuple[T, int]] = OrderedDict()
        self._bytes = 0
        self._refused: OrderedDict[int, tuple[str, str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._schemas) + len(self._refused)

    def get(self, id_: int) -> T:
        """The schema `id_`.

        Raises:
            Rejected: `unknown_schema` or `bad_schema`.
            TransportError: the registry does not say.
        """
        kept = self._schemas.get(id_)
        if kept is not None:
            self._schemas.move_to_end(id_)
            return kept[0]
        refused = self._refused.get(id_)
        if refused is not None:
            code, reason, until_s = refused
            if self._clock.monotonic_s() < until_s:
                raise Rejected(code, reason)
            del self._refused[id_]
        try:
            texts = self._registry.texts(id_)
            schema = self._parse(texts)
        except Rejected as rejected:
            self._refuse(id_, rejected)
            raise
        self._keep(id_, schema, sum(map(len, texts)))
        return schema

    def _keep(self, id_: int, schema: T, size: int) -> None:
        self._schemas[id_] = schema, size
        self._bytes += size
        while len(self._schemas) > self._capacity or (
            self._bytes > SCHEMA_CACHE_BYTES and len(self._schemas) > 1
        ):
            _, (_, gone) = self._schemas.popitem(last=False)
            self._bytes -= gone

    def _refuse(self, id_: int, rejected: Rejected) -> None:
        for_ever = rejected.code == "bad_schema"  # it never changes under its id
        until_s = float("inf") if for_ever else self._clock.monotonic_s() + UNKNOWN_S
        self._refused[id_] = rejected.code, rejected.reason, until_s
        if len(self._refused) > self._capacity:
            self._refused.popitem(last=False)
