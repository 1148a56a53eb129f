"""What the section `format` may hold beyond its types, and the credentials that it names.

A secret is given in the file, by the environment (`STREAM_CL__FORMAT__TOKEN`), or in a file of
its own (`token_file`), and shown nowhere. Such a file is read for every question to the
registry: there are few, and tokens are renewed while a pipeline runs.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from stream_cl.config.rules import Relation, wrong
from stream_cl.config.secrets import secret

if TYPE_CHECKING:
    from stream_cl.config.encoding import AnyFormat, AvroFormat

_EXAMPLE: Final = "give http://HOST:PORT or https://HOST, with its path if it has one"


def check_registry(url: str) -> str:
    """The URL of a schema registry, as it is.

    Raises:
        PydanticCustomError: it is none, or holds a user.
    """
    if "@" in url:
        # What stands there may be a password, so it is not shown.
        raise wrong("holds a user; give the URL without it, and format.username and password")
    try:
        parts = urlsplit(url)
        found = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        found = False
    if not found or not url.isascii() or not url.isprintable() or " " in url:
        raise wrong(f"{url[:60]!r} is no URL of a registry; {_EXAMPLE}")
    if "?" in url or "#" in url:
        raise wrong(f"{url[:60]!r} goes on after the path; {_EXAMPLE}")
    return url


def broken_format_relations(given: AnyFormat) -> list[Relation]:
    """Every pair of values of the section that cannot stand together."""
    if given.kind == "json":
        return []
    broken: list[Relation] = []
    for name in ("password", "token"):
        if getattr(given, name) is not None and getattr(given, f"{name}_file") is not None:
            text = f"stands beside {name}; leave one of them out"
            broken.append(_relation(f"{name}_file", name, text))
    password, token = _given(given, "password"), _given(given, "token")
    if password and given.username is None:
        broken.append(_relation(password, "username", "is nobody's; give username beside it"))
    if given.username is not None and not password:
        text = "has no password; give password or password_file beside it"
        broken.append(_relation("username", "password", text))
    if given.username is not None and token:
        broken.append(_relation(token, "username", "stands beside username; leave one of them out"))
    if given.ca_file is not None and not given.registry.startswith("https:"):
        text = f"is for https, and format.registry is {given.registry}; leave it out"
        broken.append(_relation("ca_file", "registry", text))
    fields = [name for name in ("id", "time", "label", "features") if getattr(given, name)]
    for i, name in enumerate(fields):
        for other in fields[:i]:
            if getattr(given, name) == getattr(given, other):
                text = f"{getattr(given, name)!r} is what format.{other} is; give another field"
                broken.append(_relation(name, other, text))
    return broken


def _relation(name: str, other: str, text: str) -> Relation:
    return (f"format.{name}", f"format.{other}"), text


def _given(given: AvroFormat, name: str) -> str:
    """Which of `name` and `name_file` is given; empty if none is."""
    return next((n for n in (name, f"{name}_file") if getattr(given, n) is not None), "")


def authorization(given: AvroFormat, folder: Path) -> Callable[[], str | None]:
    """What gives the header `Authorization`: Basic (RFC 7617), Bearer (RFC 6750) or None.

    Args:
        given: the section.
        folder: where the paths of its files start.

    Raises:
        UserError: a file that is named cannot be read, or holds no secret. What is returned
            raises the same.
    """

    def header() -> str | None:
        token = _secret(given, "token", folder)
        if token is not None:
            return f"Bearer {token}"
        password = _secret(given, "password", folder)
        if password is None:
            return None
        return f"Basic {base64.b64encode(f'{given.username}:{password}'.encode()).decode()}"

    header()
    return header


def _secret(given: AvroFormat, name: str, folder: Path) -> str | None:
    named: str | None = getattr(given, f"{name}_file")
    path = None if named is None else folder / named
    return secret(getattr(given, name), f"format.{name}_file", path)
