"""What all dashboards share: variables, marks of what happened, links from one to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from stream_cl.observe.dashboards.panels import RATE, SCOPE, SOURCE, Panel
from stream_cl.observe.promql import PromQL

TAG: Final = "stream-cl"
ASK: Final = PromQL(SCOPE, RATE)
"""Queries of what the variables choose."""
_FOUND_BY: Final = PromQL("", "").gauge("step")
_GAP: Final = "[10m]"
"""A restart that takes no longer is none for the marks: its series count as going on."""


class Part(NamedTuple):
    """A row of panels below its heading."""

    heading: str
    panels: Sequence[Panel]


def dashboard(name: str, title: str, description: str, parts: Sequence[Part]) -> models.Dashboard:
    """A whole dashboard.

    Args:
        name: in its address: `stream-cl-<name>`.
        title: of it.
        description: who reads it, and for what.
        parts: from top to bottom; the first says whether it is healthy.
    """
    made = (
        Dashboard(f"stream_cl / {title}")
        .uid(f"stream-cl-{name}")
        .description(description)
        .tags([TAG])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("10s")
        .timezone("browser")
        .variables(_variables())
        .annotations(_annotations())
        .link(_others())
    )
    for part in parts:
        made = made.with_row(Row(part.heading))
        for panel in part.panels:
            made = made.with_panel(panel)
    built = made.build()
    for number, placed in enumerate(built.panels or [], start=1):
        placed.id_val = number
    return built


def _variables() -> list[Builder[models.VariableModel]]:
    def query(name: str, label: str, text: str) -> QueryVariable:
        return (
            QueryVariable(name)
            .label(label)
            .datasource(SOURCE)
            .query({"query": text, "refId": name})
            .definition(text)
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".+")
            .current(models.VariableOption(selected=True, text="All", value="$__all"))
        )

    return [
        DatasourceVariable("datasource").label("Data source").type("prometheus"),
        query("job", "Job", f"label_values({_FOUND_BY}, job)"),
        query("instance", "Instance", f'label_values({_FOUND_BY}{{job=~"$job"}}, instance)'),
    ]


def _annotations() -> list[Builder[models.AnnotationQuery]]:
    incarnation, drifts = ASK.gauge("incarnation"), ASK.counter("drifts")
    return [
        _mark("Drift", "purple", _rises(drifts), "A drift was detected"),
        _mark(
            "Deployments",
            "blue",
            f"{ASK.gauge('build_info')} unless last_over_time("
            f"{ASK.gauge('build_info')}{_GAP} offset $__interval)",
            "Version {{version}} runs",
        ),
        _mark("Incarnations", "orange", _rises(incarnation), "The writer was started again"),
    ]


def _rises(selector: str) -> str:
    """1 at the moment when a value is larger than it was, across the gap of a restart."""
    before = f"last_over_time({selector}{_GAP} offset $__interval)"
    return f"({selector} > bool {before}) > 0"


def _mark(name: str, colour: str, query: str, text: str) -> Builder[models.AnnotationQuery]:
    target = prometheus.Dataquery().expr(query).ref_id("Anno").datasource(SOURCE).range()
    return (
        AnnotationQuery()
        .name(name)
        .datasource(SOURCE)
        .enable(True)
        .icon_color(colour)
        .expr(query)
        .target(target)
        .step("15s")
        .title_format(name)
        .text_format(f"{text} ({{{{instance}}}})")
        .tag_keys("job,instance")
    )


def _others() -> Builder[models.DashboardLink]:
    return (
        DashboardLink("stream_cl")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(False)
        .include_vars(True)
        .keep_time(True)
    )
