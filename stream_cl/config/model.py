"""The whole config, and the only reader of the environment.

The sections are in `config/sections.py`, the rules between them in `config/rules.py`; how
a file becomes a `Config` is in `config/file.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, BaseModel, Field, PrivateAttr, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from stream_cl.config import budgets, encoding, learning, queries, sections
from stream_cl.config.format import broken_format_relations
from stream_cl.config.http import broken_http_relations
from stream_cl.config.kafka import Kafka, broken_kafka_relations
from stream_cl.config.label import Label, broken_label_relations
from stream_cl.config.label_studio import LabelStudio, broken_label_studio_relations
from stream_cl.config.rules import KAFKA, broken_relations, check_transport, sqlite_path
from stream_cl.config.section import Section
from stream_cl.config.tracing import Tracing

ENVIRONMENT_PREFIX: Final = "STREAM_CL__"


def environment() -> Mapping[str, str]:
    """The environment of this process."""
    return os.environ


class Config(Section):
    """Everything that a run depends on."""

    transport: Annotated[str, AfterValidator(check_transport)] = Field(
        "sqlite:///stream_cl.db",
        description="The log: sqlite:///FILE relative to the folder of this file, "
        "sqlite:////absolute/FILE, or kafka://HOST:PORT[,HOST:PORT].",
    )
    client: Literal["kafka-python", "librdkafka"] = Field(
        "kafka-python",
        description="Kafka client, for kafka:// only; librdkafka is quicker and needs "
        "`pip install stream-cl[librdkafka]`.",
    )
    delivery: Literal["exactly_once", "at_least_once"] = Field(
        "exactly_once",
        description="at_least_once, for kafka:// only, writes without transactions: answers come "
        "sooner, outputs may come twice and the state cannot be rebuilt from the log.",
    )
    seed: int = Field(
        0, ge=0, le=2**63 - 1, description="Every draw follows from it: same seed, same run."
    )
    start: Literal["earliest", "latest"] = Field(
        "earliest", description="Where to begin in a topic that was never read."
    )
    topics: sections.Topics = sections.Topics()
    step: sections.Step = sections.Step()
    format: encoding.AnyFormat = Field(encoding.JsonFormat(), discriminator="kind")
    encoder: encoding.AnyEncoder = Field(encoding.HashingEncoder(), discriminator="kind")
    learner: learning.AnyLearner = Field(learning.SoftmaxLearner(), discriminator="kind")
    memory: learning.AnyMemory = Field(learning.NoMemory(), discriminator="kind")
    query: queries.AnyQuery = Field(queries.UncertaintyQuery(), discriminator="kind")
    budget: budgets.AnyBudget = Field(budgets.QuantileBudget(), discriminator="kind")
    labels: sections.Labels = sections.Labels()
    annotators: sections.Annotators = sections.Annotators()
    dedupe: sections.Dedupe = sections.Dedupe()
    requests: sections.Requests = sections.Requests()
    evaluation: sections.Evaluation = sections.Evaluation()
    checkpoint: sections.Checkpoint = sections.Checkpoint()
    http: sections.Http = sections.Http()
    log: sections.Log = sections.Log()
    kafka: Kafka = Kafka()
    label: Label = Label()
    label_studio: LabelStudio = LabelStudio()
    tracing: Tracing = Tracing()

    _folder: Path = PrivateAttr(default_factory=Path)

    @model_validator(mode="before")
    @classmethod
    def _default_kinds(cls, data: Any) -> Any:
        # `query: {measure: entropy}` means the default kind, and an empty section its defaults.
        if not isinstance(data, Mapping):
            return data
        full: dict[Any, Any] = {}
        for name, value in data.items():
            field = cls.model_fields.get(name) if isinstance(name, str) else None
            section = isinstance(field.default, Section) if field else False
            given = {} if section and value is None else value
            if section and isinstance(given, Mapping) and "kind" not in given:
                kind = getattr(field.default, "kind", None) if field else None
                given = {"kind": kind, **given} if kind else given
            full[name] = given
        return full

    @model_validator(mode="after")
    def _relations(self) -> Config:
        broken = [*broken_relations(self), *broken_kafka_relations(self)]
        broken += broken_format_relations(self.format)
        broken += encoding.broken_encoder_relations(self.encoder)
        broken += broken_label_relations(self.label)
        broken += broken_label_studio_relations(self.label_studio)
        broken += broken_http_relations(self.http)
        if broken:
            raise PydanticCustomError("relations", "{broken}", {"broken": broken})
        return self

    def beside(self, folder: Path) -> Config:
        """The same config, whose relative paths start at `folder`."""
        placed = self.model_copy()
        placed._folder = folder
        return placed

    @property
    def folder(self) -> Path:
        """Where relative paths start: the folder of the config's file."""
        return self._folder

    @property
    def on_kafka(self) -> bool:
        """Whether the log is a Kafka cluster; else it is a SQLite file."""
        return self.transport.startswith(KAFKA)

    @property
    def log_file(self) -> Path:
        """Path of the SQLite log; there is none on Kafka."""
        return self._folder / sqlite_path(self.transport)

    @property
    def log_name(self) -> str:
        """The log as a person names it: its path, or its address."""
        return self.transport if self.on_kafka else str(self.log_file)

    @property
    def retention_ms(self) -> int | None:
        """Milliseconds after which records may be deleted; None keeps them."""
        hours = self.topics.retention_hours
        return None if hours is None else round(hours * 3_600_000)

    @property
    def checkpoint_folder(self) -> Path:
        """Path of the folder of checkpoints."""
        return self._folder / self.checkpoint.path


def kinds(section: str, owner: type[BaseModel] = Config) -> dict[str, type[Section]]:
    """kind → model of a section that comes in kinds; empty for any other section.

    `owner` has the section: the whole config, or a section that has one inside.
    """
    field = owner.model_fields.get(section)
    members = (get_args(field.annotation) or (field.annotation,)) if field else ()
    models = [m for m in members if isinstance(m, type) and issubclass(m, Section)]
    return {m.model_fields["kind"].default: m for m in models if "kind" in m.model_fields}


NOT_STATE: Final = (
    "transport",
    "client",
    "delivery",
    "topics.retention_hours",
    "step.poll_ms",
    "labels.delay",
    "labels.annotators",
    "labels.error_rate",
    "checkpoint",
    "http",
    "log",
    "kafka",
    "label",
    "label_studio",
    "tracing",
    "format.registry",
    "format.username",
    "format.password",
    "format.password_file",
    "format.token",
    "format.token_file",
    "format.ca_file",
    "format.timeout_s",
    "format.schemas",
)
"""Keys that may change between two runs over the same state: where the log is, how it is
reached and written, and what is shown of it. None of them enters the state, whatever `delivery`
has left in the log is found by recovery from the manifest."""


def public(config: Config) -> dict[str, Any]:
    """The config as plain data (JSON types), every secret masked."""
    plain: dict[str, Any] = masked(config.model_dump())
    return plain


def state_keys(config: Config) -> dict[str, Any]:
    """The part of `public(config)` that the state depends on."""
    kept = public(config)
    for key in NOT_STATE:
        section, _, name = key.partition(".")
        if name:
            kept[section].pop(name, None)  # another kind of the section has no such key
        else:
            del kept[section]
    return kept


def masked(value: Any) -> Any:
    """A dumped model as JSON types, with stars for every secret."""
    if isinstance(value, SecretStr):
        return "**********"
    if isinstance(value, Mapping):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    return value
