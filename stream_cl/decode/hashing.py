"""Features of any kind into a fixed width: the encoder for streams whose schema is not known.

What keys features have stands in `feature_keys`; number i of a vector has the key `[i]` and is
standardised. What is absent is 0, for a number its mean.

Keys get slots by `vocabulary.Vocabulary`. In a shared slot a key adds up with others, by its
sign: a number v as ± sign(v)·log1p|v|, a word or category as ± its value.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stream_cl.core.limits import WIDTH_MAX
from stream_cl.core.records import Events
from stream_cl.core.snapshot import Snapshot
from stream_cl.decode.encoder import Encoded, Refusal, by_name, row_blank, same_length, same_names
from stream_cl.decode.feature_keys import FeatureKeys, Part
from stream_cl.decode.standardise import (
    ADD,
    ADD_LOG,
    SUBTRACT_LOG,
    join_moments,
    no_moments,
    put_entries,
    put_rows,
    split_moments,
)
from stream_cl.decode.texts import pack_texts, unpack_texts
from stream_cl.decode.vocabulary import Vocabulary, escape

_LAYOUTS_KEPT: Final = 64


class _Layout(NamedTuple):
    """Where the numbers of one schema go. `columns` are those that go anywhere, `own` which of
    these have a slot of their own, and so moments."""

    columns: npt.NDArray[np.int64]
    slots: npt.NDArray[np.int64]
    modes: npt.NDArray[np.int8]
    own: npt.NDArray[np.bool_]
    overflow_keys: int


class _Update(NamedTuple):
    added: dict[str, int]
    touched: npt.NDArray[np.int64]
    moments: npt.NDArray[np.float64]
    overflow_keys: int


class _Entries:
    """The non-missing values of a step's events, one after another."""

    def __init__(self) -> None:
        self.starts = [0]
        self.values: list[float] = []
        self.slots: list[int] = []
        self.modes: list[int] = []
        self.overflow_keys = 0


