"""Labels: are they asked for, answered, and worth what they cost.

Longer than other files: it is one dashboard, and every panel explains itself.
"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from stream_cl.observe.dashboards.frame import ASK, Part, dashboard
from stream_cl.observe.dashboards.panels import ACT, CALM, LOOK, WELL, Line, graph, rows, tile

_HOUR: Final = "1h"
_EVENTS: Final = f"({ASK.increase('predictions', _HOUR)} > 0)"
_SPEND: Final = f"{ASK.increase('asked', _HOUR)} / {_EVENTS}"
_AGAIN: Final = f"{ASK.increase('asked_again', _HOUR)} / {_EVENTS}"
_TARGET: Final = ASK.gauge("budget_target_ratio")


def labels() -> Dashboard:
    """The dashboard."""
    return dashboard(
        "labels",
        "Labels",
        "For who pays for labels: whether questions are asked and answered, and the budget holds.",
        [_healthy(), _spend(), _answers(), _worth(), _annotators()],
    )


def _healthy() -> Part:
    return Part(
        "Is it healthy?",
        [
            tile(
                "Asking",
                "Good: asking. Paused: a `pause` stands in the control topic; `resume` ends it.",
                ASK.gauge("asking"),
                "none",
                [(None, LOOK), (1, WELL)],
                words={"0": ("paused", LOOK), "1": ("asking", WELL)},
                alert="StreamClNoLabels",
            ),
            tile(
                "Spend to target",
                "Events asked about within the hour, as a part of what the budget lets it. "
                "Good: 80 to 120 %. Far above: see the runbook. Far below: nothing is worth "
                "asking, or a limit of the budget holds.",
                f"{_SPEND} / ({_TARGET} > 0)",
                "percentunit",
                [(None, LOOK), (0.5, WELL), (1.2, LOOK), (1.5, ACT)],
                alert="StreamClBudgetBurning",
            ),
            tile(
                "Open questions",
                "Neither answered nor expired. Good: steady. Growing: more is asked than answered; "
                "at the bound of `pending` the oldest are given up.",
                ASK.gauge("open_requests"),
                "short",
                [(None, CALM)],
                alert="StreamClStoreFull",
            ),
            tile(
                "Answered",
                "Of all questions, those answered in time. Good: near 100 %. Low: labels.ttl_s is "
                "too short, or too few people answer.",
                ASK.gauge("score_ratio", score="answered_share"),
                "percentunit",
                [(None, ACT), (0.5, LOOK), (0.8, WELL)],
                alert="StreamClNoLabels",
                decimals=1,
            ),
            tile(
                "Median answer",
                "Time from a question to its first answer. Good: much shorter than the world takes "
                "to change.",
                ASK.quantile(0.5, "answer_seconds"),
                "s",
                [(None, CALM)],
                alert="StreamClNoLabels",
            ),
            tile(
                "Labels learned",
                "Within the hour. Good: about what was asked for. 0 while questions are asked: "
                "nobody answers, or the answers are dead letters.",
                f"clamp_min(delta({ASK.gauge('learned_labels')}[{_HOUR}]), 0)",
                "short",
                [(None, LOOK), (1, WELL)],
                alert="StreamClDriftWithoutLabels",
                decimals=0,
            ),
        ],
    )


def _spend() -> Part:
    return Part(
        "Spend",
        [
            graph(
                "Share asked",
                "Events asked about within the hour, as a share of all. Good: near the dashed "
                "target. Further answers to the same questions come on top; `all` has both, since "
                "the start.",
                [
                    Line(_SPEND, "asked {{instance}}"),
                    Line(_AGAIN, "asked again {{instance}}"),
                    Line(ASK.gauge("score_ratio", score="spend_share"), "all {{instance}}"),
                    Line(_TARGET, "target {{instance}}", "orange", dashed=True),
                ],
                "percentunit",
                low=0,
                alert="StreamClBudgetBurning",
            ),
            graph(
                "What became of events",
                "Events by what the budget decided, in a second. Good: mostly `not_drawn`, some "
                "asked. Reasons are in docs/records.md, predictions.",
                [Line(ASK.rate("decisions"), "{{reason}} {{instance}}")],
                "eps",
                low=0,
                stacked=True,
            ),
            graph(
                "Propensity",
                "How likely an event is to be asked: mean and least of the latest, and the floor. "
                "Good: the least on or above the floor, which is above 0: else unbiased figures "
                "have wide intervals.",
                [
                    Line(ASK.gauge("propensity_mean_ratio"), "mean {{instance}}"),
                    Line(ASK.gauge("propensity_min_ratio"), "least {{instance}}"),
                    Line(
                        ASK.gauge("budget_floor_ratio"), "floor {{instance}}", "orange", dashed=True
                    ),
                ],
                "percentunit",
                low=0,
            ),
            graph(
                "Labels spent and paid back",
                "Asked for less refunds; paid back because nobody answered; still to be paid back.",
                [
                    Line(ASK.gauge("budget_spent_labels"), "spent {{instance}}"),
                    Line(ASK.gauge("budget_refunded_labels"), "paid back {{instance}}"),
                    Line(ASK.gauge("budget_refund_waiting_labels"), "waiting {{instance}}"),
                ],
                "short",
                low=0,
                width=12,
            ),
            graph(
                "Money",
                "What a label is expected to cost, and what answers have cost. 1 and 0 where the "
                "budget counts labels.",
                [
                    Line(ASK.gauge("budget_price_units"), "price {{instance}}"),
                    Line(ASK.gauge("budget_paid_units"), "paid {{instance}}"),
                ],
                "short",
                low=0,
                width=12,
            ),
        ],
    )


def _answers() -> Part:
    return Part(
        "Answers",
        [
            graph(
                "Asked, answered, given up",
                "In a second. Good: answered follows asked. Given up rises: labels.ttl_s passes "
                "without an answer.",
                [
                    Line(ASK.rate("asked"), "asked {{instance}}"),
                    Line(ASK.rate("asked_again"), "asked again {{instance}}"),
                    Line(ASK.rate("answered"), "answered {{instance}}"),
                    Line(ASK.rate("unanswered"), "given up {{instance}}", "red"),
                ],
                "cps",
                low=0,
                alert="StreamClNoLabels",
                width=12,
            ),
            graph(
                "Labels by fate",
                "What became of labels and questions, in a second. Good: mostly learned. The "
                "fates are in docs/records.md, labels.",
                [Line(ASK.rate("labels"), "{{fate}} {{instance}}")],
                "cps",
                low=0,
                stacked=True,
                alert="StreamClDeadLettersRising",
                width=12,
            ),
            graph(
                "Time to an answer",
                "From a question to its first answer. A p95 near labels.ttl_s: many come too late.",
                [
                    Line(ASK.quantile(q, "answer_seconds"), f"p{100 * q:g} {{{{instance}}}}")
                    for q in (0.5, 0.95)
                ],
                "s",
                low=0,
                alert="StreamClNoLabels",
                width=12,
            ),
            graph(
                "Open questions and their bound",
                "And how many may wait. Good: far below the dashed bound.",
                [
                    Line(ASK.gauge("open_requests"), "open {{instance}}"),
                    Line(
                        ASK.gauge("store_bound", store="pending"),
                        "bound {{instance}}",
                        "orange",
                        dashed=True,
                    ),
                ],
                "short",
                low=0,
                alert="StreamClStoreFull",
                width=12,
            ),
        ],
    )


def _worth() -> Part:
    return Part(
        "What answers are worth",
        [
            graph(
                "Candidates that hold the truth",
                "Of the answered requests, those whose candidates held the true class: since the "
                "start, lately, and over all events. Good: at requests.coverage or above.",
                [
                    Line(
                        ASK.gauge("figure_ratio", figure=figure, bound="value"),
                        f"{name} {{{{instance}}}}",
                    )
                    for name, figure in (
                        ("start", "set_coverage"),
                        ("lately", "recent_set_coverage"),
                        ("all events", "set_coverage_unbiased"),
                    )
                ],
                "percentunit",
                high=1,
                width=12,
            ),
            graph(
                "Labels learned so far",
                "Since the state began. Good: rising. Flat: nothing is answered, or nothing asked.",
                [Line(ASK.gauge("learned_labels"), "learned {{instance}}")],
                "short",
                low=0,
                alert="StreamClDriftWithoutLabels",
                width=12,
            ),
        ],
    )


def _annotators() -> Part:
    return Part(
        "Annotators",
        [
            rows(
                "Annotators",
                "Of the 20 who answered most: answers, mean seconds and mean cost of one.",
                [
                    Line(ASK.gauge("annotator_answers"), "answers"),
                    Line(ASK.gauge("annotator_seconds"), "seconds"),
                    Line(ASK.gauge("annotator_cost_units"), "cost"),
                ],
                "short",
                by="annotator",
                width=12,
            ),
            graph(
                "Trust",
                "How likely each is right, with annotators.trust: dawid_skene. One that falls: "
                "look at their answers, or show them examples.",
                [Line(ASK.gauge("annotator_trust_ratio"), "{{annotator}} {{instance}}")],
                "percentunit",
                high=1,
                width=12,
            ),
            graph(
                "Agreement",
                "Krippendorff's alpha of questions with several answers: 1 is agreement, 0 chance. "
                "Good: above 0.8. Lower: the classes are not clear to people.",
                [Line(ASK.gauge("score_ratio", score="agreement"), "alpha {{instance}}")],
                "none",
                high=1,
                width=12,
            ),
            graph(
                "Corrected",
                "Labels that became another by further answers, and those of them that were "
                "learned again, within the hour. Many: the first answer is often wrong.",
                [
                    Line(ASK.increase("corrected", _HOUR), "corrected {{instance}}"),
                    Line(ASK.increase("relearned", _HOUR), "learned again {{instance}}"),
                ],
                "short",
                low=0,
                width=12,
            ),
        ],
    )
