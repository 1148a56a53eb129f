"""How a panel looks: the same fonts, colours and legends on every dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import DashboardLink, FieldColor, ThresholdsConfig
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from stream_cl.observe.alerts import runbook

SOURCE: Final = options.DataSourceRef(type_val="prometheus", uid="${datasource}")
RATE: Final = "$__rate_interval"
SCOPE: Final = 'job=~"$job", instance=~"$instance"'

WELL, LOOK, ACT, CALM = "green", "orange", "red", "blue"
NO_VALUE: Final = "no value yet"

Panel = builder.Builder[models.Panel]
Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour holds; the first from None, which is minus infinity."""


class Line(NamedTuple):
    """One query of a panel.

    legend: how its series are called, with labels in `{{}}`. colour: of the series, where it has
    a meaning. dashed: for what others are compared with. fill_to: the legend of the line down to
    which the area is filled, for intervals.
    """

    query: str
    legend: str = "{{instance}}"
    colour: str = ""
    dashed: bool = False
    fill_to: str = ""


class _Common(Protocol):
    """What builders of every kind of panel have."""

    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: options.DataSourceRef) -> Self: ...
    def with_target(self, target: builder.Builder[variants.Dataquery]) -> Self: ...
    def links(self, links: list[builder.Builder[models.DashboardLink]]) -> Self: ...
    def unit(self, unit: str) -> Self: ...
    def no_value(self, no_value: str) -> Self: ...
    def span(self, w: int) -> Self: ...
    def height(self, h: int) -> Self: ...
    def thresholds(self, thresholds: builder.Builder[models.ThresholdsConfig]) -> Self: ...


P = TypeVar("P", bound=_Common)


