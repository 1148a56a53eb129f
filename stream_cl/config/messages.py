"""What pydantic found, in our words: what is wrong, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, get_args, get_origin

from pydantic import BaseModel

from stream_cl.config import Config, kinds
from stream_cl.config.yaml import KeyPath, is_secret

_SHOWN_CHARS: Final = 60


class Place(NamedTuple):
    """Where an error lies: the keys as the user writes them, the model that owns the last, and
    how many of the keys lead to one of that model's."""

    path: KeyPath
    owner: type[BaseModel] | None
    depth: int = 2


def locate(loc: Iterable[str | int]) -> Place:
    """The place of a pydantic location, which names the kind of a section as well as its keys."""
    path: list[str | int] = []
    owner: type[BaseModel] | None = None
    depth = 1
    members: Mapping[str, type[BaseModel]] = {}
    for part in loc:
        if len(path) == depth and len(members) > 1 and part in members:
            owner = members[str(part)]  # the kind: chosen by the user, but no key of theirs
            depth += 1
        elif part != "[key]":
            if not path:
                owner = Config
            elif len(path) == depth and owner is not None:
                inner = _section(owner, path[-1])
                if inner is not None or owner is Config:
                    owner, depth = inner, depth + 1
            elif len(path) == depth + 1 and owner is not None:
                named = _named_section(owner, path[-2])
                if named is not None:
                    owner, depth = named, depth + 2
            path.append(part)
            if owner is not None and len(path) == depth:
                members = kinds(str(part), owner)
    return Place(tuple(path), owner, depth)


def _section(owner: type[BaseModel], key: str | int) -> type[BaseModel] | None:
    """The model of a key that is a section; None for a value."""
    field = owner.model_fields.get(str(key))
    return type(field.default) if field and isinstance(field.default, BaseModel) else None


def _named_section(owner: type[BaseModel], key: str | int) -> type[BaseModel] | None:
    """The model of what stands under each name of a key whose names are the user's; else None."""
    field = owner.model_fields.get(str(key))
    annotation = field.annotation if field else None
    named = get_args(annotation)[1] if get_origin(annotation) is dict else None
    return named if isinstance(named, type) and issubclass(named, BaseModel) else None


def schema_of(place: Place) -> dict[str, Any]:
    """JSON Schema of what may stand at a place; empty where nothing is known of it."""
    if place.owner is None or len(place.path) < place.depth:
        return {}
    whole = place.owner.model_json_schema()
    # A section that may stand inside itself is a definition, to which the whole refers.
    owned = whole if "properties" in whole else whole["$defs"][place.owner.__name__]
    properties = owned["properties"]
    schema: dict[str, Any] = properties.get(str(place.path[place.depth - 1]), {})
    for _ in place.path[place.depth :]:
        schema = schema.get("items", {})
    return schema


def expected(schema: Mapping[str, Any]) -> str:
    """What a value may be, for a person: `a whole number from 1 to 100`."""
    if "anyOf" in schema:
        return " or ".join(expected(one) for one in schema["anyOf"])
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return ("a whole number" if kind == "integer" else "a number") + _range(schema)
    if kind == "string":
        return "text" + _length(schema.get("minLength"), schema.get("maxLength"), "characters")
    if kind == "array":
        return "a list" + _length(schema.get("minItems"), schema.get("maxItems"), "names")
    return {"null": "null", "boolean": "true or false"}.get(str(kind), "a mapping of keys")


def _length(least: int | None, most: int | None, unit: str) -> str:
    return f" of {least or 0} to {most} {unit}" if most is not None else ""


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and low == high:
        return f", {_plain(low)}"
    if low is not None and high is not None:
        return f" from {_plain(low)} to {_plain(high)}"
    bounds = (("at least", low), ("above", above), ("at most", high), ("below", below))
    parts = [f"{word} {_plain(bound)}" for word, bound in bounds if bound is not None]
    return " " + " and ".join(parts) if parts else ""


def _plain(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else f"{bound:g}"


def message(error: Mapping[str, Any], place: Place, written: str | None) -> str:
    """One mistake: what is wrong and what would be right.

    Args:
        error: one of pydantic's errors.
        place: where it lies.
        written: the value as it was written, when it was one word.
    """
    kind, value = error["type"], error["input"]
    name = str(place.path[-1]) if place.path else ""
    schema = schema_of(place)
    if kind == "wrong":
        return str(error["msg"])
    if kind == "extra_forbidden":
        known = list(place.owner.model_fields) if place.owner else []
        return f"no such key{_suggestion(name, known)}"
    if kind == "missing":
        return f"is missing; give {expected(schema)}"
    if kind == "union_tag_invalid":
        tag, known = value["kind"], list(kinds(name, place.owner or Config))
        return f"{shown(tag, None, schema)} is not among them{_suggestion(str(tag), known)}"
    if kind == "literal_error" and isinstance(value, str):
        known = [word for one in schema.get("anyOf", [schema]) for word in _words(one)]
        return f"{shown(value, None, schema)} is not among them{_suggestion(value, known)}"
    if kind == "string_pattern_mismatch":
        about = schema["description"].rstrip(".")
        return f"{shown(value, None, schema)} is not of the right form; {about}"
    is_section = any(key in schema for key in ("$ref", "oneOf"))
    right = "a mapping of keys" if is_section or not schema else expected(schema)
    if kind.endswith("_type") or kind == "literal_error":
        is_word = written and value is not None and not isinstance(value, str | dict | list)
        quotes = f', in quotes to mean "{written}"' if is_word and "text" in right else ""
        return f"{shown(value, written, schema)} is {_kind(value)}; give {right}{quotes}"
    return f"{shown(value, written, schema)} is out of bounds; give {right}"


def shown(value: Any, written: str | None, schema: Mapping[str, Any]) -> str:
    """A value as it may be printed: short, and never a secret."""
    if any(one.get("format") == "password" for one in (schema, *schema.get("anyOf", ()))):
        return "the secret"
    plain = _without_secrets(value)
    text = written if written and not isinstance(value, str | list | dict) else repr(plain)
    text = "null" if value is None else text
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 3]}..."


def _without_secrets(value: Any) -> Any:
    """Lists and mappings, which stand where they should not, with stars for what may be secret."""
    if isinstance(value, Mapping):
        return {
            key: "***" if is_secret((key,)) else _without_secrets(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(inner) for inner in value]
    return value


def _words(schema: Mapping[str, Any]) -> list[str]:
    """The words that a schema takes."""
    words: list[str] = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return words


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean (true or false) in YAML"
    names = {int: "a whole number", float: "a number", str: "text", dict: "a mapping"}
    return names.get(type(value), "no value" if value is None else "a list")


def _suggestion(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; there {'is' if len(known) == 1 else 'are'} {', '.join(known)}"
