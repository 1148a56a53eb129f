"""The sections of the config: every setting with its bounds and one line about it.

`stream-cl init`, the JSON Schema and the messages about mistakes are written from what
stands here. Values are strict (no "5" for 5, no `yes` for 1) and frozen. Longer than other
modules, because it is a table of settings and is read as one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from stream_cl.config.format import check_registry
from stream_cl.config.rules import as_feature_choice, as_tuple, check_names, check_path
from stream_cl.config.secrets import Secret
from stream_cl.core import limits


class Section(BaseModel):
    """What all parts share: frozen, strict, no unknown keys, no infinite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


FeatureNames = Annotated[tuple[str, ...], BeforeValidator(as_tuple), AfterValidator(check_names)]
Capacity = Annotated[int, Field(ge=1, le=limits.CAPACITY_MAX)]


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


class ColumnsEncoder(Section):
    """The named numeric features, one column each; others are left out."""

    kind: Literal["columns"] = "columns"
    columns: FeatureNames = Field(
        min_length=1, max_length=limits.WIDTH_MAX, description="Names of the features, in order."
    )


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


class _Learner(Section):
    max_classes: int = Field(
        100,
        ge=2,
        le=limits.CLASSES_MAX,
        description="Most classes ever learned; a label that would be one more is a dead letter.",
    )


class SoftmaxLearner(_Learner):
    """Multinomial logistic regression by AdaGrad that forgets, learned event by event."""

    kind: Literal["softmax"] = "softmax"
    learning_rate: float = Field(
        1.5, gt=0, le=1e6, description="Size of the first step of a weight."
    )
    epsilon: float = Field(
        0.1,
        ge=1e-12,
        le=1e12,
        description="Where the sum of squared gradients starts; damps the first steps.",
    )
    forget: float = Field(
        0.9999, gt=0, le=1, description="How much of that sum stays with every event; 1: all."
    )
    l2: float = Field(0.0, ge=0, le=1e6, description="Pull of the weights towards zero.")


class PrototypeLearner(_Learner):
    """The nearest running class mean."""

    kind: Literal["prototype"] = "prototype"
    forget: float = Field(
        0.99,
        gt=0,
        le=1,
        description="How much of a mean's count stays with every event of its class; 1: all.",
    )


class ReplayMlpLearner(_Learner):
    """A small neural network that rehearses from the memory."""

    kind: Literal["replay_mlp"] = "replay_mlp"
    hidden: int = Field(64, ge=1, le=8192, description="Units of the hidden layer.")
    learning_rate: float = Field(
        0.05, gt=0, le=1000, description="Step size before AdaGrad divides it."
    )
    forget: float = Field(
        0.9999, gt=0, le=1, description="Factor by which AdaGrad's memory of gradients decays."
    )
    batch: int = Field(10, ge=1, le=10_000, description="New labels per optimiser step at most.")
    replay: int = Field(
        10, ge=0, le=10_000, description="Remembered labels beside them, drawn from the memory."
    )
    replay_weight: float = Field(
        0.5, ge=0, le=1e6, description="Weight of the remembered ones against the new ones."
    )
    rehearsals: int = Field(
        4, ge=1, le=1000, description="Optimiser steps per batch of new labels."
    )
    compute_ms: float | None = Field(
        None,
        gt=0,
        le=600_000,
        description="Milliseconds that learning a step's labels may take: fewer rehearsals where "
        "they would take longer. null sets no bound. With a bound two runs over the same input "
        "learn other things; the manifest says how often each step rehearsed.",
    )


class RiverLearner(_Learner):
    """A classifier of the river library, by name."""

    kind: Literal["river"] = "river"
    model: str = Field(
        "tree.HoeffdingTreeClassifier",
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$",
        description="Module and class inside river, such as naive_bayes.GaussianNB.",
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="Arguments of its constructor."
    )


class NoChangeLearner(_Learner):
    """The control that predicts the label learned last."""

    kind: Literal["no_change"] = "no_change"


class MajorityLearner(_Learner):
    """The control that predicts the most frequent label."""

    kind: Literal["majority"] = "majority"


class NoMemory(Section):
    """Nothing is kept for rehearsal."""

    kind: Literal["none"] = "none"
    capacity: int = Field(0, ge=0, le=0, description="Events kept for rehearsal.")


class _Memory(Section):
    capacity: Capacity = Field(1000, description="Labelled events kept.")
    max_bytes: int | None = Field(
        None, gt=0, description="Bytes that they may take; null leaves it to the capacity."
    )


class ReservoirMemory(_Memory):
    """A uniform sample of all labels learned so far."""

    kind: Literal["reservoir"] = "reservoir"


class ClassBalancedMemory(_Memory):
    """As many of each class as there is room for, uniform within a class."""

    kind: Literal["class_balanced"] = "class_balanced"


class RandomQuery(Section):
    """The control: every event is as useful as any other."""

    kind: Literal["random"] = "random"


class UncertaintyQuery(Section):
    """Ask where the learner is least sure."""

    kind: Literal["uncertainty"] = "uncertainty"
    measure: Literal["margin", "least_confidence", "entropy"] = Field(
        "margin", description="How uncertainty is measured."
    )


class _RankedBudget(Section):
    fraction: float = Field(0.05, gt=0, le=1, description="Share of the events asked for.")
    floor: float = Field(
        0.3,
        gt=0,
        le=1,
        description="Share of the spend that does not look at the utility; unbiased figures "
        "need it.",
    )
    cold_start: int = Field(
        10, ge=0, le=limits.CAPACITY_MAX, description="Labels asked for at once at the start."
    )
    window: int = Field(200, ge=2, le=100_000, description="Events among which utility is ranked.")
    held_out: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of the spend that goes to the held-out set; at most `floor`.",
    )


class FractionBudget(_RankedBudget):
    """A fixed fraction of the events, the more of it the higher the utility ranks."""

    kind: Literal["fraction"] = "fraction"


class QuantileBudget(_RankedBudget):
    """A fixed fraction of the events: those above a quantile of the latest utilities."""

    kind: Literal["quantile"] = "quantile"


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
        5, ge=0, le=limits.PROBABILITIES_TOP, description="Most probable classes offered."
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
    """Metrics and health."""

    host: str = Field(
        "127.0.0.1", min_length=1, max_length=255, description="Address to listen on."
    )
    port: int = Field(
        0, ge=0, le=65_535, description="Port of /metrics, /live and /ready; 0: none of them."
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


AnyFormat = JsonFormat | AvroFormat
AnyEncoder = HashingEncoder | ColumnsEncoder | VectorEncoder
AnyLearner = (
    SoftmaxLearner
    | PrototypeLearner
    | ReplayMlpLearner
    | RiverLearner
    | NoChangeLearner
    | MajorityLearner
)
AnyMemory = NoMemory | ReservoirMemory | ClassBalancedMemory
AnyQuery = UncertaintyQuery | RandomQuery
AnyBudget = FractionBudget | QuantileBudget