class HashingEncoder:
    """Numbers, booleans, categories, texts and vectors, known beforehand or not.

    Takes every event. A feature may appear, vanish, be null or change its type at any time.

    Counter: `overflow_keys`, the values whose key had no slot of its own.
    Memory: 40 bytes per slot, and 250 bytes per key of the vocabulary. Cost: 0.6 µs per
    event of ten numbers with the same names, 0.7 µs per feature or word otherwise.

    Args:
        width: numbers per encoded event, at most `limits.WIDTH_MAX`.
        overflow: how many of these are shared by the keys that come last; 0 … width.
        text_words: a text of more words than this is read word by word.
        categories: names of features whose values are names, whatever they look like: a number
            is a code there, and 3, 3.0 and "3" are the same one. A boolean is 0 or 1. Whole
            numbers beyond 2⁵³ have to come as text, since a number does not hold all of them.
        logarithmic: names of features that are sizes or counts, read as sign(v)·log1p|v|.
        interactions: pairs of names of features that are also encoded together; "*" in one is
            every other feature of the event. Each costs as much as a feature more.

    Raises:
        ValueError: values that cannot be, or that cannot stand together.
    """

    def __init__(
        self,
        width: int,
        overflow: int,
        text_words: int = 3,
        categories: Iterable[str] = (),
        logarithmic: Iterable[str] = (),
        interactions: Iterable[tuple[str, str]] = (),
    ) -> None:
        if not 0 < width <= WIDTH_MAX or not 0 <= overflow <= width:
            raise ValueError(f"need 0 < width ≤ {WIDTH_MAX} and 0 ≤ overflow ≤ width")
        self._width = width
        self._keys = FeatureKeys(text_words, categories, logarithmic, interactions)
        self._vocabulary = Vocabulary(width - overflow, overflow)
        self._moments = no_moments(width)
        self._overflow_keys = 0
        # These only spare work: a place never changes.
        self._layouts: dict[tuple[str, ...] | int, _Layout] = {}

    @property
    def width(self) -> int:
        return self._width

    @property
    def counters(self) -> dict[str, int]:
        return {"overflow_keys": self._overflow_keys}

    @property
    def keys(self) -> list[str]:
        """The key of each slot that one key has for itself, slot 0 first."""
        return self._vocabulary.keys()

    def refused(self, events: Events) -> list[Refusal]:
        """None ever."""
        return []

    def encode(self, events: Events) -> Encoded:
        schema = same_names(events) or same_length(events)
        if schema and self._numeric(schema):
            return self._encode_alike(events, schema)
        return self._encode_any(events)

    def commit(self, encoded: Encoded) -> None:
        update: _Update = encoded.update
        self._vocabulary.add(update.added)
        self._moments[:, update.touched] = update.moments
        self._overflow_keys = update.overflow_keys

    def snapshot(self) -> Snapshot:
        return {
            "keys": pack_texts(self.keys),
            "moments": split_moments(self._moments, len(self._vocabulary)),
            "counters": self.counters,
        }

    def restore(self, snapshot: Snapshot) -> None:
        self._vocabulary.restore(unpack_texts(snapshot["keys"]))
        self._moments = join_moments(snapshot["moments"], self._width)
        self._overflow_keys = snapshot["counters"]["overflow_keys"]
        self._layouts.clear()

    def fingerprint(self) -> Snapshot:
        """As `snapshot`, with the vocabulary's incremental digest for its keys."""
        return {
            "keys": self._vocabulary.digest(),
            "moments": split_moments(self._moments, len(self._vocabulary)),
            "counters": self.counters,
        }

    def _encode_alike(self, events: Events, schema: tuple[str, ...] | int) -> Encoded:
        """Events that all have the same numbers: one array in, one out."""
        n = len(events)
        added: dict[str, int] = {}
        layout = self._layout(schema, added)
        flat = np.frombuffer(bytearray().join(events.numbers), np.float64)  # type: ignore[arg-type]
        values = flat.reshape(n, -1)
        if len(layout.columns) < values.shape[1]:
            values = np.ascontiguousarray(values[:, layout.columns])
        x = row_blank(n, self._width)
        moments = np.take(self._moments, layout.slots, axis=1)
        put_rows(values, layout.slots, layout.modes, moments, x)
        own, overflow_keys = layout.own, self._overflow_keys + layout.overflow_keys * n
        return Encoded(x, [], _Update(added, layout.slots[own], moments[:, own], overflow_keys))

    def _encode_any(self, events: Events) -> Encoded:
        """Events of any kinds, one by one."""
        entries, added = _Entries(), dict[str, int]()
        for features, packed, vector in zip(
            events.features, events.numbers, events.vectors, strict=True
        ):
            schema: tuple[str, ...] | int = ()
            if packed is not None:
                schema = tuple(features) if features is not None else len(vector or ())
            if packed is not None and self._numeric(schema):
                layout = self._layout(schema, added)
                entries.values.extend(np.frombuffer(packed)[layout.columns].tolist())
                entries.slots.extend(layout.slots.tolist())
                entries.modes.extend(layout.modes.tolist())
                entries.overflow_keys += layout.overflow_keys
            elif features is not None:
                self._enter(self._keys.parts(by_name(features, packed)), entries, added)
            entries.starts.append(len(entries.values))
        x = row_blank(len(events), self._width)
        slots = np.array(entries.slots, dtype=np.int64)
        modes = np.array(entries.modes, dtype=np.int8)
        touched, places = np.unique(slots, return_inverse=True)
        moments = np.take(self._moments, touched, axis=1)
        starts, values = np.array(entries.starts), np.array(entries.values, dtype=np.float64)
        put_entries(starts, values, slots, modes, places, moments, x)
        overflow_keys = self._overflow_keys + entries.overflow_keys
        return Encoded(x, [], _Update(added, touched, moments, overflow_keys))

    def _numeric(self, schema: tuple[str, ...] | int) -> bool:
        """Whether the numbers of a schema are all read as numbers."""
        return isinstance(schema, int) or self._keys.numeric(schema)

    def _layout(self, schema: tuple[str, ...] | int, added: dict[str, int]) -> _Layout:
        """Where the numbers of a schema go: names, or the length of a vector."""
        layout = self._layouts.get(schema)
        if layout is not None:
            return layout
        before = len(added)
        keys = (
            map(escape, schema) if isinstance(schema, tuple) else map("[{}]".format, range(schema))
        )
        places = [self._vocabulary.place(key, added) for key in keys]
        columns = [column for column, place in enumerate(places) if place is not None]
        kept = [place for place in places if place is not None]
        names = schema if isinstance(schema, tuple) else ("",) * schema
        as_named = [self._keys.mode(names[j]) for j in columns]
        modes = [
            _shared(mode, sign) if sign else mode
            for mode, (_, sign) in zip(as_named, kept, strict=True)
        ]
        own = np.array([not sign for _, sign in kept], dtype=np.bool_)
        layout = _Layout(
            np.array(columns, dtype=np.int64),
            np.array([slot for slot, _ in kept], dtype=np.int64),
            np.array(modes, dtype=np.int8),
            own,
            len(places) - int(own.sum()),
        )
        # What rests on keys that are not committed may never be true.
        if not before and not added:
            if len(self._layouts) >= _LAYOUTS_KEPT:
                self._layouts.clear()
            self._layouts[schema] = layout
        return layout

    def _enter(self, parts: Iterable[Part], entries: _Entries, added: dict[str, int]) -> None:
        """Enter what one event has, in its order."""
        values, slots, modes = entries.values, entries.slots, entries.modes
        for key, value, mode in parts:
            place = self._vocabulary.place(key, added)
            if place is None:
                entries.overflow_keys += 1
                continue
            slot, sign = place
            entries.overflow_keys += sign != 0
            slots.append(slot)
            values.append(-value if sign < 0 and mode == ADD else value)
            modes.append(_shared(mode, sign) if sign else mode)


def _shared(mode: int, sign: int) -> int:
    """The mode of what goes into a slot that is shared, with this sign: a number is added there by
    its logarithm."""
    if mode == ADD:
        return ADD
    return ADD_LOG if sign > 0 else SUBTRACT_LOG
