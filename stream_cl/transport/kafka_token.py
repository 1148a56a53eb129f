"""Tokens for OAUTHBEARER: a program of the user's prints them (KIP-255, RFC 7628).

Whatever issues tokens (a cloud's command-line tool, `curl` to an identity provider, a file that
an agent renews) can be called that way, and nothing of it need be known here.
"""

from __future__ import annotations

import base64
import binascii
import re
import subprocess
from pathlib import Path
from threading import Lock
from typing import Final

import orjson

from stream_cl.core.clock import Clock, SystemClock
from stream_cl.core.errors import TransportError, UserError

COMMAND_S: Final = 10.0
"""Seconds that the program may take."""
REUSED_S: Final = 60.0
"""Seconds for which a token that does not say when it expires is used again."""
MARGIN_S: Final = 10.0
"""A token is asked for anew so long before it expires."""
TOKEN_BYTES: Final = 65_536
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""What RFC 6750 §2.1 takes for a bearer token."""
_SHOWN_CHARS: Final = 200


class TokenCommand:
    """The token that a program prints, kept until shortly before it expires.

    Has the methods of kafka-python's `AbstractTokenProvider`. Threads may share it.

    Args:
        command: the program and its arguments.
        folder: where it runs.
        clock: what expiry is compared with.
    """

    def __init__(
        self, command: tuple[str, ...], folder: Path = Path(), clock: Clock | None = None
    ) -> None:
        assert command, "the config's relations see to it"
        self._command = command
        self._folder = folder
        self._clock = clock or SystemClock()
        self._lock = Lock()
        self._token = ""
        self._until_ms = 0

    def token(self) -> str:
        """A token that is still good for some seconds.

        Raises:
            UserError: the program cannot be started, or prints no token.
            TransportError: it failed, took longer than `COMMAND_S`, or its token has expired.
        """
        return self.token_until()[0]

    def token_until(self) -> tuple[str, int]:
        """The same, and when it expires, in epoch milliseconds."""
        with self._lock:
            now_ms = self._clock.now_ms()
            if now_ms >= self._until_ms - round(MARGIN_S * 1000):
                self._token = self._run()
                self._until_ms = self._expiry(self._token, now_ms)
            return self._token, self._until_ms

    def extensions(self) -> dict[str, str]:
        """SASL extensions (KIP-342): none."""
        return {}

    def _run(self) -> str:
        program = self._command[0]
        try:
            done = subprocess.run(
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=COMMAND_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TransportError(
                f"kafka.security.token_command: {program} took longer than {COMMAND_S:g} s; run it"
                " by hand to see what it waits for"
            ) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UserError(
                f"kafka.security.token_command: {program} cannot be started ({reason}); name a"
                " program by its path, or relative to the config's folder, and its arguments"
            ) from None
        if done.returncode:
            # What it says on stderr is for people; stdout may hold a token and is never shown.
            said = done.stderr[-TOKEN_BYTES:].decode(errors="replace").strip().splitlines()
            why = f": {said[-1][:_SHOWN_CHARS]}" if said else ""
            raise TransportError(
                f"kafka.security.token_command: {program} ended with status"
                f" {done.returncode}{why}; run it by hand to see why"
            )
        text = done.stdout[: TOKEN_BYTES + 1].decode(errors="replace").strip()
        if len(text) > TOKEN_BYTES or not _TOKEN.fullmatch(text):
            raise UserError(
                f"kafka.security.token_command: {program} printed no token; let it print the token"
                " and nothing else on stdout"
            )
        return text

    def _expiry(self, token: str, now_ms: int) -> int:
        said_s = _expires_s(token)
        if said_s is None:
            return now_ms + round((REUSED_S + MARGIN_S) * 1000)
        if said_s * 1000 <= now_ms:
            raise TransportError(
                f"kafka.security.token_command: {self._command[0]} printed a token that expired"
                f" {now_ms / 1000 - said_s:,.0f} s ago; let it print a new one, and compare this"
                " machine's clock with the issuer's"
            )
        return round(said_s * 1000)


def _expires_s(token: str) -> float | None:
    """`exp` of a JSON web token (RFC 7519 §4.1.4), in epoch seconds; None of any other token."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = orjson.loads(base64.urlsafe_b64decode(padded))
        expires = claims["exp"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
    return float(expires) if isinstance(expires, int | float) else None
