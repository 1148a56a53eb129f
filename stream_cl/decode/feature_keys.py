"""Features by name as keys with numbers, which is what the encoder `hashing` gives slots to.

| value | key | number |
|---|---|---|
| number or boolean of feature f | `f` | standardised, its logarithm if f is in `logarithmic` |
| text of at most `text_words` words | `f=text` | 1 |
| longer text | `f~word` for each distinct word, lower case | 1/√(distinct words) |
| anything of a feature in `categories` | `f=value` | 1 |
| null or absent | none | – |
| two features that interact | both keys as one | the product of their numbers |

What one feature says may depend on another: a reset connection is usual for one service and an
attack on the next. A linear learner adds up what each says, so it has to be given the two together
(`interactions`). A category and a number make a number of each category, standardised among its
own; two categories make a category. A longer text interacts with nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from math import sqrt
from typing import Final

from stream_cl.core.limits import FEATURE_ABS_MAX
from stream_cl.core.records import Features
from stream_cl.decode.standardise import ADD, SCALE, SCALE_LOG
from stream_cl.decode.vocabulary import escape

ALL: Final = "*"
"""In an interaction: every other feature of the event."""

Part = tuple[str, float, int]
"""A key, its number, and the mode in which that is entered, one of those of `standardise`."""

_WORD: Final = re.compile(r"\w+")
_WHOLE_MAX: Final = 2**53
_PREFIXES_KEPT: Final = 4096


class FeatureKeys:
    """Reads features. Stateless but for names that it need not escape again.

    Args: as `hashing.HashingEncoder` takes them.

    Raises:
        ValueError: a feature is a category and a logarithm, or interacts with itself, or two
            interact twice.
    """

    def __init__(
        self,
        text_words: int,
        categories: Iterable[str] = (),
        logarithmic: Iterable[str] = (),
        interactions: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._text_words = text_words
        self._categories, self._logarithmic = frozenset(categories), frozenset(logarithmic)
        if not self._categories.isdisjoint(self._logarithmic):
            raise ValueError("a feature is a category or a logarithm, not both")
        self._interactions = _Interactions(interactions)
        self._not_alone = self._categories | self._interactions.first
        self._prefixes: dict[str, str] = {}

    def numeric(self, names: Iterable[str]) -> bool:
        """Whether numbers of these names have one key each, that of their name."""
        return self._not_alone.isdisjoint(names)

    def mode(self, name: str) -> int:
        """How a number of the feature is entered."""
        return SCALE_LOG if name in self._logarithmic else SCALE

    def parts(self, features: Features) -> list[Part]:
        """The keys of one event, in the order of its features and then of the interactions."""
        parts: list[Part] = []
        interacting = bool(self._interactions.first)
        whole: dict[str, Part] = {}
        for name, value in features.items():
            if value is None:
                continue
            prefix = self._prefixes.get(name)
            if prefix is None:
                prefix = self._remember(name)
            if name in self._categories:
                code = value if type(value) is str else _code(float(value))
                part = f"{prefix}={code}", 1.0, ADD
            elif type(value) is not str:
                part = prefix, value, self.mode(name)
            elif len(value) < 2 * self._text_words or len(value.split()) <= self._text_words:
                part = f"{prefix}={value}", 1.0, ADD
            else:
                words = dict.fromkeys(_WORD.findall(value.lower()))
                share = 1.0 / sqrt(len(words)) if words else 0.0
                parts.extend((f"{prefix}~{word}", share, ADD) for word in words)
                continue
            parts.append(part)
            if interacting:
                whole[name] = part
        if whole:
            parts.extend(self._interactions.of(whole))
        return parts

    def _remember(self, name: str) -> str:
        if len(self._prefixes) >= _PREFIXES_KEPT:
            self._prefixes.clear()
        prefix = self._prefixes[name] = escape(name)
        return prefix


class _Interactions:
    """Which features are taken together.

    first: one of each pair; without any of them in an event nothing interacts there.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs: list[tuple[str, str]] = []
        self._with_all: dict[str, frozenset[str]] = {}
        ordered = [(b, a) if a == ALL else (a, b) for a, b in pairs]
        known: set[frozenset[str]] = set()
        for a, b in ordered:
            if a == b or frozenset((a, b)) in known:
                raise ValueError("an interaction is of two features, and named once")
            known.add(frozenset((a, b)))
            if b != ALL:
                self._pairs.append((a, b))
        stars = [a for a, b in ordered if b == ALL]
        for a in stars:
            # What the event would have twice: pairs by name, and those of the ones before.
            named = {name for pair in self._pairs if a in pair for name in pair}
            self._with_all[a] = frozenset({a, *named, *self._with_all})
        self.first = frozenset(a for a, _ in ordered)

    def of(self, parts: dict[str, Part]) -> Iterator[Part]:
        """What interacts among the parts of an event, by feature."""
        for a, b in self._pairs:
            if a in parts and b in parts:
                yield _together(parts[a], parts[b])
        for a, but in self._with_all.items():
            if a in parts:
                first = parts[a]
                for name, part in parts.items():
                    if name not in but:
                        yield _together(first, part)


def _together(first: Part, second: Part) -> Part:
    """Two parts as one. Of a category the number is 1, so that the other's is left as it is."""
    key, number, mode = first
    other_key, other, other_mode = second
    product = min(max(number * other, -FEATURE_ABS_MAX), FEATURE_ABS_MAX)
    if mode == ADD:
        mode = other_mode
    elif other_mode not in (ADD, mode):
        mode = SCALE
    # No escaped name begins with "\*", and with the length no two pairs look the same.
    return f"\\*{len(key)}:{key}{other_key}", product, mode


def _code(value: float) -> str:
    """A number as people write it, whatever type it came as; 0 has no sign."""
    return str(int(value)) if value.is_integer() and abs(value) <= _WHOLE_MAX else repr(value)
