"""A bounded vocabulary: which key has which slot.

The first keys get slots of their own, in order of first appearance; when these are used up
every later key shares the overflow slots by signed hashing (Weinberger et al. 2009,
"Feature hashing for large scale multitask learning"). Neither ever changes afterwards.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final, NamedTuple
from zlib import crc32

from stream_cl.core.snapshot import SetDigest

KEY_BYTES: Final = 100
"""Longest key that is kept as it is; of a longer one a hash and the beginning are kept."""
_BEGINNING_CHARS: Final = 16
_SPECIAL: Final = re.compile(r"([\\=~\[])")


class Place(NamedTuple):
    """Where a key goes. `sign` is 0 for a slot of its own, ±1 for a shared one."""

    slot: int
    sign: int


def escape(name: str) -> str:
    """A feature's name with `=`, `~`, `[` and `\\` marked, so that the key `name=value` of
    one feature is never that of another."""
    return _SPECIAL.sub(r"\\\1", name)


class Vocabulary:
    """Keys and their slots.

    Memory: at most `own` keys of `KEY_BYTES` bytes, about 250 bytes each in all.

    Args:
        own: slots 0 … own − 1 belong to one key each.
        overflow: the slots after them, shared by all other keys; with 0 those have none.
    """

    def __init__(self, own: int, overflow: int) -> None:
        self.own = own
        self.overflow = overflow
        self._slots: dict[str, int] = {}
        self._digest = SetDigest()

    def __len__(self) -> int:
        return len(self._slots)

    def place(self, key: str, added: dict[str, int]) -> Place | None:
        """Where `key` goes, None if nowhere. Pure but for `added`, which takes new keys."""
        if len(key) * 4 > KEY_BYTES and len(key.encode()) > KEY_BYTES:
            key = _shortened(key)
        slot = self._slots.get(key)
        if slot is None:
            slot = added.get(key)
        if slot is None and len(self._slots) + len(added) < self.own:
            slot = added[key] = len(self._slots) + len(added)
        if slot is not None:
            return Place(slot, 0)
        if not self.overflow:
            return None
        code = crc32(key.encode())
        return Place(self.own + (code >> 1) % self.overflow, 1 if code & 1 else -1)

    def add(self, added: dict[str, int]) -> None:
        """Keep what `place` found to be new."""
        self._slots.update(added)
        for key, slot in added.items():
            self._digest.add(key, slot)

    def keys(self) -> list[str]:
        """All keys, that of slot 0 first."""
        return list(self._slots)

    def restore(self, keys: list[str]) -> None:
        """Become the vocabulary that had these keys."""
        self._slots, self._digest = {}, SetDigest()
        self.add({key: slot for slot, key in enumerate(keys)})

    def digest(self) -> str:
        return self._digest.hex()


def _shortened(key: str) -> str:
    # No name begins with "\#" once it is escaped, so no short key looks like this.
    code = blake2b(key.encode(), digest_size=16).hexdigest()
    return f"\\#{code}:{key[:_BEGINNING_CHARS]}"
