"""Settings of the budgets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stream_cl.config.hours import check_days, check_hours, check_zone
from stream_cl.config.section import Section
from stream_cl.core import limits


class _Fraction(Section):
    fraction: float = Field(0.05, gt=0, le=1, description="Share of the events asked for.")


class _Asking(Section):
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
    labels_per_key: int | None = Field(
        None,
        ge=1,
        le=limits.LIMIT_LABELS,
        description="Most labels asked for events of one record key in `limit_window` events; such "
        "events are not asked then, and no figure speaks of them. null sets no limit.",
    )
    class_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Most of the labels in that window for one predicted class; such events are "
        "asked at random then, by `floor`. 1 sets no limit.",
    )
    limit_window: int = Field(
        5000,
        ge=1,
        le=limits.CAPACITY_MAX,
        description="Events that the two limits look back on; the last "
        f"{limits.LIMIT_LABELS} labels at most.",
    )
    max_open: int | None = Field(
        None,
        ge=1,
        le=limits.PENDING_MAX,
        description="Most requests open at once; null leaves it to labels.pending_capacity.",
    )


class FractionBudget(_Asking, _Fraction):
    """A fixed fraction of the events, the more of it the higher the utility ranks."""

    kind: Literal["fraction"] = "fraction"


class QuantileBudget(_Asking, _Fraction):
    """A fixed fraction of the events: those above a quantile of the latest utilities."""

    kind: Literal["quantile"] = "quantile"


class _Threshold(_Asking, _Fraction):
    step: float = Field(0.01, gt=0, lt=1, description="How fast the threshold moves.")
    scale: Literal["utility", "rank"] = Field(
        "utility",
        description="utility: for utilities from 0 to 1, as of uncertainty; rank: for any other.",
    )


class VariableThresholdBudget(_Threshold):
    """A fixed fraction of the events: those less certain than a threshold that follows them."""

    kind: Literal["variable_threshold"] = "variable_threshold"


class RandomisedBudget(_Threshold):
    """A fixed fraction of the events: variable_threshold, with chance in the threshold."""

    kind: Literal["randomised"] = "randomised"
    delta: float = Field(
        1.0, gt=0, le=100, description="Standard deviation of the factor on the threshold."
    )


class SplitBudget(_Threshold):
    """A part of the stream is asked at random, the rest by the variable threshold."""

    kind: Literal["split"] = "split"
    share: float = Field(0.2, ge=0, le=1, description="That part of the stream.")


class _Timed(_Asking):
    burst: float = Field(
        10.0,
        ge=1,
        le=limits.CAPACITY_MAX,
        description="Labels that may be saved up while there is nothing to ask.",
    )
    hours: Annotated[str, AfterValidator(check_hours)] | None = Field(
        None,
        description="When people work, as in 09:00-17:00; nothing is asked and nothing saved up at "
        "other times. null: all day.",
    )
    days: Annotated[str, AfterValidator(check_days)] = Field(
        "mon-sun", description="Days on which they do: mon-fri, or mon,wed,fri."
    )
    time_zone: Annotated[str, AfterValidator(check_zone)] = Field(
        "UTC", description="Where those hours are shown by the clock, as in Europe/Berlin."
    )


class _Rate(Section):
    rate_per_hour: float = Field(
        60.0, gt=0, le=1e9, description="Labels asked for in an hour of working time."
    )


class PerTimeBudget(_Timed, _Rate):
    """So many labels an hour, whatever the events do."""

    kind: Literal["per_time"] = "per_time"


class _Money(Section):
    amount: float = Field(10.0, gt=0, le=1e12, description="Money to be spent.")
    per: Literal["hour", "1000_events"] = Field("hour", description="On what it is spent.")
    price: float = Field(
        0.1,
        gt=0,
        le=1e9,
        description="What an answer costs that names no `cost`, from an annotator not in `prices`.",
    )
    prices: dict[str, Annotated[float, Field(ge=0, le=1e9)]] = Field(
        default_factory=dict, description="What an answer costs, by annotator."
    )


class CostBudget(_Timed, _Money):
    """So much money, where every annotator has a price."""

    kind: Literal["cost"] = "cost"


AnyBudget = (
    FractionBudget
    | QuantileBudget
    | VariableThresholdBudget
    | RandomisedBudget
    | SplitBudget
    | PerTimeBudget
    | CostBudget
)
