"""Settings of the formats of records, and of the encoders."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from stream_cl.config.format import check_registry
from stream_cl.config.rules import Relation, check_names, check_path, wrong
from stream_cl.config.secrets import Secret
from stream_cl.config.section import FeatureNames, Section
from stream_cl.core import limits


class JsonFormat(Section):
    """JSON, and CloudEvents that carry it."""

    kind: Literal["json"] = "json"


class AvroFormat(Section):
    """Avro with the ids of a schema registry, and JSON and CloudEvents beside it. Files are
    relative to this file's folder; a secret may also stand in the environment, as in
    STREAM_CL__FORMAT__PASSWORD."""

    kind: Literal["avro"] = "avro"
    registry: Annotated[str, AfterValidator(check_registry)] = Field(
        description="URL of a schema registry that has Confluent's API, up to where /schemas/ids "
        "begins.",
    )
    username: str | None = Field(
        None, min_length=1, max_length=1024, description="Who asks, with a password."
    )
    password: Secret | None = Field(None, description="The user's password.")
    password_file: Annotated[str, AfterValidator(check_path)] | None = Field(
        None, description="A file that holds it and nothing else, read for every question."
    )
    token: Secret | None = Field(None, description="In place of a user: a bearer token.")
    token_file: Annotated[str, AfterValidator(check_path)] | None = Field(
        None, description="A file that holds it and nothing else, read for every question."
    )
    ca_file: Annotated[str, AfterValidator(check_path)] | None = Field(
        None,
        description="Certificates (PEM) that the registry is trusted by; null takes the system's.",
    )
    timeout_s: float = Field(
        5.0,
        ge=0.1,
        le=300,
        description="Seconds that the registry may take to go on with an answer.",
    )
    schemas: int = Field(1000, ge=1, le=100_000, description="Schemas kept in memory.")
    id: str = Field(
        "id", min_length=1, max_length=256, description="Field of an event that holds its id."
    )
    time: str = Field(
        "time", min_length=1, max_length=256, description="Field that holds its time."
    )
    label: str | None = Field(
        "label",
        min_length=1,
        max_length=256,
        description="Field that holds its label, where it is known; null takes no label from it.",
    )
    features: str | None = Field(
        "features",
        min_length=1,
        max_length=256,
        description="Field that holds its features, a record or a map; null takes all other "
        "fields as features.",
    )


Logarithmic = Annotated[
    FeatureNames,
    Field(
        max_length=limits.WIDTH_MAX,
        description="Names of features that are sizes or counts, such as bytes: a number v is read "
        "as sign(v)·log(1 + |v|).",
    ),
]


def _as_pairs(value: Any) -> Any:
    """Pairs of feature names as tuples, each two names, and no two in one twice."""
    if not isinstance(value, list | tuple):
        return value
    pairs: list[tuple[str, str]] = []
    seen: set[frozenset[str]] = set()
    for given in value:
        if not isinstance(given, list | tuple) or list(map(type, given)) != [str, str]:
            raise wrong(f"{given!r} is no pair; give two feature names, as in [service, flag]")
        one, other = check_names(tuple(given))
        if frozenset((one, other)) in seen:
            raise wrong(f"{one!r} with {other!r} stands there twice; name each pair once")
        seen.add(frozenset((one, other)))
        pairs.append((one, other))
    return tuple(pairs)


Interactions = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_as_pairs)]


class HashingEncoder(Section):
    """Any features, by name: a column of its own while there is room, then hashed."""

    kind: Literal["hashing"] = "hashing"
    width: int = Field(
        128, ge=2, le=limits.WIDTH_MAX, description="Numbers per encoded event, in all."
    )
    overflow: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Share of the width that features share by hashing when there is no column "
        "left for them; 0 leaves such features out.",
    )
    text_words: int = Field(
        3,
        ge=0,
        le=limits.FEATURE_TEXT_BYTES,
        description="A text of more words than this is read word by word, any other is a category.",
    )
    categories: FeatureNames = Field(
        (),
        max_length=limits.WIDTH_MAX,
        description="Names of features whose numbers are codes, such as an airport's: every value "
        "is a category.",
    )
    logarithmic: Logarithmic = ()
    interactions: Interactions = Field(
        (),
        max_length=limits.WIDTH_MAX,
        description="Pairs of features whose meaning depends on each other, such as a service and "
        'how its connection ended: each pair is encoded too, in columns of its own. "*" in a pair '
        "is every other feature.",
    )


class ColumnsEncoder(Section):
    """The named numeric features, one column each; others are left out."""

    kind: Literal["columns"] = "columns"
    columns: FeatureNames = Field(
        min_length=1, max_length=limits.WIDTH_MAX, description="Names of the features, in order."
    )
    logarithmic: Logarithmic = ()


class VectorEncoder(Section):
    """Events that come with `vector`, a list of numbers of one length."""

    kind: Literal["vector"] = "vector"
    width: int = Field(
        ge=1,
        le=min(limits.WIDTH_MAX, limits.FEATURES_PER_EVENT),
        description="Numbers in `vector`.",
    )
    standardise: bool = Field(
        False, description="Whether each number is scaled by its running mean and deviation."
    )


AnyFormat = JsonFormat | AvroFormat
AnyEncoder = HashingEncoder | ColumnsEncoder | VectorEncoder


def broken_encoder_relations(given: AnyEncoder) -> list[Relation]:
    """Every pair of values of the section that cannot stand together."""
    if given.kind == "vector":
        return []
    logs = dict.fromkeys(given.logarithmic)
    if given.kind == "columns":
        other, wrong = "columns", [name for name in logs if name not in given.columns]
        text = "is no column; leave it out, or name it in encoder.columns"
    else:
        other, wrong = "categories", [name for name in logs if name in given.categories]
        text = "is a category too; leave one of them out"
    keys = ("encoder.logarithmic", f"encoder.{other}")
    return [(keys, f"{name!r} {text}") for name in wrong]
