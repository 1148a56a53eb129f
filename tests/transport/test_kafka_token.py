"""Tokens that a program of the user's prints: kept while they last, never shown."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_cl.core.errors import StreamClError, TransportError
from stream_cl.testing.clock import FakeClock
from stream_cl.transport.kafka_token import REUSED_S, TokenCommand
from tests.secured import token


def counting(folder: Path, text: str) -> tuple[str, ...]:
    """A command that prints `text` and adds a line to the file `runs`."""
    return ("sh", "-c", f"echo >> {folder}/runs; echo '{text}'")


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text().splitlines())


def test_a_token_is_used_until_shortly_before_it_expires(tmp_path: Path) -> None:
    """A program that asks a cloud for each connection would be throttled."""
    clock = FakeClock(1_000_000)
    tokens = TokenCommand(counting(tmp_path, token(exp=1_000 + 600)), tmp_path, clock)
    first = tokens.token_until()
    assert first[1] == 1_600_000
    clock.advance(seconds=580)
    assert tokens.token_until() == first
    assert runs(tmp_path) == 1
    clock.advance(seconds=11)
    tokens.token()
    assert runs(tmp_path) == 2


def test_a_token_that_does_not_say_when_it_ends_is_used_for_a_minute(tmp_path: Path) -> None:
    clock = FakeClock(1_000_000)
    tokens = TokenCommand(counting(tmp_path, "opaque-token"), tmp_path, clock)
    assert [tokens.token(), tokens.token()] == ["opaque-token"] * 2
    clock.advance(seconds=REUSED_S + 1)
    tokens.token()
    assert runs(tmp_path) == 2


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (("sh", "-c", "echo why >&2; exit 3"), "sh ended with status 3: why; run it by hand"),
        (("true",), "true printed no token; let it print the token and nothing else"),
        (("echo", "hunter2 hunter2"), "echo printed no token"),
        (("echo", token(exp=1)), "echo printed a token that expired 999 s ago"),
        (("nothing-of-that-name",), r"cannot be started \(No such file"),
    ],
)
def test_a_command_that_gives_no_token_is_told(
    tmp_path: Path, command: tuple[str, ...], line: str
) -> None:
    with pytest.raises(StreamClError, match=line) as caught:
        TokenCommand(command, tmp_path, FakeClock(1_000_000)).token()
    assert "hunter2" not in str(caught.value)


def test_a_command_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token program that waits for a password must not hang the pipeline."""
    monkeypatch.setattr("stream_cl.transport.kafka_token.COMMAND_S", 0.2)
    began = time.monotonic()
    with pytest.raises(TransportError, match="took longer than 0.2 s"):
        TokenCommand(("sh", "-c", "sleep 60"), tmp_path).token()
    assert time.monotonic() - began < 5


@given(st.text(max_size=40))
def test_any_token_is_read_without_a_fault(text: str) -> None:
    from stream_cl.transport.kafka_token import _expires_s

    for one in (text, f"a.{text}.c", token(exp=text), token(exp=1e400), token(exp=True)):
        expires = _expires_s(one)
        assert expires is None or isinstance(expires, float)
