"""Settings of the query strategies."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from stream_cl.config.rules import with_default_kind
from stream_cl.config.section import Section
from stream_cl.core import limits


class RandomQuery(Section):
    """The control: every event is as useful as any other."""

    kind: Literal["random"] = "random"


class UncertaintyQuery(Section):
    """Ask where the learner is least sure."""

    kind: Literal["uncertainty"] = "uncertainty"
    measure: Literal["margin", "least_confidence", "entropy"] = Field(
        "margin", description="How uncertainty is measured."
    )
    spread: float = Field(
        0.2,
        ge=0,
        le=100,
        description="How near to one of the last questions an event has less to teach, as a share "
        "of the usual squared distance; 0: it does not matter.",
    )


class _SketchedQuery(Section):
    dimensions: int = Field(
        32, ge=1, le=4096, description="Numbers that an event is remembered by."
    )


class ProbabilisticQuery(_SketchedQuery):
    """Ask where a label is expected to make most predictions right, and where events are many."""

    kind: Literal["probabilistic"] = "probabilistic"
    frequencies: Literal["learner", "kernel"] = Field(
        "learner",
        description="Where the class shares around an event come from: from the learner, or from "
        "the labels near it.",
    )
    prior: float = Field(
        1.0, gt=0, le=1e6, description="What each class counts for before any label."
    )
    reach: float = Field(
        0.05, gt=0, lt=1, description="How wide its kernel is: mean weight of the events seen."
    )
    window: int = Field(
        100, ge=1, le=100_000, description="Events, and as many labelled ones, remembered."
    )


class DensityQuery(_SketchedQuery):
    """Ask where the learner is unsure and events are many."""

    kind: Literal["density"] = "density"
    measure: Literal["margin", "least_confidence", "entropy"] = Field(
        "margin", description="How uncertainty is measured."
    )
    window: int = Field(100, ge=1, le=100_000, description="Events remembered.")


class CommitteeQuery(Section):
    """Ask where models that learned other samples of the labels disagree."""

    kind: Literal["committee"] = "committee"
    measure: Literal["kl", "vote_entropy"] = Field(
        "kl", description="How disagreement is measured."
    )
    members: int = Field(5, ge=2, le=1000, description="Models in the committee.")


class BaldQuery(Section):
    """Ask where a label would say most about which model is right."""

    kind: Literal["bald"] = "bald"
    samples: int = Field(10, ge=2, le=1000, description="Models drawn from the posterior.")


class VessalQuery(_SketchedQuery):
    """Ask where the learner is unsure in a direction that was not asked for before."""

    kind: Literal["vessal"] = "vessal"
    window: int = Field(
        1000,
        ge=10,
        le=limits.CAPACITY_MAX,
        description="Events after which one counts for a third of what it did.",
    )


class NoveltyQuery(_SketchedQuery):
    """Ask for what is far from every labelled event, mixed with uncertainty."""

    kind: Literal["novelty"] = "novelty"
    mix: Literal["share", "product", "max", "mean", "alone"] = Field(
        "share",
        description="How the ranks of novelty and uncertainty become one number: novelty for a "
        "share of the events and uncertainty for the others, their product (from above), the "
        "larger, the weighted mean; alone: novelty only.",
    )
    share: float = Field(
        0.3, ge=0, le=1, description="Weight of novelty in `mean`, share of the events in `share`."
    )
    measure: Literal["margin", "least_confidence", "entropy"] = Field(
        "margin", description="How uncertainty is measured."
    )
    store: int = Field(200, ge=1, le=100_000, description="Labelled events remembered.")
    window: int = Field(200, ge=1, le=100_000, description="Events among which both are ranked.")


class _WrapperQuery(Section):
    of: AnyQuery = Field(
        UncertaintyQuery(),
        discriminator="kind",
        description="The strategy whose utilities it changes; one like this too, each kind once.",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_kind(cls, data: Any) -> Any:
        return with_default_kind(data, "of", UncertaintyQuery().kind)


class ClassBalanceQuery(_WrapperQuery):
    """Another strategy, with less weight on classes that have many labels."""

    kind: Literal["class_balance"] = "class_balance"
    strength: float = Field(1.0, ge=0, le=10, description="How much balance counts; 0: not at all.")
    forget: float = Field(
        0.999, ge=0.1, le=1, description="How much of the counts stays with every label; 1: all."
    )


class StochasticQuery(_WrapperQuery):
    """Another strategy, with noise that belongs to the event."""

    kind: Literal["stochastic"] = "stochastic"
    draw: Literal["power", "softmax"] = Field(
        "power", description="Noise on the logarithm of the utility, or on the utility."
    )
    beta: float = Field(1.0, ge=0.1, le=1e6, description="The larger, the less noise.")


class CostAwareQuery(_WrapperQuery):
    """Another strategy, its utility by the cost that the labels of such events had."""

    kind: Literal["cost_aware"] = "cost_aware"
    strength: float = Field(1.0, ge=0, le=10, description="How much cost counts; 0: not at all.")
    forget: float = Field(
        0.99,
        ge=0.1,
        le=1,
        description="How much of a class's costs stays with every answer of that class; 1: all.",
    )


class BurstOnDriftQuery(_WrapperQuery):
    """Another strategy; after a drift the next events rank above all others, and alike."""

    kind: Literal["burst_on_drift"] = "burst_on_drift"
    signal: Literal["uncertainty", "error"] = Field(
        "uncertainty", description="What is watched: how unsure events are, or wrong predictions."
    )
    events: int = Field(1000, ge=1, le=limits.CAPACITY_MAX, description="Events in a burst.")
    delta: float = Field(
        0.05, gt=0, lt=1, description="Share of false alarms; smaller is less sensitive."
    )


AnyQuery = (
    UncertaintyQuery
    | RandomQuery
    | ProbabilisticQuery
    | DensityQuery
    | CommitteeQuery
    | BaldQuery
    | VessalQuery
    | NoveltyQuery
    | ClassBalanceQuery
    | StochasticQuery
    | CostAwareQuery
    | BurstOnDriftQuery
)


for _wrapper in _WrapperQuery.__subclasses__():
    _wrapper.model_rebuild()  # what they wrap is known now
