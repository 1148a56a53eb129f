"""Who may look: nothing is served beyond this machine without a token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream_cl.config.file import load
from stream_cl.config.http import http_token, is_loopback
from stream_cl.config.model import public
from stream_cl.core.errors import ConfigError, UserError

TOKEN = "a-token-of-32-characters-or-more"


def read(*sets: str, **environ: str) -> Any:
    return load(None, sets, environ)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "127.0.0.1.nip.io"]
)
def test_beyond_loopback_a_token_is_needed(host: str) -> None:
    """Else everybody on the network sees the stream."""
    sets = [f"http.host='{host}'", "http.port=9464"]
    with pytest.raises(ConfigError, match=r"http\.token: is missing.*STREAM_CL__HTTP__TOKEN"):
        read(*sets)
    assert read(*sets, STREAM_CL__HTTP__TOKEN=TOKEN).http.token.get_secret_value() == TOKEN
    assert read(*sets, "http.token_file=t").http.token_file == "t"
    assert read(f"http.host='{host}'").http.port == 0, "nothing is served"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_loopback_none_is_needed(host: str) -> None:
    assert is_loopback(host)
    assert read(f"http.host='{host}'", "http.port=9464").http.token is None


def test_a_token_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="16"):
        read("http.token=letmein")
    (tmp_path / "t").write_text("letmein\n")
    with pytest.raises(UserError, match=r"http\.token_file: the token in .* has 7 characters"):
        http_token(read("http.token_file=t").http, tmp_path)


def test_the_token_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "t").write_text(f"{TOKEN}\n")
    given = read("http.token_file=t").http
    assert http_token(given, tmp_path) == TOKEN
    with pytest.raises(UserError, match=r"http\.token_file: .* cannot be read"):
        http_token(given, tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="leave one of them out"):
        read("http.token_file=t", f"http.token={TOKEN}")


def test_the_token_is_shown_nowhere() -> None:
    config = read(f"http.token={TOKEN}")
    assert TOKEN not in repr(config)
    assert TOKEN not in repr(public(config))
