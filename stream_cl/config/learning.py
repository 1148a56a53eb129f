"""Settings of the learners and their memories."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from stream_cl.config.section import Capacity, Section
from stream_cl.core import limits


class _Learner(Section):
    max_classes: int = Field(
        100,
        ge=2,
        le=limits.CLASSES_MAX,
        description="Most classes ever learned; a label that would be one more is a dead letter.",
    )


class SoftmaxLearner(_Learner):
    """Multinomial logistic regression by AdaGrad at two rates, learned event by event."""

    kind: Literal["softmax"] = "softmax"
    learning_rate: float = Field(
        0.5, gt=0, le=1e6, description="Size of the first step of a weight."
    )
    epsilon: float = Field(
        0.1,
        ge=1e-12,
        le=1e12,
        description="Where the sum of squared gradients starts; damps the first steps.",
    )
    forget: float = Field(
        1.0, gt=0, le=1, description="How much of that sum stays with every event; 1: all."
    )
    learning_rate_fast: float = Field(
        2.0,
        gt=0,
        le=1e6,
        description="learning_rate of a second set of weights, mixed with the first by how well "
        "each did of late.",
    )
    forget_fast: float = Field(
        0.995,
        gt=0,
        le=1,
        description="forget of the second set. With both as those of the first there is none.",
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


AnyLearner = (
    SoftmaxLearner
    | PrototypeLearner
    | ReplayMlpLearner
    | RiverLearner
    | NoChangeLearner
    | MajorityLearner
)
AnyMemory = NoMemory | ReservoirMemory | ClassBalancedMemory