def tile(
    title: str,
    description: str,
    query: str,
    unit: str,
    steps: Steps,
    *,
    alert: str = "",
    words: Mapping[str, tuple[str, str]] | None = None,
    decimals: int | None = None,
) -> Panel:
    """One large value for each instance, coloured by what it means.

    Args:
        title: what it is.
        description: what good looks like, and what to do otherwise.
        query: of one value for each instance.
        unit: by Grafana's names.
        steps: colours by value.
        alert: the name of the alert whose runbook helps.
        words: value → word and colour, where a number says nothing.
        decimals: digits after the point; by the value where None.
    """
    panel = (
        stat.Panel()
        .graph_mode(options.BigValueGraphMode.AREA if not words else options.BigValueGraphMode.NONE)
        .color_mode(options.BigValueColorMode.VALUE)
        .color_scheme(FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    if words:
        shown = {
            value: models.ValueMappingResult(text=text, color=colour, index=i)
            for i, (value, (text, colour)) in enumerate(words.items())
        }
        panel = panel.mappings([models.ValueMap(options=shown)])
    return _finished(panel, title, description, [Line(query)], unit, steps, alert, 4, 4)


def graph(
    title: str,
    description: str,
    lines: Sequence[Line],
    unit: str,
    *,
    steps: Steps = (),
    alert: str = "",
    low: float | None = None,
    high: float | None = None,
    stacked: bool = False,
    each_instance: bool = False,
    width: int = 8,
) -> Panel:
    """Lines over time.

    Args:
        title: what it is.
        description: what good looks like, and what to do otherwise.
        lines: its queries.
        unit: by Grafana's names.
        steps: drawn as dashed lines where there are any.
        alert: the name of the alert whose runbook helps.
        low: where the axis begins at the least.
        high: where it ends at the least.
        stacked: add the lines up.
        each_instance: one panel for each; needed for `fill_to`, which knows fixed legends only.
        width: of 24; with `each_instance` they share a row.
    """
    panel = (
        timeseries.Panel()
        .line_width(2 if not stacked else 1)
        .fill_opacity(8 if not stacked else 40)
        .show_points(options.VisibilityMode.AUTO)
        .span_nulls(False)
        .color_scheme(FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(options.LegendDisplayMode.TABLE)
            .placement(options.LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(options.TooltipDisplayMode.MULTI)
            .sort(options.SortOrder.DESCENDING)
        )
    )
    if low is not None:
        panel = panel.axis_soft_min(low)
    if high is not None:
        panel = panel.axis_soft_max(high)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
    if steps:
        style = common.GraphThresholdsStyleConfig()
        panel = panel.thresholds_style(style.mode(options.GraphThresholdsStyleMode.DASHED))
    if each_instance:
        panel = panel.repeat("instance").repeat_direction("h").max_per_row(2)
    for i, line in enumerate(lines):
        if found := _overrides(line, lines):
            panel = panel.override_by_query(_name(i), found)
    return _finished(panel, title, description, lines, unit, steps, alert, width, 8)


def bars(
    title: str,
    description: str,
    query: Line,
    unit: str,
    steps: Steps,
    *,
    alert: str = "",
    width: int = 8,
) -> Panel:
    """The newest value of every series, a share, as a bar that is full at 1."""
    panel = (
        bargauge.Panel()
        .orientation(options.VizOrientation.HORIZONTAL)
        .display_mode(options.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_scheme(FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .min(0)
        .max(1)
    )
    return _finished(panel, title, description, [query], unit, steps, alert, width, 8)


def rows(
    title: str,
    description: str,
    lines: Sequence[Line],
    unit: str,
    *,
    by: str,
    width: int = 12,
) -> Panel:
    """A table of the newest values: one row for each value of the label `by`, one column for each
    line, called by its legend."""
    # As Grafana calls the values of several queries, and those of one.
    names = {f"Value #{_name(i)}": line.legend for i, line in enumerate(lines)}
    names["Value"] = lines[0].legend
    hidden = {"Time": True, "job": True, "__name__": True, "figure": True, "bound": True}
    panel = (
        table.Panel()
        .with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            models.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": hidden,
                    "indexByName": {"instance": 0, by: 1},
                    "renameByName": names,
                },
            )
        )
    )
    return _finished(panel, title, description, lines, unit, (), "", width, 8, table=True)


def _overrides(line: Line, lines: Sequence[Line]) -> list[models.DynamicConfigValue]:
    """What is drawn otherwise than its panel says."""
    found: dict[str, object] = {}
    if line.colour:
        found["color"] = {"mode": "fixed", "fixedColor": line.colour}
    if line.dashed:
        found["custom.lineStyle"] = {"fill": "dash", "dash": [8, 6]}
        found["custom.fillOpacity"] = 0
    if line.fill_to:
        found["custom.fillBelowTo"] = line.fill_to
        found["custom.fillOpacity"] = 18
    if line.fill_to or any(line.legend == other.fill_to for other in lines):
        found["custom.lineWidth"] = 0
    return [models.DynamicConfigValue(id_val=name, value=value) for name, value in found.items()]


def _finished(
    panel: P,
    title: str,
    description: str,
    lines: Sequence[Line],
    unit: str,
    steps: Steps,
    alert: str,
    width: int,
    height: int,
    table: bool = False,
) -> P:
    panel = panel.title(title).description(description).datasource(SOURCE).unit(unit)
    panel = panel.no_value(NO_VALUE).span(width).height(height)
    for i, line in enumerate(lines):
        query = prometheus.Dataquery().expr(line.query).legend_format(line.legend).ref_id(_name(i))
        query = query.datasource(SOURCE)
        if table:
            panel = panel.with_target(query.format(PromQueryFormat.TABLE).instant())
        else:
            panel = panel.with_target(query.range())
    if steps:
        found = [models.Threshold(value=value, color=colour) for value, colour in steps]
        mode = models.ThresholdsMode.ABSOLUTE
        panel = panel.thresholds(ThresholdsConfig().mode(mode).steps(found))
    if alert:
        link = DashboardLink(f"Runbook: {alert}").type(models.DashboardLinkType.LINK)
        panel = panel.links([link.url(runbook(alert)).target_blank(True)])
    return panel


def _name(i: int) -> str:
    """A, B, C, … as Grafana calls queries."""
    return chr(ord("A") + i)
