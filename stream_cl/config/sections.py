"""The sections of the config that have no kinds: every setting with its bounds and a line about it.

`stream-cl init`, the JSON Schema and the messages about mistakes are written from what stands here
and in `encoding`, `learning`, `queries` and `budgets`. Values are strict (no "5" for 5, no `yes`
for 1) and frozen.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from stream_cl.config.http import Token
from stream_cl.config.rules import as_feature_choice, as_tuple, check_path
from stream_cl.config.section import Capacity, FeatureNames, Section
from stream_cl.core import limits


class Topics(Section):
    """Names, partitions and retention of the topics."""

    prefix: str = Field(
        "",
        max_length=100,
        pattern=r"^[A-Za-z0-9._-]*$",
        description="Put before the name of every topic: letters, digits, '.', '_' and '-'.",
    )
    partitions: int = Field(
        1,
        ge=1,
        le=limits.PARTITIONS_MAX,
        description="Partitions of a topic when it is created (control and manifest have one).",
    )
    retention_hours: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        description="Hours after which records may be deleted; null keeps them all. "
        "The manifest is always kept.",
    )


class Step(Section):
    """The micro-batch: the unit of work, of transaction and of replay."""

    max_events: int = Field(
        32,
        ge=1,
        le=limits.STEP_EVENTS_MAX,
        description="Most records that a step takes; it takes what has arrived if that is less.",
    )
    max_ms: float | None = Field(
        None,
        gt=0,
        le=600_000,
        description="Milliseconds that a step may take; null sets no bound. With a bound two "
        "runs over the same input take other steps.",
    )
    poll_ms: float = Field(
        10.0, ge=1, le=60_000, description="Milliseconds between two looks at an idle log."
    )


class Labels(Section):
    """How labels find their events."""

    join: Literal["requested", "every"] = Field(
        "requested",
        description="requested: labels are asked for; every: a label comes for every event, and "
        "`query` and `budget` are not used.",
    )
    ttl_s: float = Field(
        86_400.0,
        gt=0,
        le=315_360_000,
        description="Seconds that an event waits for its label, and a label for its event.",
    )
    delay: int = Field(
        0,
        ge=0,
        le=limits.CAPACITY_MAX,
        description="`stream-cl evaluate`: events between a request and its answer.",
    )
    annotators: int = Field(
        1,
        ge=1,
        le=1_000_000,
        description="`stream-cl evaluate`: how many answer, by turns; at least annotators.answers.",
    )
    error_rate: float = Field(
        0.0, ge=0, le=1, description="`stream-cl evaluate`: share of the answers that are wrong."
    )
    pending_capacity: int = Field(
        10_000, ge=1, le=limits.PENDING_MAX, description="Most events that wait for their label."
    )
    early_capacity: Capacity = Field(10_000, description="Most labels that wait for their event.")
    closed_window: Capacity = Field(
        100_000,
        description="Answered or expired questions remembered, to know late and repeated labels.",
    )
    held_out_capacity: Capacity = Field(
        1000, description="Labelled events kept to test on, never learned from."
    )
    held_out_fraction: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="With join: every, the share of events drawn for the held-out set.",
    )


class Annotators(Section):
    """Who answers, how far each is trusted, and how many answers a question gets."""

    trust: Literal["none", "votes", "dawid_skene"] = Field(
        "none",
        description="none: the first answer stands; votes: answers of several annotators and "
        "revisions are weighed, everybody has one vote; dawid_skene: everybody counts as much as "
        "their answers have shown.",
    )
    answers: int = Field(
        1,
        ge=1,
        le=limits.ANSWERS_PER_QUESTION,
        description="Answers wanted for every question; it is asked again until it has them.",
    )
    relabel: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the requests that may go to doubtful answers in place of new events; "
        "with trust: dawid_skene.",
    )
    capacity: Capacity = Field(
        10_000, description="Answered questions that further answers can still change."
    )
    max_annotators: int = Field(
        200, ge=1, le=1_000_000, description="Annotators remembered; the longest silent gives way."
    )
    gold: dict[str, str] = Field(
        default_factory=dict, description="Event id: label, of questions whose answer is known."
    )
    experts: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = Field(
        (), description="Annotators whose answers are taken as right."
    )


class Dedupe(Section):
    """What counts as the same event again."""

    window_events: int = Field(
        100_000,
        ge=1,
        le=limits.DEDUPE_WINDOW_MAX,
        description="Events remembered; an id that comes again later than that is a new event.",
    )


class Requests(Section):
    """What annotators get to see."""

    fields: Annotated[Literal["all"] | FeatureNames, BeforeValidator(as_feature_choice)] = Field(
        "all", description="Features that go into label requests: all, or a list of names."
    )
    candidates: int = Field(
        10, ge=0, le=limits.PROBABILITIES_TOP, description="Most probable classes offered, at most."
    )
    coverage: float = Field(
        0.9,
        gt=0,
        lt=1,
        description="Share of the requests whose candidates hold the true class; so many are "
        "offered as that takes.",
    )
    examples: int = Field(
        3, ge=0, le=limits.EXAMPLES_MAX, description="Answered events like it shown beside it."
    )


class Evaluation(Section):
    """The live figures."""

    window: int = Field(
        1000, ge=1, le=limits.CAPACITY_MAX, description="Events that the moving figures cover."
    )


class Checkpoint(Section):
    """Where the state is kept and how often."""

    path: Annotated[str, AfterValidator(check_path)] = Field(
        "checkpoints", description="Folder, relative to the folder of this file."
    )
    every_steps: int = Field(
        1000, ge=1, le=1_000_000_000, description="Steps between two checkpoints."
    )
    every_s: float = Field(
        60.0,
        gt=0,
        le=86_400,
        description="Seconds after which a checkpoint is written even if so many steps were not "
        "taken; a start replays what came after it.",
    )
    digest_every_steps: int = Field(
        100, ge=1, le=1_000_000_000, description="Steps between two digests in the manifest."
    )


class Http(Section):
    """The console, metrics and health."""

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        max_length=255,
        description="Address to listen on; one that others reach needs a token.",
    )
    port: int = Field(
        0,
        ge=0,
        le=65_535,
        description="Port of the console, /metrics, /live and /ready; 0: none of them.",
    )
    token: Token | None = Field(
        None,
        description="What console and /metrics ask for, 16 characters or more; best from the "
        "environment: STREAM_CL__HTTP__TOKEN.",
    )
    token_file: Annotated[str, AfterValidator(check_path)] | None = Field(
        None, description="A file that holds it and nothing else, relative to this file's folder."
    )
    ready_lag: int = Field(
        10_000, ge=0, description="Unread records up to which /ready says that it is caught up."
    )


class Log(Section):
    """What the program says on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is written."
    )
    format: Literal["text", "json"] = Field("text", description="text for people, json for logs.")
