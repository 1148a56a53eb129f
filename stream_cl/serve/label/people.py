"""Who may come in: tokens, sessions, tickets, and how often somebody may try.

Nothing is kept of a session: a cookie holds a name and an end, signed. The key of the signature is
made of the journal's own key and of the person's token, so sessions outlive a restart, and end when
the token is changed. A ticket, which goes with every question, says in the same way that this
person was given that question: an answer without one is refused, whatever the server remembers.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from hashlib import blake2b, sha256
from typing import Any, Final

import orjson

from stream_cl.core.clock import Clock

SESSION_S: Final = 7 * 86_400
TICKET_CHARS: Final = 4096
TRIES: Final = 10
"""Wrong tokens from one address within `TRIES_S`; from all together ten times as many."""
TRIES_S: Final = 60.0
_ADDRESSES: Final = 1000


class People:
    """Everybody who may answer.

    Args:
        tokens: name → token.
        key: secret bytes that outlive the process.
        alone: who everybody is that comes, where nobody needs a token.
    """

    def __init__(
        self, tokens: Mapping[str, str], key: bytes, clock: Clock, alone: str | None = None
    ) -> None:
        assert bool(tokens) != (alone is not None), "people with tokens, or one without"
        self.alone = alone
        self._clock = clock
        digests = {name: sha256(token.encode()).digest() for name, token in tokens.items()}
        if alone is not None:
            digests = {alone: b""}
        self._digests = digests
        self._keys = {name: _keyed(key, name.encode(), one) for name, one in digests.items()}

    def login(self, token: str) -> str | None:
        """Whose token it is; as slow for a wrong one as for a right one."""
        given, found = sha256(token.encode(errors="replace")).digest(), None
        for name, digest in self._digests.items():
            if hmac.compare_digest(digest, given):
                found = name
        return None if self.alone is not None else found

    def session(self, name: str) -> str:
        """A cookie's value for somebody who has logged in."""
        until_s = self._clock.now_ms() // 1000 + SESSION_S
        return self._sign(name, "session", [name, until_s])

    def who(self, session: str) -> str | None:
        """Whose session it is; None for one that is over, or was never ours."""
        plain = _plain(session)
        if not isinstance(plain, list) or len(plain) != 2:
            return None
        name, until_s = plain
        if not isinstance(name, str) or type(until_s) is not int:
            return None
        right = self._is_signed(name, "session", session)
        return name if right and until_s > self._clock.now_ms() // 1000 else None

    def csrf(self, name: str, session: str) -> str:
        """What a page has to send with everything that changes something."""
        return _keyed(self._keys[name], b"csrf", session.encode()).hex()

    def is_csrf(self, name: str, session: str, given: str) -> bool:
        return hmac.compare_digest(self.csrf(name, session).encode(), given.encode())

    def ticket(self, name: str, content: list[Any]) -> str:
        """Says that this person was given what `content` names."""
        return self._sign(name, "ticket", content)

    def content(self, name: str, ticket: Any) -> list[Any] | None:
        """What a ticket of this person names; None for one that is not theirs."""
        if not isinstance(ticket, str) or len(ticket) > TICKET_CHARS:
            return None
        plain = _plain(ticket)
        return (
            plain if isinstance(plain, list) and self._is_signed(name, "ticket", ticket) else None
        )

    def _sign(self, name: str, purpose: str, content: list[Any]) -> str:
        text = base64.urlsafe_b64encode(orjson.dumps(content)).decode()
        return f"{text}.{_keyed(self._keys[name], purpose.encode(), text.encode()).hex()}"

    def _is_signed(self, name: str, purpose: str, value: str) -> bool:
        text, _, signature = value.rpartition(".")
        # For a name that there is not as long as for one that there is.
        key = self._keys.get(name, b"nobody" * 4)
        right = _keyed(key, purpose.encode(), text.encode()).hex()
        return hmac.compare_digest(right.encode(), signature.encode()) and name in self._keys


def _keyed(key: bytes, *parts: bytes) -> bytes:
    hasher = blake2b(key=key[:64], digest_size=32, person=b"label page")
    for part in parts:
        hasher.update(len(part).to_bytes(4, "little") + part)
    return hasher.digest()


def _plain(value: str) -> Any:
    try:
        return orjson.loads(base64.urlsafe_b64decode(value.rpartition(".")[0].encode()))
    except (binascii.Error, ValueError):
        return None


class Tries:
    """How often wrong tokens may be given; counts the addresses that did last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[str, list[float]] = {}
        self._all: list[float] = []

    def wait_s(self, address: str) -> float:
        """Seconds before this address may try again; 0 where it may now."""
        now_s = self._clock.monotonic_s()
        self._all = [at_s for at_s in self._all if at_s > now_s - TRIES_S]
        own = [at_s for at_s in self._failed.get(address, ()) if at_s > now_s - TRIES_S]
        for tries, most in ((own, TRIES), (self._all, 10 * TRIES)):
            if len(tries) >= most:
                return tries[0] + TRIES_S - now_s
        return 0.0

    def failed(self, address: str) -> None:
        """A wrong token came from an address."""
        now_s = self._clock.monotonic_s()
        tries = self._failed.pop(address, [])
        self._failed[address] = [*tries[1 - TRIES :], now_s]
        self._all.append(now_s)
        if len(self._failed) > _ADDRESSES:
            del self._failed[next(iter(self._failed))]
