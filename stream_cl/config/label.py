"""The section `label` of the config: who answers label requests in a browser, and how.

A person's token is a secret: given in the file, by the environment
(`STREAM_CL__LABEL__PEOPLE__ANNA__TOKEN`), or in a file of its own (`token_file`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

from stream_cl.config.rules import Relation, as_tuple, check_path, wrong
from stream_cl.config.secrets import Secret, secret
from stream_cl.config.section import Section
from stream_cl.core import limits
from stream_cl.core.errors import UserError

TOKEN_CHARS: Final = 16
"""A shorter token could be guessed."""
PEOPLE_MAX: Final = 1000
IMAGE_SIDES: Final = (2, 3)


def _check_classes(names: tuple[str, ...]) -> tuple[str, ...]:
    """Class names: none empty, too long or reserved, none twice."""
    for at, name in enumerate(names):
        if not name.strip() or len(name.encode()) > limits.LABEL_BYTES or not name.isprintable():
            raise wrong(f"{name!r:.60} is no class; give 1 to {limits.LABEL_BYTES} bytes of text")
        if name == "__none__":
            raise wrong("__none__ is offered anyway; leave it out")
        if name in names[:at]:
            raise wrong(f"{name!r:.60} stands there twice; name each class once")
    return names


def _check_shape(shape: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Rows and columns of an image, and 1 or 3 colours where a third number stands."""
    if shape is None:
        return None
    size = 1
    for side in shape:
        size *= side
    fits = (
        len(shape) in IMAGE_SIDES and min(shape, default=0) >= 1 and shape[2:] in ((), (1,), (3,))
    )
    if not fits or size > limits.FEATURES_PER_EVENT:
        raise wrong(
            f"{list(shape)} is no image; give [ROWS, COLUMNS] or [ROWS, COLUMNS, 3], of at most "
            f"{limits.FEATURES_PER_EVENT} numbers"
        )
    return shape


def is_person(name: str) -> bool:
    """Whether somebody may be called so."""
    return (
        bool(name.strip()) and name.isprintable() and len(name.encode()) <= limits.ANNOTATOR_BYTES
    )


def _check_people(people: dict[str, Person]) -> dict[str, Person]:
    for name in people:
        if not is_person(name):
            raise wrong(
                f"{name!r:.60} is no name; give 1 to {limits.ANNOTATOR_BYTES} bytes of text"
            )
    if len(people) > PEOPLE_MAX:
        raise wrong(f"{len(people)} people; give at most {PEOPLE_MAX}")
    return people


def _plain_people(value: Any) -> Any:
    """The same, where a person without keys, which YAML reads as null, has none yet.

    Raises:
        PydanticCustomError: it is something else; what stands there may be a token, and is not
            shown.
    """
    right = "give NAME: {token: ...} or NAME: {token_file: ...}"
    if not isinstance(value, Mapping):
        raise wrong(f"is no mapping of names; {right}")
    for name, given in value.items():
        if given is not None and not isinstance(given, Mapping | Person):
            raise wrong(f"{name!r:.60} has no keys; {right}")
    return {name: {} if given is None else given for name, given in value.items()}


class Person(Section):
    """Somebody who answers."""

    token: Secret | None = Field(None, description="What the person logs in with.")
    token_file: Annotated[str, AfterValidator(check_path)] | None = Field(
        None, description="A file that holds the token and nothing else."
    )


class Label(Section):
    """The labelling page, which `stream-cl label` serves."""

    host: str = Field(
        "127.0.0.1", min_length=1, max_length=255, description="Address to listen on."
    )
    port: int = Field(8765, ge=0, le=65_535, description="Port of the page; 0: any that is free.")
    people: Annotated[
        dict[str, Person], BeforeValidator(_plain_people), AfterValidator(_check_people)
    ] = Field(
        default_factory=dict,
        description="Name: {token: ...} or {token_file: ...}, of everybody who may log in.",
    )
    overlap: int = Field(
        1,
        ge=1,
        le=limits.ANSWERS_PER_QUESTION,
        description="People who get the same question.",
    )
    lease_s: float = Field(
        120.0,
        ge=5,
        le=86_400,
        description="Seconds after which a question goes to somebody else when the browser that "
        "has it is not heard of.",
    )
    hold_s: float = Field(
        3.0,
        ge=0,
        le=3600,
        description="Seconds that an answer waits before it is published; undone within them, it "
        "never is.",
    )
    hide_suggestion: bool = Field(
        False, description="Whether people do not see which class the model takes it for."
    )
    hide_candidates: bool = Field(
        False,
        description="Whether people do not see either which classes the model takes it for "
        "possibly.",
    )
    classes: Annotated[
        tuple[str, ...], BeforeValidator(as_tuple), AfterValidator(_check_classes)
    ] = Field(
        (),
        max_length=limits.CLASSES_MAX,
        description="The only answers that are offered, in the order of their keys; empty: those "
        "seen so far, and people may add one.",
    )
    gold: Annotated[str, AfterValidator(check_path)] | None = Field(
        None,
        description="File of questions with a known answer, JSON lines of id, features or vector, "
        "and label; relative to the folder of this file.",
    )
    gold_share: float = Field(
        0.05, ge=0, le=0.5, description="Share of the questions that come from that file."
    )
    image_shape: Annotated[
        tuple[int, ...] | None, BeforeValidator(as_tuple), AfterValidator(_check_shape)
    ] = Field(
        None,
        description="Events with a vector are images: [ROWS, COLUMNS] in grey, or "
        "[ROWS, COLUMNS, 3] in colour.",
    )
    highlight: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = Field(
        (), max_length=200, description="Words that are marked in texts."
    )
    journal: Annotated[str, AfterValidator(check_path)] = Field(
        "label-journal.db",
        description="File that keeps every answer until it is published, relative to the folder of "
        "this file.",
    )


def broken_label_relations(label: Label) -> list[Relation]:
    """Everything about people that cannot stand together."""
    for name, person in label.people.items():
        if (person.token is None) == (person.token_file is None):
            many = "both; leave one of them out" if person.token else "none; give one of them"
            text = f"{name} needs token or token_file, and has {many}"
            return [((f"label.people.{name}.token", "label.people"), text)]
    if label.hide_candidates and not label.hide_suggestion:
        text = "hides the suggestion too; give label.hide_suggestion: true"
        return [(("label.hide_candidates", "label.hide_suggestion"), text)]
    return []


def tokens(label: Label, folder: Path) -> dict[str, str]:
    """Name → token of everybody who may log in; files are read here.

    Raises:
        UserError: a file cannot be read, a token is too short, or two people have the same.
    """
    found: dict[str, str] = {}
    for name, person in label.people.items():
        path = None if person.token_file is None else folder / person.token_file
        token = secret(person.token, f"label.people.{name}.token_file", path) or ""
        if len(token) < TOKEN_CHARS:
            raise UserError(
                f"label.people.{name}: the token has fewer than {TOKEN_CHARS} characters; take a "
                "longer one, as `openssl rand -hex 16` makes it"
            )
        if token in found.values():
            raise UserError(f"label.people.{name}: somebody else has this token; take another")
        found[name] = token
    return found
