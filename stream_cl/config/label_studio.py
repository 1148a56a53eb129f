"""The section `label_studio` of the config: which Label Studio answers label requests, and how.

Secrets are given in the file, by the environment (`STREAM_CL__LABEL_STUDIO__TOKEN`), or in files of
their own (`token_file`, `webhook_secret_file`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from stream_cl.config.rules import Relation, as_tuple, check_path, wrong
from stream_cl.config.secrets import Secret, secret
from stream_cl.config.section import Section
from stream_cl.core import limits
from stream_cl.core.errors import UserError

SECRET_CHARS: Final = 16
"""A shorter secret could be guessed."""
PEOPLE_MAX: Final = 10_000


def check_url(url: str) -> str:
    """A URL, as it is."""
    if "@" in url:
        # What stands there may be a password, so it is not shown.
        raise wrong("holds a user; give the URL without it, and the token in a key of its own")
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not url.isascii() or not url.isprintable() or set(" ?#") & set(url):
        raise wrong(f"{url[:60]!r} is no URL; give http://HOST:PORT or https://HOST")
    return url


def _check_labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Class names that a project may offer: none empty, too long or reserved, none twice."""
    for at, name in enumerate(labels):
        if not name.strip() or len(name.encode()) > limits.LABEL_BYTES or not name.isprintable():
            raise wrong(f"{name!r:.60} is no class; give 1 to {limits.LABEL_BYTES} bytes of text")
        if name == "__none__":
            raise wrong("__none__ is offered anyway; leave it out")
        if name in labels[:at]:
            raise wrong(f"{name!r:.60} stands there twice; name each class once")
    return labels


def _check_people(people: dict[str, str]) -> dict[str, str]:
    for who, name in people.items():
        if not 1 <= len(name.encode()) <= limits.ANNOTATOR_BYTES or not name.isprintable():
            what = f"{name!r:.60} ({who!r:.60}) is no annotator; give 1 to"
            raise wrong(f"{what} {limits.ANNOTATOR_BYTES} bytes of text")
    return people


class LabelStudio(Section):
    """Label Studio, which `stream-cl label-studio` gives the requests to."""

    url: Annotated[str, AfterValidator(check_url)] | None = Field(
        None, description="Where it is, such as http://127.0.0.1:8080."
    )
    project: int = Field(
        0, ge=0, description="Number of the project, the one in its address; 0: none yet."
    )
    token: Secret | None = Field(
        None, description="A personal access token of its, or a legacy token."
    )
    token_file: Annotated[str, AfterValidator(check_path)] | None = Field(
        None, description="A file that holds the token and nothing else."
    )
    ca_file: Annotated[str, AfterValidator(check_path)] | None = Field(
        None, description="PEM certificates that it is trusted by, for https."
    )
    timeout_s: float = Field(
        30.0, gt=0, le=600, description="Seconds that an answer of its may take."
    )
    control: str = Field(
        "label",
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="Name of the Choices tag in the project that holds the answer.",
    )
    labels: Annotated[tuple[str, ...], BeforeValidator(as_tuple), AfterValidator(_check_labels)] = (
        Field(
            (),
            max_length=limits.CLASSES_MAX,
            description="Classes that a project made by `stream-cl label-studio --create` offers.",
        )
    )
    predictions: bool = Field(
        True, description="Whether people see what the model takes it for, filled in."
    )
    people: Annotated[dict[str, str], AfterValidator(_check_people)] = Field(
        default_factory=dict,
        max_length=PEOPLE_MAX,
        description="Email: annotator, of those who answer; others are label-studio-NUMBER.",
    )
    polling_s: float = Field(
        10.0,
        ge=0.5,
        le=3600,
        description="Seconds between two looks at the answers; a webhook makes it look at once.",
    )
    webhook_host: str = Field(
        "127.0.0.1", min_length=1, max_length=255, description="Address to take the webhook at."
    )
    webhook_port: int = Field(
        0, ge=0, le=65_535, description="Port to take the webhook at; 0: none, polling alone."
    )
    webhook_url: Annotated[str, AfterValidator(check_url)] | None = Field(
        None,
        description="The same as Label Studio reaches it, such as http://pipeline:8766; it is "
        "entered into the project.",
    )
    webhook_secret: Secret | None = Field(
        None, description="What the webhook must bring, at least 16 characters."
    )
    webhook_secret_file: Annotated[str, AfterValidator(check_path)] | None = Field(
        None, description="A file that holds it and nothing else."
    )


def broken_label_studio_relations(given: LabelStudio) -> list[Relation]:
    """Every pair of values of the section that cannot stand together."""
    broken = []
    for name in ("token", "webhook_secret"):
        if getattr(given, name) is not None and getattr(given, f"{name}_file") is not None:
            text = f"stands beside {name}; leave one of them out"
            broken.append(_relation(f"{name}_file", name, text))
    if given.ca_file is not None and not (given.url or "").startswith("https:"):
        text = "is for https; leave it out, or give a URL that begins with https:"
        broken.append(_relation("ca_file", "url", text))
    secret_there = given.webhook_secret is not None or given.webhook_secret_file is not None
    if given.webhook_port and not (given.webhook_url and secret_there):
        name = "webhook_secret" if given.webhook_url else "webhook_url"
        text = "is missing, and label_studio.webhook_port takes a webhook; give it"
        broken.append(_relation(name, "webhook_port", text))
    if not given.webhook_port and given.webhook_url:
        text = "leads nowhere; give label_studio.webhook_port, or leave it out"
        broken.append(_relation("webhook_url", "webhook_port", text))
    return broken


def _relation(name: str, other: str, text: str) -> Relation:
    return (f"label_studio.{name}", f"label_studio.{other}"), text


def token(given: LabelStudio, folder: Path) -> str:
    """The token itself.

    Raises:
        UserError: there is none, or its file cannot be read.
    """
    path = None if given.token_file is None else folder / given.token_file
    found = secret(given.token, "label_studio.token_file", path)
    if found is None:
        raise UserError(
            "label_studio.token: is missing; make a personal access token in Label Studio (Account "
            "& Settings) and give it, best in the environment: STREAM_CL__LABEL_STUDIO__TOKEN"
        )
    if not found.isascii() or not found.isprintable() or " " in found:
        raise UserError(
            "label_studio.token: cannot stand in an HTTP header; give one line of ASCII"
        )
    return found


def webhook_secret(given: LabelStudio, folder: Path) -> str:
    """What the webhook must bring.

    Raises:
        UserError: it is too short, or its file cannot be read.
    """
    path = None if given.webhook_secret_file is None else folder / given.webhook_secret_file
    found = secret(given.webhook_secret, "label_studio.webhook_secret_file", path) or ""
    if len(found) < SECRET_CHARS or not found.isascii() or not found.isprintable():
        raise UserError(
            f"label_studio.webhook_secret: give {SECRET_CHARS} or more characters of ASCII, as "
            "`openssl rand -hex 16` makes them"
        )
    return found
