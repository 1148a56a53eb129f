"""Who may look at what is served over HTTP: addresses to listen on, and the token.

On a loopback address programs of this machine alone come in, and a token is not needed. Wherever
else it is served, it is.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, SecretStr

from stream_cl.config.rules import Relation
from stream_cl.config.secrets import secret
from stream_cl.core.errors import UserError

if TYPE_CHECKING:
    from stream_cl.config.sections import Http

TOKEN_CHARS: Final = 16
"""A shorter token could be guessed by trying; nobody is locked out for that."""
Token = Annotated[SecretStr, Field(min_length=TOKEN_CHARS, max_length=1024)]


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach an address to listen on."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def broken_http_relations(given: Http) -> list[Relation]:
    """Every pair of values of the section that cannot stand together."""
    if given.token is not None and given.token_file is not None:
        keys = ("http.token_file", "http.token")
        return [(keys, "stands beside http.token; leave one of them out")]
    named = given.token is not None or given.token_file is not None
    if given.port and not named and not is_loopback(given.host):
        what = (
            f"is missing, and others reach http.host {given.host}; give a token, best in the "
            "environment (STREAM_CL__HTTP__TOKEN) or by http.token_file, or listen on 127.0.0.1"
        )
        return [(("http.token", "http.host"), what)]
    return []


def http_token(given: Http, folder: Path) -> str | None:
    """The token itself; None where none is asked for.

    Args:
        given: the section.
        folder: where the path of its file starts.

    Raises:
        UserError: the file cannot be read, or holds no token.
    """
    path = None if given.token_file is None else folder / given.token_file
    token = secret(given.token, "http.token_file", path)
    if token is not None and len(token) < TOKEN_CHARS:
        raise UserError(
            f"http.token_file: the token in {path} has {len(token)} characters; write one of "
            f"{TOKEN_CHARS} or more"
        )
    return token
